/**
 * Which precision each linear layer is stored and multiplied in, and why.
 *
 * Decoder and vision tower are chosen apart: towers and prompts are bound by arithmetic, single-stream decoding by
 * memory. `auto` looks at the model's size, the memory that is free and the processor: docs/decisions.md.
 */
import { describeValue } from './core/describe-value.ts'
import { ConfigError } from './core/errors.ts'
import { precisionPolicy, type LinearPrecision, type PrecisionPolicy } from './graph/lower.ts'
import { CACHE_FORMS, type CacheForm } from './serve/decoder-graph.ts'

export const PRECISIONS = ['auto', 'f32', 'int8', 'q8', 'q4', 'q4b128', 'int8+q4'] as const
export type PrecisionName = (typeof PRECISIONS)[number]

/** One name for all layers, or a default and layers that differ: `{ default: 'int8', layers: { 'decoder.layers.3.*': 'f32' } }`. */
export type PrecisionOption =
  | PrecisionName
  | {
      readonly default?: PrecisionName
      readonly layers?: Readonly<Record<string, LinearPrecision>>
    }

export type ChosenPrecision = {
  readonly name: Exclude<PrecisionName, 'auto'>
  readonly reason: string
  readonly vision: PrecisionPolicy
  /** Prompts, and decoding of several sequences at once. */
  readonly decoder: PrecisionPolicy
  /** Decoding of one sequence, where it has weights of its own. */
  readonly singleStream: PrecisionPolicy | null
  /** Keys and values of the decoder's attention. */
  readonly kvCache: CacheForm
}

export type PrecisionFacts = {
  /** Elements of all linear weights of the decoder. */
  readonly decoderElements: number
  /** Width of the vision tower; 0 without one. */
  readonly visionWidth: number
  /** Width of the decoder. */
  readonly hiddenSize: number
  readonly freeBytes: number
  /** Whether the processor multiplies int8 exactly. */
  readonly isInt8Exact: boolean
  /** Answers at a time that the model is loaded for: one, unless somebody says so. */
  readonly streams?: number | undefined
  /** The form of the cache that was asked for. */
  readonly kvCache?: CacheForm | undefined
  /** Names of all linear weights: a pattern that fits none of them is a mistake. */
  readonly linears?: readonly string[] | undefined
}

export function choosePrecision(option: PrecisionOption, facts: PrecisionFacts): ChosenPrecision {
  const { default: wanted = 'auto', layers = {} } =
    typeof option === 'string' ? { default: option } : option
  if (!PRECISIONS.includes(wanted)) {
    throw new ConfigError(
      'CONFIG_PRECISION',
      `precision: expected one of ${PRECISIONS.join(', ')}, ${describeValue(wanted)} came.`,
    )
  }
  if (facts.linears) checkLayers(layers, facts.linears)
  const { name, reason } =
    wanted === 'auto' ? automatic(facts) : { name: wanted, reason: 'as asked for' }
  const form = FORMS[name]
  // Narrow layers have fewer elements to average the rounding of activations, keys and values over.
  const isNarrow = form.decoder === 'int8' && facts.hiddenSize < NARROW
  const decoder = isNarrow ? 'int8a16' : form.decoder
  return {
    name,
    reason,
    vision: precisionPolicy(facts.visionWidth < NARROW_TOWER ? 'f32' : form.vision, layers),
    decoder: precisionPolicy(decoder, { ...form.head, ...layers }),
    singleStream: form.singleStream
      ? precisionPolicy(form.singleStream, { ...form.head, ...layers })
      : null,
    kvCache: cacheForm(facts.kvCache ?? (name === 'f32' || isNarrow ? 'f32' : 'int8')),
  }
}

function checkLayers(
  layers: Readonly<Record<string, LinearPrecision>>,
  linears: readonly string[],
): void {
  const unused = Object.entries(layers).filter(([pattern, precision]) => {
    const policy = precisionPolicy('f32', { [pattern]: precision === 'f32' ? 'q8' : precision })
    return linears.every((name) => policy(name) === 'f32')
  })
  if (unused.length === 0) return
  throw new ConfigError(
    'CONFIG_PRECISION_PATTERN',
    `precision.layers: ${unused.map(([pattern]) => `"${pattern}"`).join(', ')} fits no linear layer; names are like ${linears[0]}.`,
  )
}

function cacheForm(wanted: CacheForm): CacheForm {
  if (CACHE_FORMS.includes(wanted)) return wanted
  throw new ConfigError(
    'CONFIG_KV_CACHE',
    `kvCache: expected one of ${CACHE_FORMS.join(', ')}, ${describeValue(wanted)} came.`,
  )
}

type Form = {
  readonly vision: LinearPrecision
  readonly decoder: LinearPrecision
  readonly singleStream: LinearPrecision | null
  /** The head decides between near equals: its activations get 16 bits. */
  readonly head: Readonly<Record<string, LinearPrecision>>
}

const FINE_HEAD = { 'decoder.head': 'int8a16', 'decoder.embedTokens': 'int8a16' } as const

const FORMS: { readonly [P in Exclude<PrecisionName, 'auto'>]: Form } = {
  f32: { vision: 'f32', decoder: 'f32', singleStream: null, head: {} },
  int8: { vision: 'int8', decoder: 'int8', singleStream: null, head: FINE_HEAD },
  q8: { vision: 'int8', decoder: 'q8', singleStream: null, head: FINE_HEAD },
  q4: { vision: 'int8', decoder: 'q4', singleStream: null, head: FINE_HEAD },
  q4b128: { vision: 'int8', decoder: 'q4b128', singleStream: null, head: FINE_HEAD },
  'int8+q4': { vision: 'int8', decoder: 'int8', singleStream: 'q4', head: FINE_HEAD },
}

/**
 * Towers below this stay in float32: rounding the weights of ViT-Ti (192 wide) alone costs more of its features than the
 * bar allows, and such a tower takes a few milliseconds anyway.
 */
const NARROW_TOWER = 512
/** Widths below this get 16 bits of activation in the int8 form, and a float32 cache: docs/decisions.md. */
const NARROW = 2048
/** Below this many elements float32 fits anywhere, and small models lose most by rounding. */
const SMALL_MODEL = 200e6
/** Bytes an element that each form takes, scales included. */
const BYTES = { int8: 1.01, q4: 0.76 }
/** What is left for caches, activations and everything else. */
const HEADROOM = 0.75

function automatic(facts: PrecisionFacts): {
  readonly name: Exclude<PrecisionName, 'auto'>
  readonly reason: string
} {
  const { decoderElements, freeBytes, isInt8Exact, streams = 1 } = facts
  const size = `${(decoderElements / 1e9).toFixed(2)} billion weights in the decoder`
  const memory = `${(freeBytes / 2 ** 30).toFixed(1)} GiB free`
  const fits = (bytes: number) => decoderElements * bytes < freeBytes * HEADROOM
  if (decoderElements < SMALL_MODEL && fits(4)) {
    return { name: 'f32', reason: `${size}: small enough for float32` }
  }
  if (!isInt8Exact) {
    return { name: 'q4', reason: `this processor's int8 products may saturate` }
  }
  // Of several streams, how one is answered must not depend on whether it is alone at the moment.
  if (streams === 1 && fits(BYTES.int8 + BYTES.q4)) {
    return {
      name: 'int8+q4',
      reason: `${size}, ${memory}: int8 for prompts and 4 bits for decoding both fit`,
    }
  }
  if (fits(BYTES.int8)) return { name: 'int8', reason: `${size}, ${memory}: int8 fits` }
  const beside = 'too little beside it for caches and the rest'
  const why = fits(BYTES.q4)
    ? `int8 leaves ${beside}, 4 bits fit`
    : `even q4 leaves ${beside}; q4b128 takes the least memory`
  return { name: 'q4', reason: `${size}, ${memory}: ${why}` }
}
