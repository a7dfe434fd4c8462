/** The options of `loadModel` as flags, and a model loaded by them with progress on stderr. */
import { existsSync } from 'node:fs'
import type { LoadOptions, Model, PrecisionOption } from '../index.ts'
import { PRECISIONS, type PrecisionName } from '../choose-precision.ts'
import type { LinearPrecision } from '../graph/lower.ts'
import type { ClipOptions } from '../families/clip-options.ts'
import { CACHE_FORMS } from '../serve/decoder-graph.ts'
import { hubOptionsFromEnvironment } from '../weights/hub.ts'
import type { Arguments } from './arguments.ts'
import { numberFrom } from './number-options.ts'
import { defaultModel } from './package.ts'
import { Progress } from './progress.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const MODEL_OPTION: OptionSpec = {
  name: 'model',
  short: 'm',
  kind: 'text',
  value: 'name',
  about: 'Folder, .gguf file or hub id (default: the model in the package)',
}

/** Where a checkpoint in parts lies, and how it is read. */
const PART_OPTIONS: readonly OptionSpec[] = inGroup('Checkpoint', [
  {
    name: 'base',
    kind: 'text',
    value: 'folder',
    about: 'Language model under an adapter or projector',
  },
  {
    name: 'adapter',
    kind: 'texts',
    value: 'folder',
    about: 'LoRA adapter to merge; repeat for more',
  },
  { name: 'projector', kind: 'text', value: 'path', about: 'Projector file, or a folder with one' },
  {
    name: 'vision-tower',
    kind: 'text',
    value: 'folder',
    about: 'Vision tower of an original checkpoint',
  },
  { name: 'tokenizer', kind: 'text', value: 'path', about: 'Folder or file of the tokenizer' },
  {
    name: 'layout',
    kind: 'text',
    choices: ['original', 'hf'],
    about: "Whose habits: the original repositories' or transformers'",
  },
  {
    name: 'quirk',
    kind: 'texts',
    value: 'name=value',
    about: 'One habit alone, such as fit=pad; repeat for more',
  },
  {
    name: 'template',
    kind: 'text',
    value: 'text',
    about: 'Conversation mode (vicuna_v1), Jinja template, or its file',
  },
])

const HUB_OPTIONS: readonly OptionSpec[] = inGroup('Hub', [
  { name: 'revision', kind: 'text', value: 'name', about: 'Branch, tag or commit of hub ids' },
  {
    name: 'offline',
    kind: 'flag',
    about: 'Use what is in the Hugging Face cache, never the network',
  },
])

export const CHECKPOINT_OPTIONS = [...PART_OPTIONS, ...HUB_OPTIONS]

/** How the weights are stored and multiplied, and where that is kept. */
export const PRECISION_OPTIONS: readonly OptionSpec[] = inGroup('Engine', [
  {
    name: 'precision',
    kind: 'text',
    choices: PRECISIONS,
    about: 'How weights are stored and multiplied (default: auto)',
  },
  {
    name: 'layer-precision',
    kind: 'texts',
    value: 'layers=form',
    about: "Other forms for some layers: 'decoder.layers.3.*=f32'; repeat for more",
  },
  {
    name: 'cache-dir',
    kind: 'text',
    value: 'folder',
    about: 'Where quantised copies are kept (default: beside the checkpoint)',
  },
  { name: 'threads', kind: 'number', value: 'n', about: 'Threads (default: the cores)' },
])

export const LOAD_OPTIONS: readonly OptionSpec[] = [
  MODEL_OPTION,
  ...PRECISION_OPTIONS,
  ...inGroup('Engine', [
    {
      name: 'max-context',
      kind: 'number',
      value: 'tokens',
      about: 'Longest sequence (default: what the checkpoint was made for)',
    },
    {
      name: 'kv-bytes',
      kind: 'number',
      value: 'bytes',
      about:
        'Memory for keys and values of running answers and kept beginnings (default: a quarter of what is free, at least 1 GiB)',
    },
    {
      name: 'picture-bytes',
      kind: 'number',
      value: 'bytes',
      about: 'Memory for rows of encoded pictures (default: 256 MiB)',
    },
    {
      name: 'max-rows',
      kind: 'number',
      value: 'n',
      about: 'Answers that are decoded together at most (default: 16)',
    },
    {
      name: 'kv-cache',
      kind: 'text',
      choices: CACHE_FORMS,
      about:
        'How keys and values are kept (default: f32 beside f32, and beside int8 in decoders narrower than 2048; else int8)',
    },
    {
      name: 'auto-orient',
      kind: 'flag',
      about: 'Turn pictures as their Exif or XMP says, as films always are; the reference does not',
    },
    { name: 'allow-remote', kind: 'flag', about: 'Fetch pictures from http and https URLs' },
  ]),
  ...inGroup('Clips', [
    {
      name: 'frames',
      kind: 'number',
      value: 'n',
      about: 'Frames of a clip (default: what fits the context, at most 32)',
    },
    {
      name: 'rope-scaling',
      kind: 'text',
      value: 'auto|factor',
      about: 'Stretch positions for long contexts; auto: as the clip needs it',
    },
  ]),
  ...CHECKPOINT_OPTIONS,
]

/** Which frames of a clip are taken, where clips are asked about. */
export const SAMPLING_OPTIONS: readonly OptionSpec[] = inGroup('Clips', [
  {
    name: 'fps',
    kind: 'number',
    value: 'n',
    about: 'Frames of each second of a clip, unless that are more than --frames',
  },
  {
    name: 'force-sample',
    kind: 'flag',
    about: 'Exactly --frames frames, those of a shorter clip repeated',
  },
])

/** Frames a second: one of each quarter of an hour. */
const SLOWEST = 0.001

/** Those of `SAMPLING_OPTIONS`. Throws UsageError. */
export function samplingOptions(args: Arguments): {
  readonly fps?: number
  readonly forceSample?: boolean
} {
  return {
    ...given({ fps: numberFrom(args, 'fps', [SLOWEST]) }),
    ...(args.flag('force-sample') && { forceSample: true }),
  }
}

/** The model that `--model` names, else the one in the package. */
export function modelOf(args: Arguments): string {
  return args.text('model') ?? defaultModel()
}

/** The checkpoint options of the flags that were given, and the hub's of the environment. Throws UsageError. */
export function checkpointOptions(args: Arguments, { environment }: Session): LoadOptions {
  return {
    ...given({
      base: args.text('base'),
      projector: args.text('projector'),
      visionTower: args.text('vision-tower'),
      tokenizer: args.text('tokenizer'),
      template: templateOption(args.text('template')),
      layout: args.text('layout') as LoadOptions['layout'],
      revision: args.text('revision'),
    }),
    ...(args.has('adapter') && { adapters: args.texts('adapter') }),
    ...(args.has('quirk') && { quirks: pairs(args, 'quirk') as LoadOptions['quirks'] }),
    hub: {
      ...hubOptionsFromEnvironment(environment),
      ...(args.flag('offline') && { offline: true }),
    },
  }
}

/** The checkpoint options that were given, as another command line takes them. */
export type CheckpointWords = {
  /** Where the parts lie, and how they are read. */
  readonly parts: readonly string[]
  readonly template: readonly string[]
  readonly revision: readonly string[]
  readonly offline: readonly string[]
}

export function checkpointWords(args: Arguments): CheckpointWords {
  const words = (name: string) => args.texts(name).flatMap((value) => [`--${name}`, value])
  const parts = PART_OPTIONS.map(({ name }) => name).filter((name) => name !== 'template')
  return {
    parts: parts.flatMap(words),
    template: words('template'),
    revision: words('revision'),
    offline: args.flag('offline') ? ['--offline'] : [],
  }
}

/** A mode or a template as it is, or what the file of that name holds. */
function templateOption(given: string | undefined): string | undefined {
  const isFile = given !== undefined && /\.(?:jinja2?|j2|txt)$/i.test(given) && existsSync(given)
  return isFile ? readTextFile(given) : given
}

/** Those of `PRECISION_OPTIONS`. Throws UsageError. */
export function precisionOptions(args: Arguments): LoadOptions {
  return given({
    precision: precisionOption(args),
    threads: args.number('threads'),
    cacheDir: args.text('cache-dir'),
  })
}

/** What the options of loading matter for where nothing is run: how a prompt is read, and what would be chosen. */
export const LOOKING_OPTIONS = LOAD_OPTIONS.filter(
  ({ name }) => !['cache-dir', 'kv-bytes', 'picture-bytes', 'allow-remote'].includes(name),
)

/** Those of `LOOKING_OPTIONS` that were given. Throws UsageError. */
export function lookingOptions(args: Arguments, session: Session): LoadOptions {
  return {
    ...checkpointOptions(args, session),
    ...choiceOptions(args),
    ...given({ threads: args.number('threads') }),
    ...clipOptions(args),
  }
}

/** What a precision is chosen by. Throws UsageError. */
export function choiceOptions(
  args: Arguments,
): Pick<LoadOptions, 'precision' | 'kvCache' | 'maxRows'> {
  return given({
    precision: precisionOption(args),
    kvCache: kvCacheOption(args),
    maxRows: args.number('max-rows'),
  })
}

/** All load options of the flags that were given. Throws UsageError. */
export function loadOptions(args: Arguments, session: Session): LoadOptions {
  return {
    ...checkpointOptions(args, session),
    ...precisionOptions(args),
    ...given({
      kvBytes: args.number('kv-bytes'),
      pictureBytes: args.number('picture-bytes'),
      maxRows: args.number('max-rows'),
      kvCache: kvCacheOption(args),
    }),
    ...clipOptions(args),
    ...(args.flag('auto-orient') && { autoOrient: true }),
    ...(args.flag('allow-remote') && { allowRemote: true }),
  }
}

/** Those of the group of clips, and the context that holds them. */
export function clipOptions(args: Arguments): ClipOptions {
  return given({
    maxContext: args.number('max-context'),
    frames: args.number('frames'),
    ropeScaling: ropeScaling(args.text('rope-scaling')),
  })
}

function kvCacheOption(args: Arguments): LoadOptions['kvCache'] {
  return args.text('kv-cache') as LoadOptions['kvCache']
}

function ropeScaling(text: string | undefined): LoadOptions['ropeScaling'] {
  if (text === undefined || text === 'auto') return text
  const factor = Number(text)
  if (text.trim() !== '' && factor >= 1 && Number.isFinite(factor)) return factor
  throw new UsageError(`--rope-scaling: expected auto or a number from 1, "${text}" came.`)
}

function precisionOption(args: Arguments): PrecisionOption | undefined {
  const name = args.text('precision') as PrecisionName | undefined
  if (!args.has('layer-precision')) return name
  const layers = pairs(args, 'layer-precision') as Record<string, LinearPrecision>
  return { ...(name !== undefined && { default: name }), layers }
}

export type LoadedModel = { readonly model: Model; readonly name: string; readonly loadMs: number }

/** The model that the flags name. Ctrl-C stops it. */
export async function loadFromFlags(
  args: Arguments,
  session: Session,
  /** What the verb takes where no flag says otherwise. */
  defaults: LoadOptions = {},
): Promise<LoadedModel> {
  const name = modelOf(args)
  if (!args.has('model')) {
    session.terminal.note(`model: ${name}, which comes with the package (--model names another)`)
  }
  const options = loadOptions(args, session)
  const start = performance.now()
  const progress = new Progress(session.terminal)
  try {
    const { signal } = session
    // The engine is read from disk only now: a wrong command line is answered without it.
    const { loadModel } = await import('../index.ts')
    const loading = { ...defaults, ...options, signal, onProgress: progress.update }
    const model = await loadModel(name, loading)
    return { model, name, loadMs: performance.now() - start }
  } finally {
    progress.end()
  }
}

/** `--quirk fit=pad --quirk poolStride=2` as an object; what is written as a number is one. */
function pairs(args: Arguments, name: string): Record<string, string | number> {
  return Object.fromEntries(
    args.texts(name).map((text) => {
      const [, key, value] = /^([^=]+)=([^=]+)$/.exec(text) ?? []
      if (key === undefined || value === undefined) {
        throw new UsageError(`--${name} should be NAME=VALUE; "${text}" came.`)
      }
      return [key, /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value]
    }),
  )
}

function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

function inGroup(group: string, specs: readonly OptionSpec[]): OptionSpec[] {
  return specs.map((spec) => ({ ...spec, group }))
}
