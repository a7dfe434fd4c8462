/** What a run of labelling takes, checked as a whole before anything is opened. */
import { grammarOf } from '../serve/constrained/response-format.ts'
import { Faults, isRecord } from '../serve/faults.ts'
import { parseGenerateOptions } from '../serve/generate-options.ts'
import { parseGenerationConfig } from '../serve/generation-config.ts'
import { parseErrorLimit, type ErrorLimit } from './error-limit.ts'
import type { LabelModel, LabelSampling } from './label-engine.ts'

export type LabelOptions = LabelSampling & {
  /** Folders, pictures, clips, manifests, Parquet files, tar shards; patterns such as `train-{000..123}.tar` too. */
  readonly input: string | readonly string[]
  /** Each is asked about each item, all about one together. */
  readonly prompts: readonly string[]
  readonly engines: readonly LabelEngineOptions[]
  /** `labels.jsonl` or `labels.parquet`. May be left out where another machine on the same queue writes the answers. */
  readonly out?: string | undefined
  readonly system?: string | undefined
  /** A file, or postgres://…; else a file beside `out`. */
  readonly queue?: string | undefined
  /** The run's name on the queue, where it has several. */
  readonly run?: string | undefined
  /** Where the paths of a manifest begin; else beside it. */
  readonly media?: string | undefined
  /** Folders of pictures are clips. */
  readonly clipFolders?: boolean | undefined
  readonly frames?: number | undefined
  readonly fps?: number | undefined
  readonly forceSample?: boolean | undefined
  /** More failed items stop the run: a number, or a share such as '10%' of at least 50 items. */
  readonly maxErrors?: number | string | undefined
  /** Goes on with a run that has ended: asks again what failed, and labels what has come since. */
  readonly resume?: boolean | undefined
  /** Forgets what there is, and begins anew. */
  readonly overwrite?: boolean | undefined
  /** Of a machine that is gone, items come back after this. */
  readonly leaseMs?: number | undefined
}

export type LabelEngineOptions =
  | {
      /** A loaded model, or what loads it when there is work for it. */
      readonly model: LabelModel | (() => Promise<LabelModel>)
      /** What answers call it. */
      readonly name: string
      /** What its answers depend on beside that: how it was loaded. A run goes on only with the same. */
      readonly settings?: Readonly<Record<string, unknown>> | undefined
      /** Questions at the same time. */
      readonly batch?: number | undefined
    }
  | {
      /** An OpenAI-compatible server, with or without `/v1`: http://127.0.0.1:8000. */
      readonly url: string
      /** The id that it knows its model by; the only one it has may be left out. */
      readonly model?: string | undefined
      readonly apiKey?: string | undefined
      /** Calls of one question, the first included. */
      readonly attempts?: number | undefined
      readonly batch?: number | undefined
    }

export const LABEL_DEFAULTS = { maxErrors: '10%', leaseMs: 60_000, batch: 16 } as const

/** Said to every engine: their own differ. */
const SAMPLING_DEFAULTS = { maxTokens: 128, temperature: 0, seed: 0 } as const

export type LabelPlan = {
  readonly input: readonly string[]
  readonly prompts: readonly string[]
  readonly engines: readonly LabelEngineOptions[]
  readonly out: string | undefined
  readonly system: string | undefined
  readonly queue: string
  readonly run: string | undefined
  readonly media: string | undefined
  readonly clipFolders: boolean
  readonly frames: number | undefined
  readonly fps: number | undefined
  readonly forceSample: boolean
  readonly limit: ErrorLimit
  readonly resume: boolean
  readonly overwrite: boolean
  readonly leaseMs: number
  readonly sampling: LabelSampling
}

const SAMPLING = [
  'maxTokens',
  'temperature',
  'topP',
  'seed',
  'stop',
  'presencePenalty',
  'frequencyPenalty',
] as const
const NAMES: readonly string[] = [
  ...SAMPLING,
  'schema',
  'input',
  'prompts',
  'engines',
  'out',
  'system',
  'queue',
  'run',
  'media',
  'clipFolders',
  'frames',
  'fps',
  'forceSample',
  'maxErrors',
  'resume',
  'overwrite',
  'leaseMs',
]
const CODE = 'INPUT_OPTION'

/** Throws one InputError that names every fault. */
export function readLabelOptions(options: LabelOptions): LabelPlan {
  const faults = new Faults('label')
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', '', { ...options }, NAMES)
  const input = typeof options.input === 'string' ? [options.input] : options.input
  checkTexts('input', input, faults)
  checkTexts('prompts', options.prompts, faults)
  checkEngines(options.engines, faults)
  const { out, leaseMs = LABEL_DEFAULTS.leaseMs } = options
  if (out !== undefined && !/\.(?:jsonl|ndjson|parquet)$/i.test(out)) {
    faults.mismatch(CODE, 'out', 'a name that ends in .jsonl or .parquet', out)
  }
  if (out === undefined && options.queue === undefined) {
    faults.add(
      CODE,
      'out should say where the answers go; only with a queue may another one write them',
    )
  }
  if (options.schema !== undefined && !isRecord(options.schema)) {
    faults.mismatch(CODE, 'schema', 'a JSON Schema', options.schema)
  }
  if (!(leaseMs >= 1000)) faults.mismatch(CODE, 'leaseMs', 'at least 1000', leaseMs)
  faults.throwIfAny()
  const sampling = samplingOf(options)
  return {
    ...options,
    input,
    out,
    queue: options.queue ?? `${out}.queue`,
    system: options.system,
    run: options.run,
    media: options.media,
    frames: options.frames,
    fps: options.fps,
    forceSample: options.forceSample ?? false,
    clipFolders: options.clipFolders ?? false,
    limit: parseErrorLimit(options.maxErrors ?? LABEL_DEFAULTS.maxErrors),
    resume: options.resume ?? false,
    overwrite: options.overwrite ?? false,
    leaseMs,
    sampling,
  }
}

/** Those that were given, checked as those of one answer are. */
function samplingOf(options: LabelOptions): LabelSampling {
  const { schema } = options
  const given = Object.fromEntries(
    SAMPLING.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
  const responseFormat = schema && { responseFormat: { type: 'json_schema', schema } }
  parseGenerateOptions({ ...given, ...responseFormat }, parseGenerationConfig(undefined))
  // A server may keep to more than a model here can: what that refuses is refused before anything is asked.
  const isHere = options.engines.some((engine) => !('url' in engine))
  if (schema && isHere) grammarOf({ type: 'json_schema', schema })
  return { ...SAMPLING_DEFAULTS, ...given, ...(schema && { schema }) }
}

function checkTexts(name: string, value: unknown, faults: Faults): void {
  const isRight =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((one) => typeof one === 'string' && one.trim() !== '')
  if (!isRight) faults.mismatch(CODE, name, 'at least one text that is not empty', value)
}

function checkEngines(engines: unknown, faults: Faults): void {
  if (!Array.isArray(engines) || engines.length === 0) {
    faults.mismatch(CODE, 'engines', 'at least one model or server', engines)
    return
  }
  engines.forEach((engine: unknown, i) => {
    const { batch, url, model } = isRecord(engine) ? engine : {}
    if (url === undefined && model === undefined) {
      faults.mismatch(CODE, `engines[${i}]`, 'an object with model or url', engine)
    }
    if (batch !== undefined && !(Number.isInteger(batch) && (batch as number) >= 1)) {
      faults.mismatch(CODE, `engines[${i}].batch`, 'a whole number from 1', batch)
    }
  })
}
