/** The options of `llava label` that are not the model's. */
import type { LoadOptions } from '../load-model.ts'
import type { LabelEngineOptions, LabelOptions } from '../label/index.ts'
import type { Model } from '../index.ts'
import { LONGEST_SECONDS } from '../core/longest-wait.ts'
import { LONGEST_CALL_MS } from '../serve/remote/endpoint.ts'
import type { Arguments } from './arguments.ts'
import { GENERATE_OPTIONS, readSchema } from './generate-flags.ts'
import {
  loadFromFlags,
  loadOptions,
  LOAD_OPTIONS,
  modelOf,
  SAMPLING_OPTIONS,
  samplingOptions,
} from './load-flags.ts'
import { numberFrom, wholeFrom1 } from './number-options.ts'
import { refuseIdle } from './refuse-idle.ts'
import { ENGINE_KEYS, serverKey, serverUrls } from './server-options.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

const ASKED: readonly OptionSpec[] = [
  {
    name: 'prompt',
    short: 'p',
    kind: 'texts',
    value: 'text',
    about: 'What is asked about each item; repeat for more, they become p1, p2, …',
  },
  { name: 'system', kind: 'text', value: 'text', about: 'The system message' },
  {
    name: 'media',
    kind: 'text',
    value: 'folder',
    about: 'Where the paths in a manifest begin (default: beside it)',
  },
  {
    name: 'clip-folders',
    kind: 'flag',
    about: 'A folder that holds pictures is one clip, its pictures the frames',
  },
  ...SAMPLING_OPTIONS,
]

const RUN: readonly OptionSpec[] = [
  { name: 'out', kind: 'text', value: 'file', about: 'labels.jsonl or labels.parquet' },
  {
    name: 'queue',
    kind: 'text',
    value: 'place',
    about: 'File, or postgres://… for several machines (default: beside --out)',
  },
  {
    name: 'run',
    kind: 'text',
    value: 'name',
    about: "The run's name on a queue that holds several (default: by what is asked)",
  },
  {
    name: 'resume',
    kind: 'flag',
    about: 'Ask again what failed, and label what has come since; an unfinished run goes on anyway',
  },
  { name: 'overwrite', kind: 'flag', about: 'Forget what there is, and begin anew' },
  {
    name: 'max-errors',
    kind: 'text',
    value: 'n|n%',
    about: 'Stop when more items failed; a share counts from 50 items on (default: 10%)',
  },
  {
    name: 'lease-seconds',
    kind: 'number',
    value: 'n',
    about: 'Items of a machine that is gone come back after this (default: 60)',
  },
]

const ENGINES: readonly OptionSpec[] = [
  {
    name: 'engine',
    kind: 'texts',
    value: 'url',
    about:
      'An OpenAI-compatible server (http://…, with or without /v1); repeat to share the work, also with --model',
  },
  {
    name: 'engine-model',
    kind: 'text',
    value: 'id',
    about: 'The id that the servers know the model by (default: the only one they have)',
  },
  {
    name: 'engine-attempts',
    kind: 'number',
    value: 'n',
    about: 'How often a server is tried for a question (default: 6)',
  },
  {
    name: 'engine-seconds',
    kind: 'number',
    value: 'n',
    about:
      'A question that a server has not answered by then is asked again (default, and most: 300)',
  },
  {
    name: 'batch',
    kind: 'number',
    value: 'n',
    about: 'Questions that an engine answers at a time (default: 16)',
  },
]

/** What all kinds of engines understand alike. */
const SAMPLING = [
  'max-tokens',
  'temperature',
  'top-p',
  'seed',
  'stop',
  'presence-penalty',
  'frequency-penalty',
  'schema',
]

export const LABEL_OPTIONS: readonly OptionSpec[] = [
  ...inGroup('Questions', ASKED),
  ...inGroup('Run', RUN),
  ...inGroup('Engines', ENGINES),
  ...GENERATE_OPTIONS.filter(({ name }) => SAMPLING.includes(name)),
  ...LOAD_OPTIONS,
]

/** Throws UsageError. */
export function labelOptions(args: Arguments): Omit<LabelOptions, 'engines'> {
  const leaseSeconds = numberFrom(args, 'lease-seconds', [1, LONGEST_SECONDS])
  const schema = args.text('schema')
  if (args.texts('prompt').length === 0) {
    throw new UsageError('llava label needs --prompt TEXT: what is asked about each item.')
  }
  if (args.text('out') === undefined && args.text('queue') === undefined) {
    throw new UsageError('llava label needs --out FILE: labels.jsonl or labels.parquet.')
  }
  if (args.flag('overwrite')) refuseIdle(args, ['resume'], 'with --overwrite, which begins anew')
  return {
    input: args.positionals,
    prompts: args.texts('prompt'),
    out: args.text('out'),
    system: args.text('system'),
    queue: args.text('queue'),
    run: args.text('run'),
    media: args.text('media'),
    clipFolders: args.flag('clip-folders'),
    frames: args.number('frames'),
    ...samplingOptions(args),
    maxErrors: args.text('max-errors'),
    resume: args.flag('resume'),
    overwrite: args.flag('overwrite'),
    ...(leaseSeconds !== undefined && { leaseMs: 1000 * leaseSeconds }),
    ...(schema !== undefined && { schema: readSchema(schema) }),
    ...sampling(args),
  }
}

function sampling(args: Arguments): Partial<LabelOptions> {
  const stop = args.texts('stop')
  const numbers = {
    maxTokens: args.number('max-tokens'),
    temperature: args.number('temperature'),
    topP: args.number('top-p'),
    seed: args.number('seed'),
    presencePenalty: args.number('presence-penalty'),
    frequencyPenalty: args.number('frequency-penalty'),
  }
  const given = Object.entries(numbers).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(given), ...(stop.length > 0 && { stop }) }
}

export type LoadedEngines = {
  readonly engines: readonly LabelEngineOptions[]
  dispose(): Promise<void>
}

/**
 * The servers, and the model unless there are only servers; it is loaded when there is work for it. Throws UsageError for
 * options of engines that are not there.
 */
export function labelEngines(args: Arguments, session: Session): LoadedEngines {
  checkIdle(args)
  const seconds = numberFrom(args, 'engine-seconds', [0.001, LONGEST_CALL_MS / 1000])
  const urls = serverUrls(args, 'engine')
  const apiKey = urls.length === 0 ? undefined : serverKey(session, ENGINE_KEYS)
  const batch = wholeFrom1(args, 'batch')
  let loading: Promise<{ readonly model: Model }> | null = null
  const local = (): LabelEngineOptions => ({
    name: modelOf(args).split(/[/\\]/).at(-1) ?? 'model',
    batch,
    settings: settingsOf(loadOptions(args, session)),
    model: async () => {
      loading ??= loadFromFlags(args, session, { maxRows: batch })
      return (await loading).model
    },
  })
  const servers = urls.map((url) => ({
    url,
    model: args.text('engine-model'),
    apiKey,
    attempts: wholeFrom1(args, 'engine-attempts'),
    timeoutMs: seconds === undefined ? undefined : 1000 * seconds,
    batch,
  }))
  return {
    engines: [...(urls.length === 0 || args.has('model') ? [local()] : []), ...servers],
    async dispose() {
      const loaded = await loading?.catch(() => null)
      await loaded?.model.dispose()
    },
  }
}

const OF_SERVERS = ['engine-model', 'engine-attempts', 'engine-seconds']

/** How many frames a clip has is a server's matter too. */
const OF_MODEL = LOAD_OPTIONS.map(({ name }) => name).filter((name) => name !== 'frames')

function checkIdle(args: Arguments): void {
  const hasServers = args.has('engine')
  const hasModel = !hasServers || args.has('model')
  const idle = [...(hasServers ? [] : OF_SERVERS), ...(hasModel ? [] : OF_MODEL)]
  const where = hasServers ? 'with --engine alone' : 'without --engine'
  const instead = hasServers
    ? 'give it to the servers, or name a model here with --model'
    : 'name a server with --engine, or leave it out'
  refuseIdle(args, idle, `${where}; ${instead}`)
}

/** What the answers of a model depend on. They are kept with the run: nothing secret, and no place of this machine's own. */
const SETTINGS = [
  'base',
  'projector',
  'visionTower',
  'tokenizer',
  'template',
  'layout',
  'revision',
  'adapters',
  'quirks',
  'precision',
  'kvCache',
  'frames',
  'ropeScaling',
  'autoOrient',
] as const satisfies readonly (keyof LoadOptions)[]

function settingsOf(options: LoadOptions): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    SETTINGS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
}

function inGroup(group: string, specs: readonly OptionSpec[]): OptionSpec[] {
  return specs.map((spec) => ({ ...spec, group }))
}
