/** The objects of `/v1/responses`: the response while it grows and when it is there, and the events in between. */
import type { Answer, AnswerLogprob, TextEvent } from '../answer.ts'
import type { WrittenCall } from '../tools/call-parser.ts'
import { COUNT, exactly, TOKEN_LOGPROB, withTop } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import type { ResponsesRequest } from './responses-route.ts'
import type { ServedModel } from './served-model.ts'
import { newCallId } from './tool-fields.ts'

const LOGPROBS: JsonSchema = { type: 'array', items: TOKEN_LOGPROB }
const PART = exactly({
  type: { const: 'output_text' },
  text: { type: 'string' },
  annotations: { type: 'array', maxItems: 0 },
  logprobs: LOGPROBS,
})
const STATUS: JsonSchema = { enum: ['in_progress', 'completed', 'incomplete'] }
const MESSAGE_ITEM = exactly({
  id: { type: 'string' },
  type: { const: 'message' },
  role: { const: 'assistant' },
  status: STATUS,
  content: { type: 'array', items: PART },
})
const CALL_ITEM = exactly({
  id: { type: 'string' },
  type: { const: 'function_call' },
  call_id: { type: 'string' },
  name: { type: 'string' },
  arguments: { type: 'string' },
  status: STATUS,
})
const ITEM: JsonSchema = { anyOf: [MESSAGE_ITEM, CALL_ITEM] }
const USAGE: JsonSchema = exactly({
  input_tokens: { ...COUNT, description: 'Image tokens included.' },
  input_tokens_details: exactly({
    cached_tokens: COUNT,
    cache_write_tokens: {
      ...COUNT,
      description: 'Not cached, and kept now; 0 where it is not known.',
    },
    image_tokens: COUNT,
  }),
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
  parallel_tool_calls: { type: 'boolean' },
  previous_response_id: { type: 'null' },
  store: { const: false },
  temperature: NULLABLE_NUMBER,
  tool_choice: { anyOf: [{ type: 'string' }, { type: 'object' }] },
  tools: { type: 'array', items: { type: 'object' } },
  top_p: NULLABLE_NUMBER,
  truncation: { const: 'disabled' },
  usage: { anyOf: [{ type: 'null' }, USAGE] },
})

const PLACE = {
  output_index: COUNT,
  content_index: { const: 0 },
  item_id: { type: 'string' },
} as const satisfies Record<string, JsonSchema>
const ITEM_PLACE = { output_index: PLACE.output_index } as const
const CALL_PLACE = { output_index: PLACE.output_index, item_id: PLACE.item_id } as const

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
    eventOf('response.function_call_arguments.delta', {
      ...CALL_PLACE,
      delta: { type: 'string' },
    }),
    eventOf('response.function_call_arguments.done', {
      ...CALL_PLACE,
      name: { type: 'string' },
      arguments: { type: 'string' },
    }),
  ],
}

/** A stream that failed ends with it. */
export const RESPONSE_FAILURE = eventOf('error', {
  code: { type: 'string' },
  message: { type: 'string' },
  param: { type: 'null' },
})

type Event = { readonly type: string; readonly [field: string]: unknown }

/** A message of the answer while it grows. */
type OpenMessage = { readonly id: string; text: string; logprobs: object[] }

/**
 * One response: its ids, what is in it so far, and the number of the next event.
 *
 * Words and calls are items in the order in which they come; a stream tells each item's events, a response in one piece is
 * made by the same calls.
 */
export class ResponseShape {
  readonly #request: ResponsesRequest
  readonly #model: ServedModel
  readonly #now: () => number
  readonly #newId: () => string
  readonly #created: number
  readonly #id: string
  readonly #items: object[] = []
  #message: OpenMessage | null = null
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
    this.#newId = parts.newId
    this.#created = this.#seconds()
    this.#id = `resp_${parts.newId()}`
  }

  begin(): Event[] {
    const response = this.#response('in_progress', null)
    return [
      this.#event('response.created', { response }),
      this.#event('response.in_progress', { response }),
    ]
  }

  /** Words, then calls. */
  piece({ text, logprobs = [], toolCalls = [] }: TextEvent): Event[] {
    return [
      ...(text === '' ? [] : this.#words(text, logprobs)),
      ...toolCalls.flatMap((call) => [...this.#close('completed'), ...this.#call(call)]),
    ]
  }

  end(answer: Answer): Event[] {
    const status = statusOf(answer)
    // An answer without a word is a message without one.
    const opened = this.#items.length > 0 || this.#message ? [] : this.#open()
    // What was told in pieces may have other signs for broken bytes than the whole.
    if (this.#message && this.#items.length === 0) {
      this.#message.text = answer.text
      this.#message.logprobs = this.#logprobs(answer.logprobs ?? [])
    }
    const closed = this.#close(status)
    return [
      ...opened,
      ...closed,
      this.#event(`response.${status}`, { response: this.response(answer) }),
    ]
  }

  /** What a stream ends with that could not go on. */
  error({ code, message }: { readonly code: string; readonly message: string }): Event {
    return this.#event('error', { code, message, param: null })
  }

  /** The whole, when all items are there. */
  response(answer: Answer) {
    const { promptTokens, completionTokens, cachedTokens, imageTokens } = answer.usage
    return this.#response(statusOf(answer), {
      input_tokens: promptTokens,
      input_tokens_details: {
        cached_tokens: cachedTokens,
        cache_write_tokens: this.#model.keepsPrompts ? promptTokens - cachedTokens : 0,
        image_tokens: imageTokens,
      },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: promptTokens + completionTokens,
    })
  }

  #words(delta: string, logprobs: readonly AnswerLogprob[]): Event[] {
    const opened = this.#message ? [] : this.#open()
    const message = this.#message as unknown as OpenMessage
    const shown = this.#logprobs(logprobs)
    message.text += delta
    message.logprobs.push(...shown)
    const fields = { ...this.#place(message), delta, logprobs: shown }
    return [...opened, this.#event('response.output_text.delta', fields)]
  }

  #open(): Event[] {
    const message = { id: `msg_${this.#newId()}`, text: '', logprobs: [] }
    this.#message = message
    return [
      this.#event('response.output_item.added', {
        output_index: this.#items.length,
        item: messageItem(message, 'in_progress', []),
      }),
      this.#event('response.content_part.added', {
        ...this.#place(message),
        part: textPart('', []),
      }),
    ]
  }

  /** Ends the message that is open, if one is. */
  #close(status: Status): Event[] {
    const message = this.#message
    if (!message) return []
    const { text, logprobs } = message
    const part = textPart(text, logprobs)
    const item = messageItem(message, status, [part])
    const place = this.#place(message)
    this.#message = null
    this.#items.push(item)
    return [
      this.#event('response.output_text.done', { ...place, text, logprobs }),
      this.#event('response.content_part.done', { ...place, part }),
      this.#event('response.output_item.done', { output_index: place.output_index, item }),
    ]
  }

  #call({ name, arguments: given }: WrittenCall): Event[] {
    const id = `fc_${this.#newId()}`
    const call = { id, type: 'function_call', call_id: newCallId(this.#newId), name }
    const output_index = this.#items.length
    const place = { output_index, item_id: id }
    const item = { ...call, arguments: given, status: 'completed' }
    this.#items.push(item)
    return [
      this.#event('response.output_item.added', {
        output_index,
        item: { ...call, arguments: '', status: 'in_progress' },
      }),
      this.#event('response.function_call_arguments.delta', { ...place, delta: given }),
      this.#event('response.function_call_arguments.done', { ...place, name, arguments: given }),
      this.#event('response.output_item.done', { output_index, item }),
    ]
  }

  #response(status: Status, usage: object | null) {
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
      output: [...this.#items],
      parallel_tool_calls: request.parallel_tool_calls ?? true,
      previous_response_id: null,
      store: false,
      temperature: request.temperature ?? null,
      tool_choice: request.tool_choice ?? 'auto',
      tools: request.tools ?? [],
      top_p: request.top_p ?? null,
      truncation: 'disabled',
      usage,
    }
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000)
  }

  #logprobs(logprobs: readonly AnswerLogprob[]) {
    return logprobs.map((one) => withTop(one, this.#model))
  }

  #place({ id }: OpenMessage) {
    return { output_index: this.#items.length, content_index: 0, item_id: id }
  }

  #event(type: string, fields: object): Event {
    return { type, sequence_number: this.#sequence++, ...fields }
  }
}

type Status = 'in_progress' | 'completed' | 'incomplete'

function statusOf({ finishReason }: Answer): Status {
  return finishReason === 'length' ? 'incomplete' : 'completed'
}

function messageItem({ id }: OpenMessage, status: Status, content: readonly object[]) {
  return { id, type: 'message', role: 'assistant', status, content }
}

function textPart(text: string, logprobs: readonly object[]) {
  return { type: 'output_text', text, annotations: [], logprobs }
}
