/** `llava data build-bench`: a benchmark like LLaVA-Bench (Wilder) out of a folder of requests with pictures. */
import { resolve } from 'node:path'
import {
  buildBench,
  type BenchAnswerer,
  type BenchEmbedder,
  type BenchReport,
  type BenchRequest,
} from '../data/index.ts'
import { Endpoint, EndpointEngine, readMedium } from '../eval/index.ts'
import type { Message, Model } from '../index.ts'
import type { Arguments } from './arguments.ts'
import type { DataAction } from './data-action.ts'
import { MIXTURE_OPTIONS, openMixture } from './eval-contamination.ts'
import { weightsHash } from './model-identity.ts'
import { checkIdleOfBuildBench } from './idle-options.ts'
import { LOAD_OPTIONS, loadFromFlags, modelOf } from './load-flags.ts'
import { wholeFrom0 } from './number-options.ts'
import { Progress } from './progress.ts'
import { checkServerUrl, ENGINE_KEYS, serverKey } from './server-options.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

/** Of the small set of Wilder. */
const SIZE = 120

export const dataBuildBench: DataAction = {
  name: 'build-bench',
  place: '<folder>',
  about: 'a benchmark like LLaVA-Bench (Wilder) out of user requests with pictures',
  options: [
    { name: 'out', kind: 'text', value: 'folder', about: 'Where to; the same command goes on' },
    { name: 'size', kind: 'number', value: 'n', about: `Questions at most (default: ${SIZE})` },
    { name: 'seed', kind: 'number', value: 'n', about: 'Of the clusters (default: 0)' },
    {
      name: 'engine',
      kind: 'text',
      value: 'url',
      about: 'Reference answers by an OpenAI-compatible server (default: by --model)',
    },
    { name: 'engine-model', kind: 'text', value: 'id', about: 'The id that the server knows' },
    { name: 'max-tokens', kind: 'number', value: 'n', about: 'Of a reference (default: 1024)' },
    { name: 'no-references', kind: 'flag', about: 'Leave reference answers to people' },
    ...MIXTURE_OPTIONS,
    ...LOAD_OPTIONS.map((option) =>
      option.name === 'model'
        ? { ...option, about: 'Its vision tower embeds the pictures (default: no model does)' }
        : option,
    ),
  ],
  examples: [
    'data build-bench requests/ --out bench --size 120 --model llava-1.5-7b-hf --mixture mix665k.json',
    'data build-bench requests/ --out bench --engine https://api.openai.com/v1 --engine-model gpt-4o-2024-11-20',
  ],
  async run(args, session) {
    const out = args.text('out')
    if (out === undefined)
      throw new UsageError('llava data build-bench needs --out, the folder to write.')
    checkIdleOfBuildBench(args)
    const size = wholeFrom0(args, 'size') ?? SIZE
    if (size === 0) throw new UsageError('--size should be at least 1; 0 came.')
    const progress = new Progress(session.terminal)
    await using model = args.has('model') ? (await loadFromFlags(args, session)).model : null
    const mixture = args.text('mixture')
    await using dataset =
      mixture === undefined ? null : await openMixture(mixture, args, session, progress)
    try {
      const report = await buildBench({
        folder: resolve(args.positionals[1] as string),
        out: resolve(out),
        size,
        seed: wholeFrom0(args, 'seed') ?? 0,
        embedder: model === null ? undefined : await embedderOf(model, args, session),
        answerer: answererOf(model, args, session),
        mixture: dataset ?? undefined,
        onProgress: progress.update,
        signal: session.signal,
      })
      progress.end()
      if (session.terminal.isJson) session.terminal.json({ out, ...report })
      else for (const line of linesOf(out, report)) session.terminal.print(line)
    } finally {
      progress.end()
    }
  },
}

/** The mean over a picture's rows of what tower and projector give. */
async function embedderOf(model: Model, args: Arguments, session: Session): Promise<BenchEmbedder> {
  const hash = await weightsHash(args, session)
  const name = modelOf(args).split(/[/\\]/).at(-1)
  return {
    identity: `mean features of tower and projector of ${name} (weights ${hash.slice(0, 12)})`,
    async embed(picture) {
      const { images } = await model.encodeImages({
        messages: [{ role: 'user', content: [{ type: 'image', image: picture }] }],
      })
      const [rows] = images
      if (!rows) throw new Error('internal: a picture gave no rows')
      const [count = 1, width = 0] = rows.shape
      return Float32Array.from({ length: width }, (_, d) => {
        let sum = 0
        for (let r = 0; r < count; r++) sum += rows.data[r * width + d] as number
        return sum / count
      })
    },
  }
}

/** Nobody where nobody was named: a benchmark of unknown references is worse than one without. */
function answererOf(
  model: Model | null,
  args: Arguments,
  { signal, environment }: Session,
): BenchAnswerer | undefined {
  const url = args.text('engine')
  const id = args.text('engine-model')
  if ((url === undefined) !== (id === undefined)) {
    throw new UsageError(
      '--engine needs --engine-model, the id that the server knows, and the other way round.',
    )
  }
  if (args.flag('no-references')) return undefined
  const maxTokens = wholeFrom0(args, 'max-tokens') ?? 1024
  if (url !== undefined && id !== undefined) {
    checkServerUrl('engine', url)
    const apiKey = serverKey({ environment }, ENGINE_KEYS)
    const endpoint = new Endpoint({ url, apiKey })
    const engine = new EndpointEngine({ endpoint, model: id, readPicture: readMedium, seed: 0 })
    return {
      identity: `${id} at a server`,
      async answer(request) {
        const { text } = await engine.generate({ messages: messagesOf(request), maxTokens }, signal)
        return text.trim()
      },
    }
  }
  if (model === null) return undefined
  return {
    identity: modelOf(args).split(/[/\\]/).at(-1) ?? 'model',
    async answer(request) {
      const messages = messagesOf(request)
      const { text } = await model.generate({ messages, maxTokens, temperature: 0, signal })
      return text.trim()
    },
  }
}

function messagesOf({ images, text }: BenchRequest): Message[] {
  const pictures = images.map((image) => ({ type: 'image' as const, image }))
  return [{ role: 'user', content: [...pictures, { type: 'text', text }] }]
}

function linesOf(out: string, report: BenchReport): string[] {
  const { steps, embeddings, references, unanswered, contamination, dropped } = report
  const count = (step: string) => dropped.filter((one) => one.step === step).length
  const by = references.by === null ? 'left to people' : `by ${references.by}`
  return [
    `${out}: ${steps.accepted} questions of ${steps.read} requests, seed ${report.seed}`,
    `  left out      ${count('read')} broken, ${count('duplicate')} duplicates, ${count('training data')} in the training data, ${count('alike')} too like another`,
    ...(contamination
      ? [
          `  overlap       ${contamination.pictures.equal + contamination.pictures.near} pictures and ${contamination.texts.equal + contamination.texts.near} texts of ${contamination.items} with ${contamination.training.records} records; pictures were left out`,
        ]
      : ['  overlap       not looked for: --mixture names training data']),
    `  pictures by   ${embeddings.pictures}`,
    `  texts by      ${embeddings.texts}`,
    `  references    ${by}${references.missing > 0 ? `, ${references.missing} missing` : ''}`,
    ...(unanswered[0] ? [`  unanswered    ${unanswered[0].id}: ${unanswered[0].reason}`] : []),
    '  review.jsonl is for people: set accept to false or rewrite, and run the command again',
    `  llava eval llava-wilder --questions ${quoted(`${out}/bench.jsonl`)} --images ${quoted(out)}`,
  ]
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./~:@%+,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
