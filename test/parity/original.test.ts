/**
 * The original repositories' own runs: ids, merged lengths, last logits and greedy answers of checkpoints in their layout.
 *
 * Reads `original/` of the folder that LLAVA_FIXTURES names, with the pictures beside it; the default run has the cases
 * copied into `fixtures/original`. A case that changes the config is run on a copy of the checkpoint's folder.
 */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { toFloat32, type HostTensor } from '../../src/core/tensor.ts'
import { loadModel, type LoadOptions, type Model } from '../../src/index.ts'
import { openWeightFile } from '../../src/weights/index.ts'

const FIXTURES = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const LOGIT_TOLERANCE = 1e-3
const ROW_TOLERANCE = 1e-4

/** A picture's file, or the files of a clip's frames. */
type Visual = string | { readonly frames: readonly string[] }
type Sample = { readonly prompt: string; readonly images?: readonly Visual[] }

type RecordedCase = {
  readonly case: {
    readonly model: string
    readonly samples: readonly Sample[]
    readonly config?: Readonly<Record<string, unknown>>
    readonly process?: string
    readonly stack?: boolean
    readonly rope_scaling?: object
    readonly fails?: boolean
    readonly modalities?: string
  }
  readonly input_ids?: readonly number[][]
  readonly lengths?: readonly number[]
  /** Positions whose embeddings are recorded. */
  readonly rows?: readonly number[]
  readonly greedy?: readonly number[]
}

const folder = join(FIXTURES, 'original')
const pictures = join(FIXTURES, 'pictures')
if (existsSync(join(folder, 'merge.json'))) {
  const merge = JSON.parse(readFileSync(join(folder, 'merge.json'), 'utf8')) as Record<
    string,
    Record<string, RecordedCase>
  >
  const tensors = openWeightFile(join(folder, 'merge.safetensors'))
  for (const [repository, cases] of Object.entries(merge)) {
    describe(`original ${repository}`, () => {
      for (const [name, recorded] of Object.entries(cases)) {
        test(name, async (t) => {
          const reason = whySkipped(recorded)
          if (reason) return t.skip(reason)
          const embeds = `${name}/embeds`
          await checkCase(recorded, {
            lastLogits: toFloat32(tensors.read(`${name}/last_logits`)),
            embeds: tensors.tensors.has(embeds) ? tensors.read(embeds) : null,
          })
        })
      }
    })
  }
} else {
  test('original repositories', (t) => t.skip(`${folder} has no merge.json`))
}

function whySkipped({ case: one }: RecordedCase): string | null {
  if (one.fails) return 'the original fails here'
  if (one.modalities) return 'the original drops a sample of the batch'
  return null
}

async function checkCase(
  recorded: RecordedCase,
  { lastLogits, embeds }: { lastLogits: Float32Array; embeds: HostTensor | null },
): Promise<void> {
  const { case: one } = recorded
  const checkpoint = prepareCheckpoint(one)
  const model = await loadModel(checkpoint.path, { precision: 'f32', ...optionsOf(one) })
  try {
    const isLeft = one.config?.['tokenizer_padding_side'] === 'left'
    for (const [i, sample] of one.samples.entries()) {
      if (embeds && !isLeft)
        await checkRows(model, sample, { embeds, index: i, rows: recorded.rows! })
      await checkSample(model, sample, {
        ids: recorded.input_ids?.[i] ?? [],
        length: recorded.lengths?.[i] ?? 0,
        lastLogits: lastLogits.subarray(
          i * model.config.decoder.vocabSize,
          (i + 1) * model.config.decoder.vocabSize,
        ),
        greedy: one.samples.length === 1 ? recorded.greedy : undefined,
      })
    }
  } finally {
    await model.dispose()
    checkpoint.remove()
  }
}

/** Rows of pictures and clips among the recorded embeddings, [batch, rows, hidden]. */
async function checkRows(
  model: Model,
  sample: Sample,
  recorded: { embeds: HostTensor; index: number; rows: readonly number[] },
): Promise<void> {
  const request = { prompt: sample.prompt, ...mediaOf(sample) }
  const { imageSlots } = await model.prepare(request)
  const { images, videos } = await model.encodeImages(request)
  const encoded = Float32Array.from([...images, ...videos].flatMap(({ data }) => [...data]))
  const [, count = 0, width = 0] = recorded.embeds.shape
  const values = toFloat32(recorded.embeds)
  recorded.rows.forEach((row, i) => {
    const slot = imageSlots.indexOf(row)
    if (slot < 0) return
    const from = (recorded.index * count + i) * width
    for (let d = 0; d < width; d++) {
      const off = Math.abs(values[from + d]! - encoded[slot * width + d]!)
      assert.ok(off <= ROW_TOLERANCE, `row ${row}: off by ${off}`)
    }
  })
}

async function checkSample(
  model: Model,
  sample: Sample,
  expected: {
    ids: readonly number[]
    length: number
    lastLogits: Float32Array
    greedy: readonly number[] | undefined
  },
): Promise<void> {
  const request = { prompt: sample.prompt, ...mediaOf(sample) }
  const prepared = await model.prepare(request)
  assert.equal(prepared.inputIds.length, expected.length, 'length after merging')
  const tokens = [...prepared.images, ...prepared.videos].map((one) => one.tokens)
  const isCut = tokens.reduce((sum, count) => sum + count, 0) > prepared.imageSlots.length
  const ids = withoutRepeats(prepared.inputIds, tokens)
  assert.deepEqual(ids, isCut ? expected.ids.slice(0, ids.length) : expected.ids)
  const { data } = await model.logits(request)
  let worst = 0
  expected.lastLogits.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - data[i]!))))
  assert.ok(worst <= LOGIT_TOLERANCE, `last logits: off by ${worst}`)
  if (!expected.greedy) return
  const maxTokens = expected.greedy.length
  const answer = await model.generate({ ...request, maxTokens, ignoreEos: true })
  assert.deepEqual(answer.tokens, expected.greedy)
}

/** The pictures and clips of a sample; none of them has both. */
function mediaOf({ images = [] }: Sample): { images: string[]; videos: string[][] } {
  return {
    images: images.flatMap((one) => (typeof one === 'string' ? [pictureFile(one)] : [])),
    videos: images.flatMap((one) => (typeof one === 'string' ? [] : [one.frames.map(pictureFile)])),
  }
}

/** One −200 for each picture or clip, as the original writes its ids. */
function withoutRepeats(ids: readonly number[], tokens: readonly number[]): number[] {
  const result: number[] = []
  let place = 0
  for (let i = 0; i < ids.length; i++) {
    result.push(ids[i]!)
    if (ids[i] === -200) i += tokens[place++]! - 1
  }
  return result
}

function pictureFile(name: string): string {
  const beside = join(pictures, name)
  return existsSync(beside) ? beside : join(folder, 'pictures', name)
}

function optionsOf({ process: how, model }: RecordedCase['case']): LoadOptions {
  const checkpoints = join(folder, 'checkpoints')
  const config = JSON.parse(readFileSync(join(checkpoints, model, 'config.json'), 'utf8')) as {
    mm_vision_tower: string
  }
  const tower = join(checkpoints, `tower-${basename(config.mm_vision_tower)}`)
  const isPart = model.endsWith('-lora') || model.endsWith('-projector')
  return {
    visionTower: tower,
    ...(isPart && { base: join(checkpoints, 'vicuna') }),
    quirks: { truncate: 'asOriginal', ...(how && QUIRKS[how]) },
  }
}

const QUIRKS: Readonly<Record<string, LoadOptions['quirks']>> = {
  pad: { fit: 'pad', tiles: 'one' },
  squash: { fit: 'squash', tiles: 'one' },
  'anyres, padded base': { base: 'pad' },
}

/** The checkpoint's folder, or a copy of it with another config. */
function prepareCheckpoint(one: RecordedCase['case']): { path: string; remove: () => void } {
  const path = join(folder, 'checkpoints', one.model)
  const changes = { ...one.config, ...(one.rope_scaling && { rope_scaling: one.rope_scaling }) }
  if (Object.keys(changes).length === 0) return { path, remove: () => {} }
  const copy = join(mkdtempSync(join(tmpdir(), 'llava-test-')), one.model)
  cpSync(path, copy, { recursive: true })
  const file = join(copy, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...config, ...changes }))
  return { path: copy, remove: () => rmSync(join(copy, '..'), { recursive: true }) }
}
