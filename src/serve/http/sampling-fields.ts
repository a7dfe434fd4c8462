/**
 * How an answer is drawn, in the words of OpenAI and the extensions that vLLM and SGLang share.
 *
 * Sources: platform.openai.com/docs/api-reference/chat/create; docs.vllm.ai, "Extra parameters" of the OpenAI-compatible
 * server; docs.sglang.ai, "Sampling parameters".
 */
import { GENERATE_DEFAULTS, type GenerateOptions } from '../generate-options.ts'
import { FORMAT_PROPERTIES, responseFormatOf, type FormatFields } from './format-fields.ts'
import { HttpError } from './http-error.ts'
import type { JsonSchema, Refusal } from './json-schema.ts'
import type { ServedModel } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'

export type SamplingFields = FormatFields & {
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly min_p?: number | null
  readonly seed?: number | null
  readonly stop?: string | readonly string[] | null
  readonly presence_penalty?: number | null
  readonly frequency_penalty?: number | null
  readonly repetition_penalty?: number | null
  readonly logit_bias?: Readonly<Record<string, number>> | null
  readonly ignore_eos?: boolean | null
  readonly skip_special_tokens?: boolean | null
  readonly cache_salt?: string | null
  readonly priority?: number | null
}

const STOP: JsonSchema = {
  anyOf: [
    { type: 'string', minLength: 1, maxLength: 256 },
    { type: 'array', items: { type: 'string', minLength: 1, maxLength: 256 }, maxItems: 16 },
  ],
  description: 'The answer ends before these texts.',
}

export const SAMPLING_PROPERTIES: { readonly [K in keyof Required<SamplingFields>]: JsonSchema } = {
  ...FORMAT_PROPERTIES,
  temperature: {
    type: 'number',
    minimum: 0,
    maximum: 2,
    description: "0 takes the best token. Default: the checkpoint's, else 0.",
  },
  top_p: { type: 'number', minimum: 0, maximum: 1 },
  top_k: { type: 'integer', minimum: -1, description: '0 and -1 keep all tokens.' },
  min_p: { type: 'number', minimum: 0, maximum: 1 },
  seed: {
    type: 'integer',
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'Choice i is drawn with seed + i, behind the largest with the smallest. Default: a new one each time.',
  },
  stop: STOP,
  presence_penalty: { type: 'number', minimum: -2, maximum: 2 },
  frequency_penalty: { type: 'number', minimum: -2, maximum: 2 },
  repetition_penalty: { type: 'number', minimum: 0.000001, maximum: 100 },
  logit_bias: {
    type: 'object',
    additionalProperties: { type: 'number', minimum: -100, maximum: 100 },
    maxProperties: 1024,
    description: 'Token id → what is added to its logit.',
  },
  ignore_eos: { type: 'boolean', description: 'Go on after the end token.' },
  skip_special_tokens: { type: 'boolean', description: 'Default true.' },
  cache_salt: {
    type: 'string',
    maxLength: 256,
    description: 'Cached prompts and pictures are shared only under equal salts (and keys).',
  },
  priority: {
    type: 'integer',
    minimum: -100,
    maximum: 100,
    description: 'Of those that wait the lowest is taken first. Default 0.',
  },
}

/** Of vLLM's; an answer that its form or a template ends could not go on. */
export const REFUSED_SAMPLING: Readonly<Record<string, Refusal>> = {
  min_tokens: { because: 'an answer ends when the model ends it', unless: [0] },
}

/** The library's options; what was not given is left to the checkpoint and the library. */
export function samplingOptions(fields: SamplingFields): GenerateOptions {
  const { top_k: topK, priority } = fields
  const options = given({
    temperature: fields.temperature,
    topP: fields.top_p,
    topK: topK === -1 ? 0 : topK,
    minP: fields.min_p,
    seed: fields.seed,
    stop: fields.stop,
    presencePenalty: fields.presence_penalty,
    frequencyPenalty: fields.frequency_penalty,
    repetitionPenalty: fields.repetition_penalty,
    logitBias: fields.logit_bias,
    ignoreEos: fields.ignore_eos,
    skipSpecialTokens: fields.skip_special_tokens,
    cacheSalt: fields.cache_salt,
    // The library takes the highest first; the field is vLLM's.
    priority: typeof priority === 'number' ? -priority : undefined,
  })
  return { ...options, ...responseFormatOf(fields) }
}

export function maxTokensProperty({ maxTokens }: ServerConfig): JsonSchema {
  return {
    type: 'integer',
    minimum: 1,
    maximum: maxTokens,
    description: `Tokens of an answer at most. Default: the model's default_max_tokens in /v1/models; where it has none, 128 of a continued text and as many as are allowed (${maxTokens}) in a conversation.`,
  }
}

type Usual = Pick<ServedModel, 'usualTokens' | 'mostTokens'>
type Allowed = Pick<ServerConfig, 'maxTokens'>

/** Fields by `maxTokensProperty`, by their places in the body: the first that is given counts. */
type Asked = Readonly<Record<string, number | null | undefined>>

/** In a conversation: OpenAI's answers end where the model ends them. Throws HttpError for more than the model gives. */
export function answerTokens(asked: Asked, model: Usual, allowed: Allowed): number {
  return askedTokens(asked, model) ?? usualTokens(model, allowed) ?? mostTokens(model, allowed)
}

/** The same of a text that is continued, which has no end of its own: as many as in the library. */
export function continuedTokens(asked: Asked, model: Usual, allowed: Allowed): number {
  const usual = usualTokens(model, allowed) ?? GENERATE_DEFAULTS.maxTokens
  return askedTokens(asked, model) ?? Math.min(usual, mostTokens(model, allowed))
}

/** The schema knows what this server allows; what workers behind it do, they may say anew at any time. */
function askedTokens(asked: Asked, { mostTokens: most = Infinity }: Usual): number | null {
  const [path, tokens] = Object.entries(asked).find(([, value]) => typeof value === 'number') ?? []
  if (path === undefined || typeof tokens !== 'number') return null
  if (tokens <= most) return tokens
  const message = `model: ${path} should be a whole number from 1 up to ${most} (max_answer_tokens in /v1/models), ${tokens} came.`
  throw new HttpError(400, 'INPUT_OPTION', message, {}, path)
}

/** What a request that does not say gets, as `/v1/models` tells it; null: the model does not say. */
export function usualTokens(model: Usual, allowed: Allowed): number | null {
  const { usualTokens: usual } = model
  return usual === null ? null : Math.min(usual, mostTokens(model, allowed))
}

/** What a request may ask for: of this server, and of the workers behind it. */
export function mostTokens(model: Usual, { maxTokens }: Allowed): number {
  return Math.min(maxTokens, model.mostTokens ?? Infinity)
}

export function choicesProperty({ maxChoices }: ServerConfig): JsonSchema {
  return { type: 'integer', minimum: 1, maximum: maxChoices, description: 'How many answers.' }
}

/** Fields that change nothing here and are taken so that clients need not leave them out. */
export function ignoredProperties(names: readonly string[]): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(names.map((name) => [name, { description: 'Taken, without effect.' }]))
}

/** Of OpenAI's routes; the last is vLLM's. */
export const STREAM_OPTIONS: JsonSchema = {
  type: 'object',
  properties: {
    include_usage: { type: 'boolean' },
    ...ignoredProperties(['include_obfuscation', 'continuous_usage_stats']),
  },
  additionalProperties: false,
}

export type Given<T> = { readonly [K in keyof T]?: NonNullable<T[K]> }

/** Without what is null or undefined. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  ) as Given<T>
}
