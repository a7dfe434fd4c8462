/** The objects of `/v1/responses`: the response while it grows and when it is there, and the events in between. */
import type { Answer, AnswerLogprob } from '../answer.ts'
import { COUNT, exactly, TOKEN_LOGPROB, withTop } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import type { ResponsesRequest } from './responses-route.ts'
import type { ServedModel } from './served-model.ts'

const LOGPROBS: JsonSchema = { type: 'array', items: TOKEN_LOGPROB }
const PART = exactly({
  type: { const: 'output_text' },
  text: { type: 'string' },
  annotations: { type: 'array', maxItems: 0 },
  logprobs: LOGPROBS,
})
const STATUS: JsonSchema = { enum: ['in_progress', 'completed', 'incomplete'] }
const ITEM = exactly({
  id: { type: 'string' },
  type: { const: 'message' },
  role: { const: 'assistant' },
  status: STATUS,
  content: { type: 'array', items: PART },
})
const USAGE: JsonSchema = exactly({
  input_tokens: { ...COUNT, description: 'Image tokens included.' },
  input_tokens_details: exactly({ cached_tokens: COUNT, image_tokens: COUNT }),
  output_tokens: COUNT,
  output_tokens_details: exactly({ reasoning_tokens: { const: 0 } }),
  total_tokens: COUNT,
})
const NULLABLE_NUMBER: JsonSchema = { type: ['number', 'null'] }

export const RESPONSE = exactly({
  id: { type: 'string' },
  object: { const: 'response' },
  created_at: COUNT,
  completed_at: NULLABLE_NUMBER,
  status: STATUS,
  background: { const: false },
  error: { type: 'null' },
  incomplete_details: {
    anyOf: [{ type: 'null' }, exactly({ reason: { const: 'max_output_tokens' } })],
  },
  instructions: { type: ['string', 'null'] },
  max_output_tokens: NULLABLE_NUMBER,
  metadata: { type: 'object', additionalProperties: { type: 'string' } },
  model: { type: 'string' },
  output: { type: 'array', items: ITEM },
  parallel_tool_calls: { const: false },
  previous_response_id: { type: 'null' },
  store: { const: false },
  temperature: NULLABLE_NUMBER,
  tool_choice: { const: 'none' },
  tools: { type: 'array', maxItems: 0 },
  top_p: NULLABLE_NUMBER,
  truncation: { const: 'disabled' },
  usage: { anyOf: [{ type: 'null' }, USAGE] },
})

const PLACE = {
  sequence_number: COUNT,
  output_index: { const: 0 },
  content_index: { const: 0 },
  item_id: { type: 'string' },
} as const satisfies Record<string, JsonSchema>
const ITEM_PLACE = { output_index: PLACE.output_index } as const

function eventOf(type: string, properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return exactly({ type: { const: type }, sequence_number: COUNT, ...properties })
}

export const RESPONSE_EVENT: JsonSchema = {
  anyOf: [
    ...['created', 'in_progress', 'completed', 'incomplete'].map((name) =>
      eventOf(`response.${name}`, { response: RESPONSE }),
    ),
    ...['added', 'done'].flatMap((name) => [
      eventOf(`response.output_item.${name}`, { ...ITEM_PLACE, item: ITEM }),
      eventOf(`response.content_part.${name}`, { ...PLACE, part: PART }),
    ]),
    eventOf('response.output_text.delta', {
      ...PLACE,
      delta: { type: 'string' },
      logprobs: LOGPROBS,
    }),
    eventOf('response.output_text.done', {
      ...PLACE,
      text: { type: 'string' },
      logprobs: LOGPROBS,
    }),
  ],
}

type Event = { readonly type: string; readonly [field: string]: unknown }

/** One response: its ids, and the number of the next event. */
export class ResponseShape {
  readonly #request: ResponsesRequest
  readonly #model: ServedModel
  readonly #now: () => number
  readonly #created: number
  readonly #id: string
  readonly #itemId: string
  #sequence = 0

  constructor(
    request: ResponsesRequest,
    parts: {
      readonly model: ServedModel
      readonly newId: () => string
      /** Milliseconds since 1970. */
      readonly now: () => number
    },
  ) {
    this.#request = request
    this.#model = parts.model
    this.#now = parts.now
    this.#created = this.#seconds()
    this.#id = `resp_${parts.newId()}`
    this.#itemId = `msg_${parts.newId()}`
  }

  begin(): Event[] {
    const response = this.#response('in_progress', [], null)
    const item = this.#item('in_progress', [])
    return [
      this.#event('response.created', { response }),
      this.#event('response.in_progress', { response }),
      this.#event('response.output_item.added', { output_index: 0, item }),
      this.#event('response.content_part.added', { ...this.#place(), part: this.#part('', []) }),
    ]
  }

  delta(delta: string, logprobs: readonly AnswerLogprob[] = []): Event {
    const shown = this.#logprobs(logprobs)
    return this.#event('response.output_text.delta', { ...this.#place(), delta, logprobs: shown })
  }

  end(answer: Answer): Event[] {
    const response = this.ended(answer)
    const [item] = response.output
    const logprobs = this.#logprobs(answer.logprobs ?? [])
    const { text } = answer
    return [
      this.#event('response.output_text.done', { ...this.#place(), text, logprobs }),
      this.#event('response.content_part.done', {
        ...this.#place(),
        part: this.#part(text, logprobs),
      }),
      this.#event('response.output_item.done', { output_index: 0, item }),
      this.#event(`response.${response.status}`, { response }),
    ]
  }

  /** What a stream ends with that could not go on. */
  error({ code, message }: { readonly code: string; readonly message: string }): Event {
    return this.#event('error', { code, message, param: null })
  }

  ended(answer: Answer) {
    const status = answer.finishReason === 'length' ? 'incomplete' : 'completed'
    const part = this.#part(answer.text, this.#logprobs(answer.logprobs ?? []))
    const { promptTokens, completionTokens, cachedTokens, imageTokens } = answer.usage
    return this.#response(status, [this.#item(status, [part])], {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens, image_tokens: imageTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: promptTokens + completionTokens,
    })
  }

  #response(status: string, output: readonly object[], usage: object | null) {
    const request = this.#request
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#created,
      completed_at: status === 'completed' ? this.#seconds() : null,
      status,
      background: false,
      error: null,
      incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
      instructions: request.instructions ?? null,
      max_output_tokens: request.max_output_tokens ?? null,
      metadata: request.metadata ?? {},
      model: this.#model.id,
      output,
      parallel_tool_calls: false,
      previous_response_id: null,
      store: false,
      temperature: request.temperature ?? null,
      tool_choice: 'none',
      tools: [],
      top_p: request.top_p ?? null,
      truncation: 'disabled',
      usage,
    }
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000)
  }

  #item(status: string, content: readonly object[]) {
    return { id: this.#itemId, type: 'message', role: 'assistant', status, content }
  }

  #part(text: string, logprobs: readonly object[]) {
    return { type: 'output_text', text, annotations: [], logprobs }
  }

  #logprobs(logprobs: readonly AnswerLogprob[]) {
    return logprobs.map((one) => withTop(one, this.#model))
  }

  #place() {
    return { output_index: 0, content_index: 0, item_id: this.#itemId }
  }

  #event(type: string, fields: object): Event {
    return { type, sequence_number: this.#sequence++, ...fields }
  }
}
