/** `llava bench --label`: what labelling in bulk costs beside the engine alone, and what it saves beside a plain loop. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../core/make-folder-node.ts'
import { Rng } from '../core/rng.ts'
import type { GenerateRequest, Model } from '../index.ts'
import { label } from '../label/index.ts'
import { formatTable } from './format.ts'
import { formatMeasured, measured, type Measured } from './measure.ts'

export type LabelBenchPlan = {
  readonly rounds: number
  /** Pictures of a round, with one prompt each. */
  readonly pictures: number
  /** Clips, with eight questions and one schema each; of them the loop is measured over a few. */
  readonly clips: number
  readonly frames: number
  /** Tokens of an answer about a picture. */
  readonly tokens: number
  readonly batch: number
  readonly signal: AbortSignal
  readonly onStep: (step: string) => void
}

export type LabelSpeeds = {
  readonly pictures: {
    readonly count: number
    readonly labelPerSecond: Measured
    readonly batchPerSecond: Measured
    /** Of labelling to the engine alone: the median of the rounds' own. */
    readonly ratio: number
  }
  readonly clips: {
    readonly count: number
    readonly frames: number
    readonly labelSeconds: number
    /** Over all clips, from what it took over so many. */
    readonly loopSeconds: number
    readonly loopedClips: number
    /** So many times as fast. */
    readonly ratio: number
  }
}

export type LabelBenchModels = {
  /** As labelling loads it. */
  readonly engine: Model
  /** The same without caches and with one row: what a loop over questions has. */
  readonly alone: () => Promise<Model>
}

const LOOPED = 4
const SIDE = 320
const QUESTIONS = [
  'Is there a person?',
  'Is it day?',
  'Does anything move?',
  'Is there text to be read?',
  'Is it indoors?',
  'Is there an animal?',
  'Does the camera move?',
  'Is it the same scene from beginning to end?',
]
const SCHEMA = {
  type: 'object',
  properties: {
    answer: { type: 'string', enum: ['yes', 'no', 'unclear'] },
    certainty: { type: 'string', enum: ['low', 'medium', 'high'] },
  },
  required: ['answer', 'certainty'],
  additionalProperties: false,
}

/** Every round has pictures that no cache has seen. */
export async function measureLabelling(
  models: LabelBenchModels,
  plan: LabelBenchPlan,
): Promise<LabelSpeeds> {
  const root = await mkdtemp(join(tmpdir(), 'llava-bench-'))
  try {
    const scratch = new Scratch(root)
    const pictures = await measurePictures(models.engine, plan, scratch)
    return { pictures, clips: await measureClips(models, plan, scratch) }
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function measurePictures(
  model: Model,
  plan: LabelBenchPlan,
  scratch: Scratch,
): Promise<LabelSpeeds['pictures']> {
  const { rounds, pictures: count, tokens: maxTokens, batch } = plan
  const prompt = 'Describe the picture.'
  const rates = { label: [] as number[], batch: [] as number[], ratio: [] as number[] }
  for (let round = 0; round <= rounds; round++) {
    plan.onStep(`${count} pictures, round ${round} of ${rounds} …`)
    const folder = await scratch.pictures(count)
    const labelMs = await timed(() =>
      label(
        {
          input: folder,
          prompts: [prompt],
          engines: [{ model, name: 'model', batch }],
          out: `${folder}.jsonl`,
          maxTokens,
        },
        { signal: plan.signal },
      ),
    )
    const others = await scratch.pictures(count)
    const requests: GenerateRequest[] = []
    for (let i = 0; i < count; i++) {
      const image = new Uint8Array(await readFile(join(others, `${i}.ppm`)))
      requests.push(asked({ type: 'image', image }, prompt, { maxTokens }))
    }
    const batchMs = await timed(() => model.generateBatch(requests))
    plan.signal.throwIfAborted()
    if (round === 0) continue
    rates.label.push((1000 * count) / labelMs)
    rates.batch.push((1000 * count) / batchMs)
    rates.ratio.push(batchMs / labelMs)
  }
  return {
    count,
    labelPerSecond: measured(rates.label),
    batchPerSecond: measured(rates.batch),
    ratio: measured(rates.ratio).median,
  }
}

async function measureClips(
  models: LabelBenchModels,
  plan: LabelBenchPlan,
  scratch: Scratch,
): Promise<LabelSpeeds['clips']> {
  const { clips: count, frames, batch, signal } = plan
  const folder = await scratch.clips(count, frames)
  const loopedClips = Math.min(LOOPED, count)
  const alone = await models.alone()
  /** Asks about the clips from `from` to `to` one by one. */
  const loop = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      for (const question of QUESTIONS) {
        const clip = { type: 'video', video: join(folder, String(i)), frames } as const
        const responseFormat = { type: 'json_schema', schema: SCHEMA } as const
        const request = asked(clip, question, { maxTokens: 32, responseFormat })
        await alone.generate({ ...request, signal })
        signal.throwIfAborted()
      }
    }
  }
  try {
    // Half of the loop before and half behind: a machine that grows slower meanwhile slows both.
    const half = Math.ceil(loopedClips / 2)
    plan.onStep(`${half} clips one by one, without caches …`)
    const beforeMs = await timed(() => loop(0, half))
    plan.onStep(`${count} clips of ${frames} frames, ${QUESTIONS.length} questions each …`)
    const labelMs = await timed(() =>
      label(
        {
          input: folder,
          clipFolders: true,
          frames,
          prompts: QUESTIONS,
          schema: SCHEMA,
          maxTokens: 32,
          engines: [{ model: models.engine, name: 'model', batch }],
          out: `${folder}.jsonl`,
        },
        { signal },
      ),
    )
    plan.onStep(`${loopedClips - half} more one by one …`)
    const afterMs = await timed(() => loop(half, loopedClips))
    const loopMs = (beforeMs + afterMs) * (count / loopedClips)
    return {
      count,
      frames,
      labelSeconds: labelMs / 1000,
      loopSeconds: loopMs / 1000,
      loopedClips,
      ratio: loopMs / labelMs,
    }
  } finally {
    await alone.dispose()
  }
}

type Medium = Exclude<
  Exclude<
    Extract<GenerateRequest, { messages: unknown }>['messages'][number]['content'],
    string
  >[number],
  { type: 'text' }
>

function asked(
  medium: Medium,
  text: string,
  options: Pick<GenerateRequest, 'maxTokens' | 'responseFormat'>,
): GenerateRequest {
  return { messages: [{ role: 'user', content: [medium, { type: 'text', text }] }], ...options }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

/** Files of noise, never twice the same. */
class Scratch {
  readonly #root: string
  readonly #rng = new Rng(Date.now() % 2 ** 31)
  #folders = 0

  constructor(root: string) {
    this.#root = root
  }

  async pictures(count: number): Promise<string> {
    const folder = join(this.#root, `pictures-${this.#folders++}`)
    await mkdir(folder)
    for (let i = 0; i < count; i++) await writeFile(join(folder, `${i}.ppm`), this.#picture())
    return folder
  }

  async clips(count: number, frames: number): Promise<string> {
    const folder = join(this.#root, `clips-${this.#folders++}`)
    for (let i = 0; i < count; i++) {
      await makeFolder(join(folder, String(i)))
      for (let frame = 0; frame < frames; frame++) {
        const name = `${String(frame).padStart(3, '0')}.ppm`
        await writeFile(join(folder, String(i), name), this.#picture())
      }
    }
    return folder
  }

  #picture(): Uint8Array {
    const pixels = Uint8Array.from({ length: 3 * SIDE * SIDE }, () => this.#rng.integer(256))
    return Buffer.concat([Buffer.from(`P6 ${SIDE} ${SIDE} 255\n`), pixels])
  }
}

export function labelLines(model: string, { pictures, clips }: LabelSpeeds): string[] {
  const { labelPerSecond, batchPerSecond } = pictures
  const rows = [
    [
      `${pictures.count} pictures, one prompt`,
      `${formatMeasured(labelPerSecond)} a second`,
      `generateBatch alone ${formatMeasured(batchPerSecond)}`,
      `${(100 * pictures.ratio).toFixed(0)} %`,
    ],
    [
      `${clips.count} clips of ${clips.frames} frames, ${QUESTIONS.length} questions`,
      `${clips.labelSeconds.toFixed(1)} s`,
      `one by one without caches ${clips.loopSeconds.toFixed(1)} s (from ${clips.loopedClips} clips)`,
      `${clips.ratio.toFixed(1)} ×`,
    ],
  ]
  return [
    `${model}, labelling; medians (least–most)`,
    ...formatTable(rows).map((line) => `  ${line}`),
  ]
}
