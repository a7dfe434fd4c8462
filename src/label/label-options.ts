/** What a run of labelling takes, checked as a whole before anything is opened. */
import { grammarOf } from '../serve/constrained/response-format.ts'
import { parseGenerateOptions } from '../serve/generate-options.ts'
import { parseGenerationConfig } from '../serve/generation-config.ts'
import { checkOptions, SAMPLING_NAMES } from './check-options.ts'
import { parseErrorLimit, type ErrorLimit } from './error-limit.ts'
import type { LabelModel, LabelSampling } from './label-engine.ts'
import type { LabelHooks } from './label-events.ts'

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
      /** A call that is not answered within this has failed; at most five minutes. */
      readonly timeoutMs?: number | undefined
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

/** Throws one InputError that names every fault. */
export function readLabelOptions(options: LabelOptions, hooks: LabelHooks): LabelPlan {
  checkOptions(options, hooks)
  const { input, out, leaseMs = LABEL_DEFAULTS.leaseMs } = options
  const sampling = samplingOf(options)
  return {
    ...options,
    input: typeof input === 'string' ? [input] : input,
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
    SAMPLING_NAMES.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
  const responseFormat = schema && { responseFormat: { type: 'json_schema', schema } }
  parseGenerateOptions({ ...given, ...responseFormat }, parseGenerationConfig(undefined))
  // A server may keep to more than a model here can: what that refuses is refused before anything is asked.
  const isHere = options.engines.some((engine) => !('url' in engine))
  if (schema && isHere) grammarOf({ type: 'json_schema', schema })
  return { ...SAMPLING_DEFAULTS, ...given, ...(schema && { schema }) }
}
