/**
 * How an answer is generated: the options of a request, checked and completed.
 *
 * What an option is, in this order: what the request says; what the checkpoint's generation_config.json says; the
 * contract's default below. Whether to sample follows transformers: a request decides by its temperature (0 is greedy),
 * without one `do_sample` of the file decides. A file that samples means transformers' defaults where it is silent:
 * temperature 1 and the best 50 tokens. A file that does not sample still lends its top_p, top_k and min_p to a request
 * that does, as `model.generate(do_sample=True)` would read them.
 */
import { describeValue } from '../core/describe-value.ts'
import { readResponseFormat, type ResponseFormat } from './constrained/response-format.ts'
import { Faults, isRecord } from './faults.ts'
import {
  EARLY_STOPPING,
  FINITE,
  FLAG,
  isTokenId,
  numberFrom,
  STOP_STRINGS,
  WHOLE_NUMBER,
  wholeNumberFrom,
  type EarlyStopping,
  type FieldRule,
} from './field-rules.ts'
import type { GenerationConfig } from './generation-config.ts'
import { LOOKUP_DEFAULTS, type LookupOptions } from './prompt-lookup.ts'

export type GenerateOptions = {
  readonly maxTokens?: number | undefined
  /** 0 takes the best token; more than 0 draws. */
  readonly temperature?: number | undefined
  readonly topP?: number | undefined
  /** 0 keeps all tokens. */
  readonly topK?: number | undefined
  readonly minP?: number | undefined
  readonly seed?: number | undefined
  /** Over prompt and answer, as transformers: 1 changes nothing. */
  readonly repetitionPenalty?: number | undefined
  /** Over the answer, as OpenAI: subtracted once from the logit of each token that occurs. */
  readonly presencePenalty?: number | undefined
  /** Over the answer, as OpenAI: subtracted from a token's logit for each time that it occurs. */
  readonly frequencyPenalty?: number | undefined
  /** Token id → what is added to its logit. */
  readonly logitBias?: Readonly<Record<string, number>> | undefined
  readonly numBeams?: number | undefined
  /** A beam's score is the sum of its log-probabilities divided by (number of new tokens)^lengthPenalty. */
  readonly lengthPenalty?: number | undefined
  readonly earlyStopping?: EarlyStopping | undefined
  /** How many answers. */
  readonly n?: number | undefined
  readonly stop?: string | readonly string[] | undefined
  readonly ignoreEos?: boolean | undefined
  readonly logprobs?: boolean | undefined
  readonly topLogprobs?: number | undefined
  /** Leave control tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean | undefined
  readonly responseFormat?: ResponseFormat | undefined
  /** Read text that `responseFormat` or a call of a tool forces in one run; the answer stays the same. Default true. */
  readonly jumpForward?: boolean | undefined
  /**
   * Guess tokens by what followed the same words before, and check several at once: the answer stays the same. Refused where
   * it would not: `serve/exact-runs.ts`.
   */
  readonly lookup?: boolean | Partial<LookupOptions> | undefined
  /** Who asks: kept beginnings and pictures are shared only by requests with equal salts. */
  readonly cacheSalt?: string | undefined
  /** Of the requests that wait, those with the highest number go first. */
  readonly priority?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Every option with its value; the last group comes from the checkpoint only. */
export type ResolvedGenerateOptions = {
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly seed: number
  readonly repetitionPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  readonly logitBias: ReadonlyMap<number, number>
  readonly numBeams: number
  readonly lengthPenalty: number
  readonly earlyStopping: EarlyStopping
  /** How many sequences come back: with beams all of them unless the request says fewer. */
  readonly n: number
  readonly stop: readonly string[]
  readonly ignoreEos: boolean
  readonly logprobs: boolean
  readonly topLogprobs: number
  readonly skipSpecialTokens: boolean
  readonly responseFormat: ResponseFormat
  readonly jumpForward: boolean
  readonly lookup: LookupOptions | null
  readonly cacheSalt: string
  readonly priority: number
  readonly signal: AbortSignal | undefined

  readonly minTokens: number
  readonly noRepeatNgramSize: number
  readonly badWords: readonly (readonly number[])[]
  readonly suppressTokens: readonly number[]
  readonly beginSuppressTokens: readonly number[]
  readonly eosTokenIds: readonly number[]
}

export const GENERATE_DEFAULTS = {
  maxTokens: 128,
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  numBeams: 1,
  lengthPenalty: 1,
  earlyStopping: false,
  n: 1,
  ignoreEos: false,
  logprobs: false,
  topLogprobs: 0,
  skipSpecialTokens: true,
  jumpForward: true,
  cacheSalt: '',
  priority: 0,
} as const

/** Checks and completes the options of a request. Throws one InputError that names every fault. */
export function parseGenerateOptions(
  input: unknown,
  config: GenerationConfig,
): ResolvedGenerateOptions {
  const faults = new Faults('generate')
  if (isRecord(input)) faults.unknownKeys('INPUT_UNKNOWN_OPTION', '', input, OPTION_NAMES)
  else faults.mismatch('INPUT_OPTION', 'the options', 'an object', input)
  const resolved = resolveOptions(
    readGenerateOptions(isRecord(input) ? input : {}, faults),
    config,
    faults,
  )
  faults.throwIfAny()
  return resolved
}

/** The options among the fields of `input`, each checked alone; faults are noted, not thrown. */
export function readGenerateOptions(
  input: Record<string, unknown>,
  faults: Faults,
): GenerateOptions {
  const options: { [K in OptionName]?: unknown } = {}
  for (const name of OPTION_NAMES) {
    const value = input[name]
    if (value === undefined) continue
    const rule: FieldRule<unknown> = RULES[name]
    options[name] = rule.read(value)
    if (options[name] !== undefined) continue
    const misfit = rule.misfit?.(value)
    if (misfit === undefined) faults.mismatch('INPUT_OPTION', name, rule.expected, value)
    else faults.add('INPUT_OPTION', `${name} should be ${rule.expected}, ${misfit} came`, name)
  }
  return options as GenerateOptions // each was read by the rule of its own type
}

/** Completes checked options from the checkpoint's config and the defaults; notes options that exclude each other. */
export function resolveOptions(
  options: GenerateOptions,
  config: GenerationConfig,
  faults: Faults,
): ResolvedGenerateOptions {
  const usual = GENERATE_DEFAULTS
  const topLogprobs = options.topLogprobs ?? usual.topLogprobs
  const { minTokens, noRepeatNgramSize, badWords } = config
  const { suppressTokens, beginSuppressTokens, eosTokenIds } = config
  const resolved: ResolvedGenerateOptions = {
    ...resolveSampling(options, config),
    ...resolvePenalties(options, config),
    ...resolveBeams(options, config),
    maxTokens: options.maxTokens ?? config.maxTokens ?? usual.maxTokens,
    stop: options.stop === undefined ? config.stop : [options.stop].flat(),
    ignoreEos: options.ignoreEos ?? usual.ignoreEos,
    logprobs: options.logprobs ?? topLogprobs > 0,
    topLogprobs,
    skipSpecialTokens: options.skipSpecialTokens ?? usual.skipSpecialTokens,
    responseFormat: options.responseFormat ?? { type: 'text' },
    jumpForward: options.jumpForward ?? usual.jumpForward,
    lookup: resolveLookup(options.lookup),
    cacheSalt: options.cacheSalt ?? usual.cacheSalt,
    priority: options.priority ?? usual.priority,
    signal: options.signal,
    minTokens,
    noRepeatNgramSize,
    badWords,
    suppressTokens,
    beginSuppressTokens,
    eosTokenIds,
  }
  noteContradictions(resolved, faults)
  return resolved
}

function resolveSampling(options: GenerateOptions, config: GenerationConfig) {
  const usual = GENERATE_DEFAULTS
  const sampling = config.doSample ? TRANSFORMERS_SAMPLING : usual
  const fileTemperature = config.doSample ? config.temperature : null
  const temperature = options.temperature ?? fileTemperature ?? sampling.temperature
  return {
    temperature: temperature < LEAST_TEMPERATURE ? 0 : Math.min(temperature, MOST_TEMPERATURE),
    topP: options.topP ?? config.topP ?? usual.topP,
    topK: options.topK ?? config.topK ?? sampling.topK,
    minP: options.minP ?? config.minP ?? usual.minP,
    seed: options.seed ?? usual.seed,
  }
}

/** Below it the best token is drawn anyway, and soon float32 is too small for logits divided by it. */
const LEAST_TEMPERATURE = 1e-6
/** From far below it on all tokens are as likely. */
const MOST_TEMPERATURE = 1e30

/** transformers' defaults for a checkpoint whose file says `do_sample: true`. */
const TRANSFORMERS_SAMPLING = { temperature: 1, topK: 50 } as const

function resolvePenalties(options: GenerateOptions, config: GenerationConfig) {
  const usual = GENERATE_DEFAULTS
  const bias = Object.entries(options.logitBias ?? {})
  return {
    repetitionPenalty:
      options.repetitionPenalty ?? config.repetitionPenalty ?? usual.repetitionPenalty,
    presencePenalty: options.presencePenalty ?? usual.presencePenalty,
    frequencyPenalty: options.frequencyPenalty ?? usual.frequencyPenalty,
    logitBias: new Map(bias.map(([id, amount]) => [Number(id), amount])),
  }
}

function resolveBeams(options: GenerateOptions, config: GenerationConfig) {
  const usual = GENERATE_DEFAULTS
  const numBeams = options.numBeams ?? config.numBeams ?? usual.numBeams
  return {
    numBeams,
    lengthPenalty: options.lengthPenalty ?? config.lengthPenalty ?? usual.lengthPenalty,
    earlyStopping: options.earlyStopping ?? config.earlyStopping ?? usual.earlyStopping,
    n: options.n ?? (numBeams > 1 ? numBeams : usual.n),
  }
}

function resolveLookup(lookup: GenerateOptions['lookup']): LookupOptions | null {
  if (!lookup) return null
  return lookup === true ? LOOKUP_DEFAULTS : { ...LOOKUP_DEFAULTS, ...lookup }
}

function noteContradictions(options: ResolvedGenerateOptions, faults: Faults): void {
  const { n, numBeams, temperature, logprobs, topLogprobs } = options
  if (options.lookup && (n > 1 || numBeams > 1)) {
    faults.add('INPUT_OPTION', 'lookup is for one answer; leave out n and numBeams')
  }
  if (numBeams > 1 && n > numBeams) {
    faults.add(
      'INPUT_OPTION',
      `n ${n} is more than numBeams ${numBeams}; a beam search finds no more answers than beams`,
    )
  }
  if (numBeams === 1 && n > 1 && temperature === 0) {
    faults.add(
      'INPUT_OPTION',
      `n ${n} with temperature 0 would give the same answer ${n} times; set a temperature or numBeams`,
    )
  }
  if (options.ignoreEos && options.responseFormat.type !== 'text') {
    faults.add(
      'INPUT_OPTION',
      `ignoreEos contradicts responseFormat ${options.responseFormat.type}, whose answers end; leave out one of them`,
    )
  }
  if (numBeams > 1 && options.responseFormat.type !== 'text') {
    faults.add(
      'INPUT_OPTION',
      `responseFormat ${options.responseFormat.type} is not offered with numBeams ${numBeams}; leave out one of them`,
    )
  }
  if (topLogprobs > 0 && !logprobs) {
    faults.add(
      'INPUT_OPTION',
      `topLogprobs ${topLogprobs} contradicts logprobs false; leave out one of them`,
    )
  }
}

const LOGIT_BIAS: FieldRule<Readonly<Record<string, number>>> = {
  expected: 'an object of token ids with a number from -100 to 100 each',
  read(value) {
    if (!isRecord(value)) return undefined
    const entries = Object.entries(value)
    return entries.every(isBias)
      ? (Object.fromEntries(entries) as Record<string, number>)
      : undefined
  },
  misfit(value) {
    const wrong = isRecord(value)
      ? Object.entries(value).find((entry) => !isBias(entry))
      : undefined
    return wrong && `${describeValue(wrong[0])}: ${describeValue(wrong[1])}`
  },
}

const BIAS = numberFrom(-100, 100)

function isBias([id, amount]: readonly [string, unknown]): boolean {
  return isTokenId(Number(id)) && String(Number(id)) === id && BIAS.read(amount) !== undefined
}

const RESPONSE_FORMAT: FieldRule<ResponseFormat> = {
  expected:
    "{ type: 'text' }, { type: 'json_object' }, { type: 'json_schema', schema }, { type: 'regex', pattern }, { type: 'choice', choices } or { type: 'ebnf', grammar }",
  read: readResponseFormat,
}

const LOOKUP: FieldRule<boolean | Partial<LookupOptions>> = {
  expected: 'true, false or { ngram, maxTokens }, whole numbers from 1',
  read(value) {
    if (typeof value === 'boolean' || !isRecord(value)) return FLAG.read(value)
    const fits = Object.entries(value).every(
      ([name, count]) =>
        Object.hasOwn(LOOKUP_DEFAULTS, name) && wholeNumberFrom(1, 64).read(count) !== undefined,
    )
    return fits ? value : undefined
  },
}

const TEXT: FieldRule<string> = {
  expected: 'a text',
  read: (value) => (typeof value === 'string' ? value : undefined),
}

const ABORT_SIGNAL: FieldRule<AbortSignal> = {
  expected: 'an AbortSignal',
  read: (value) => (value instanceof AbortSignal ? value : undefined),
}

/** Logits that are divided or multiplied by it stay finite. */
const LEAST_PENALTY = 1e-6

/** OpenAI's limits where it has some. */
const RULES: { readonly [K in OptionName]: FieldRule<NonNullable<GenerateOptions[K]>> } = {
  maxTokens: wholeNumberFrom(1),
  temperature: numberFrom(0),
  topP: numberFrom(0, 1),
  topK: wholeNumberFrom(0),
  minP: numberFrom(0, 1),
  seed: WHOLE_NUMBER,
  repetitionPenalty: numberFrom(LEAST_PENALTY, 1 / LEAST_PENALTY),
  presencePenalty: numberFrom(-2, 2),
  frequencyPenalty: numberFrom(-2, 2),
  logitBias: LOGIT_BIAS,
  numBeams: wholeNumberFrom(1, 64),
  lengthPenalty: FINITE,
  earlyStopping: EARLY_STOPPING,
  n: wholeNumberFrom(1, 128),
  stop: STOP_STRINGS,
  ignoreEos: FLAG,
  logprobs: FLAG,
  topLogprobs: wholeNumberFrom(0, 20),
  skipSpecialTokens: FLAG,
  responseFormat: RESPONSE_FORMAT,
  jumpForward: FLAG,
  lookup: LOOKUP,
  cacheSalt: TEXT,
  priority: FINITE,
  signal: ABORT_SIGNAL,
}

type OptionName = keyof GenerateOptions

export const OPTION_NAMES = Object.keys(RULES) as readonly OptionName[]
