/** OpenAI's shapes of an answer, as schemas, and the parts of them that several routes share. */
import type { AnswerLogprob, Usage } from '../answer.ts'
import type { JsonSchema } from './json-schema.ts'
import type { ServedModel } from './served-model.ts'

export type FinishedAs = 'stop' | 'length' | 'tool_calls'

export const COUNT: JsonSchema = { type: 'integer', minimum: 0 }
export const CONTEXT: JsonSchema = {
  type: ['integer', 'null'],
  description: 'The longest sequence, in tokens; null: the server behind this one does not say.',
}

/** In a request; what is over the vocabulary, the model refuses. */
export const TOKEN_ID: JsonSchema = { type: 'integer', minimum: 0, maximum: 0x7fff_ffff }

/** An object with exactly these properties. */
export function exactly(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }
}

export const USAGE = exactly({
  prompt_tokens: { ...COUNT, description: 'Image tokens included.' },
  completion_tokens: COUNT,
  total_tokens: COUNT,
  prompt_tokens_details: exactly({ cached_tokens: COUNT, image_tokens: COUNT }),
})

export function openAiUsage(usage: Usage) {
  const { promptTokens, completionTokens, cachedTokens, imageTokens } = usage
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens, image_tokens: imageTokens },
  }
}

const TOKEN = {
  token: { type: 'string' },
  logprob: { type: 'number' },
  bytes: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 255 } },
} as const satisfies Record<string, JsonSchema>

export const TOKEN_LOGPROB = exactly({
  ...TOKEN,
  top_logprobs: { type: 'array', items: exactly(TOKEN) },
})

const LOGPROBS: JsonSchema = {
  anyOf: [
    { type: 'null' },
    exactly({ content: { type: 'array', items: TOKEN_LOGPROB }, refusal: { type: 'null' } }),
  ],
}

export function logprobsOf(logprobs: readonly AnswerLogprob[] | undefined, model: ServedModel) {
  if (!logprobs) return null
  return { content: logprobs.map((one) => withTop(one, model)), refusal: null }
}

export function withTop(one: AnswerLogprob, model: ServedModel) {
  return {
    ...tokenLogprob(one, model),
    top_logprobs: one.top.map((other) => tokenLogprob(other, model)),
  }
}

/** Which log-probabilities of streamed choices went out already. */
export class ToldLogprobs {
  readonly #told = new Map<number, number>()

  /** Those that come with a piece of text; undefined where none were asked for. */
  more(
    index: number,
    logprobs: readonly AnswerLogprob[] | undefined,
  ): readonly AnswerLogprob[] | undefined {
    this.#told.set(index, (this.#told.get(index) ?? 0) + (logprobs?.length ?? 0))
    return logprobs
  }

  /** Those of a whole answer that did not come with a piece of text. */
  rest(
    index: number,
    logprobs: readonly AnswerLogprob[] | undefined,
  ): readonly AnswerLogprob[] | undefined {
    const rest = logprobs?.slice(this.#told.get(index) ?? 0)
    return rest && rest.length > 0 ? rest : undefined
  }
}

const LEAST_LOGPROB = -9999

/** JSON has no −Infinity: a token that cannot be gets OpenAI's least number. */
export function jsonLogprob(logprob: number): number {
  return Math.max(logprob, LEAST_LOGPROB)
}

function tokenLogprob({ id, logprob }: { id: number; logprob: number }, model: ServedModel) {
  const bytes = model.tokenBytes(id)
  return {
    token: new TextDecoder().decode(bytes),
    logprob: jsonLogprob(logprob),
    bytes: [...bytes],
  }
}

/** A call of a tool in an answer. */
const ANSWER_CALL = {
  id: { type: 'string' },
  type: { const: 'function' },
  function: exactly({ name: { type: 'string' }, arguments: { type: 'string' } }),
} as const satisfies Record<string, JsonSchema>

const FINISH: JsonSchema = { enum: ['stop', 'length', 'tool_calls'] }
/** vLLM's name for what ended an answer, where one of the stop strings did. */
const STOP_REASON: JsonSchema = { type: 'string', description: 'The stop string that ended it.' }

function withStop(choice: ReturnType<typeof exactly>): JsonSchema {
  return { ...choice, properties: { ...choice.properties, stop_reason: STOP_REASON } }
}

const HEAD = {
  id: { type: 'string' },
  created: COUNT,
  model: { type: 'string' },
  system_fingerprint: { type: 'null' },
} as const satisfies Record<string, JsonSchema>

export const CHAT_COMPLETION = exactly({
  ...HEAD,
  object: { const: 'chat.completion' },
  choices: {
    type: 'array',
    items: withStop(
      exactly({
        index: COUNT,
        message: {
          type: 'object',
          properties: {
            role: { const: 'assistant' },
            content: { type: ['string', 'null'], description: 'null beside calls without words.' },
            refusal: { type: 'null' },
            tool_calls: { type: 'array', minItems: 1, items: exactly(ANSWER_CALL) },
          },
          required: ['role', 'content', 'refusal'],
          additionalProperties: false,
        },
        logprobs: LOGPROBS,
        finish_reason: FINISH,
      }),
    ),
  },
  usage: USAGE,
})

export const CHAT_CHUNK: JsonSchema = {
  type: 'object',
  properties: {
    ...HEAD,
    object: { const: 'chat.completion.chunk' },
    choices: {
      type: 'array',
      items: withStop(
        exactly({
          index: COUNT,
          delta: {
            type: 'object',
            properties: {
              role: { const: 'assistant' },
              content: { type: 'string' },
              refusal: { type: 'null' },
              tool_calls: { type: 'array', items: exactly({ index: COUNT, ...ANSWER_CALL }) },
            },
            additionalProperties: false,
          },
          logprobs: LOGPROBS,
          finish_reason: { anyOf: [{ type: 'null' }, FINISH] },
        }),
      ),
    },
    usage: { anyOf: [{ type: 'null' }, USAGE] },
  },
  required: [...Object.keys(HEAD), 'object', 'choices'],
  additionalProperties: false,
}
