/** The options of `loadModel` as flags, and a model loaded by them with progress on stderr. */
import { loadModel, type LoadOptions, type Model, type PrecisionOption } from '../index.ts'
import { PRECISIONS, type PrecisionName } from '../choose-precision.ts'
import type { LinearPrecision } from '../graph/lower.ts'
import type { Arguments } from './arguments.ts'
import { defaultModel } from './package.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const MODEL_OPTION: OptionSpec = {
  name: 'model',
  short: 'm',
  kind: 'text',
  value: 'path',
  about: 'Folder or .gguf file (default: the model in the package)',
}

/** Where a checkpoint in parts lies, and how it is read. */
export const CHECKPOINT_OPTIONS: readonly OptionSpec[] = inGroup('Checkpoint', [
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
    about: 'Conversation mode (vicuna_v1) or Jinja template',
  },
])

export const LOAD_OPTIONS: readonly OptionSpec[] = [
  MODEL_OPTION,
  ...inGroup('Engine', [
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
    { name: 'threads', kind: 'number', value: 'n', about: 'Threads (default: the cores)' },
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
      about: 'Memory for caches of earlier conversations',
    },
    {
      name: 'auto-orient',
      kind: 'flag',
      about: 'Turn pictures as their Exif data says; the reference does not',
    },
    { name: 'allow-remote', kind: 'flag', about: 'Fetch pictures from http and https URLs' },
  ]),
  ...CHECKPOINT_OPTIONS,
]

export function modelOf(args: Arguments): string {
  return args.text('model') ?? defaultModel()
}

/** The checkpoint options of the flags that were given. Throws UsageError. */
export function checkpointOptions(args: Arguments): LoadOptions {
  return {
    ...given({
      base: args.text('base'),
      projector: args.text('projector'),
      visionTower: args.text('vision-tower'),
      tokenizer: args.text('tokenizer'),
      template: args.text('template'),
      layout: args.text('layout') as LoadOptions['layout'],
    }),
    ...(args.has('adapter') && { adapters: args.texts('adapter') }),
    ...(args.has('quirk') && { quirks: pairs(args, 'quirk') as LoadOptions['quirks'] }),
  }
}

/** All load options of the flags that were given. Throws UsageError. */
export function loadOptions(args: Arguments): LoadOptions {
  return {
    ...checkpointOptions(args),
    ...given({
      precision: precisionOption(args),
      threads: args.number('threads'),
      maxContext: args.number('max-context'),
      kvBytes: args.number('kv-bytes'),
    }),
    ...(args.flag('auto-orient') && { autoOrient: true }),
    ...(args.flag('allow-remote') && { allowRemote: true }),
  }
}

export function precisionOption(args: Arguments): PrecisionOption | undefined {
  const name = args.text('precision') as PrecisionName | undefined
  if (!args.has('layer-precision')) return name
  const layers = pairs(args, 'layer-precision') as Record<string, LinearPrecision>
  return { ...(name !== undefined && { default: name }), layers }
}

export type LoadedModel = { readonly model: Model; readonly name: string; readonly loadMs: number }

/** The model that the flags name. Ctrl-C stops it. */
export async function loadFromFlags(args: Arguments, session: Session): Promise<LoadedModel> {
  const name = modelOf(args)
  const options = loadOptions(args)
  const start = performance.now()
  const progress = new Progress(session.terminal)
  try {
    const { signal } = session
    const model = await loadModel(name, { ...options, signal, onProgress: progress.update })
    return { model, name, loadMs: performance.now() - start }
  } finally {
    progress.end()
  }
}

/** `--quirk fit=pad --quirk a=b` as an object. */
function pairs(args: Arguments, name: string): Record<string, string> {
  return Object.fromEntries(
    args.texts(name).map((text) => {
      const at = text.lastIndexOf('=')
      if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)]
      throw new UsageError(`--${name} should be NAME=VALUE; "${text}" came.`)
    }),
  )
}

function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

function inGroup(group: string, specs: readonly OptionSpec[]): OptionSpec[] {
  return specs.map((spec) => ({ ...spec, group }))
}
