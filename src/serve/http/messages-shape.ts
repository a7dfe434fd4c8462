/** The objects of `/v1/messages`: the message when it is there, and the events while it grows. */
import type { Answer, TextEvent, Usage } from '../answer.ts'
import type { WrittenCall } from '../tools/call-parser.ts'
import { COUNT, exactly } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import type { ServedModel } from './served-model.ts'
import type { ServerEvent } from './sse.ts'
import { stopStringOf } from './stop-string.ts'
import { newCallId } from './tool-fields.ts'

const USAGE = exactly({
  input_tokens: { ...COUNT, description: 'Without those that were found in the cache.' },
  cache_read_input_tokens: COUNT,
  cache_creation_input_tokens: COUNT,
  output_tokens: COUNT,
})
const BLOCK: JsonSchema = {
  anyOf: [
    exactly({ type: { const: 'text' }, text: { type: 'string' } }),
    exactly({
      type: { const: 'tool_use' },
      id: { type: 'string' },
      name: { type: 'string' },
      input: { type: 'object' },
    }),
  ],
}
const STOP_REASON: JsonSchema = {
  anyOf: [{ type: 'null' }, { enum: ['end_turn', 'max_tokens', 'stop_sequence', 'tool_use'] }],
}
const STOP_SEQUENCE: JsonSchema = { type: ['string', 'null'] }

export const MESSAGE = exactly({
  id: { type: 'string' },
  type: { const: 'message' },
  role: { const: 'assistant' },
  model: { type: 'string' },
  content: { type: 'array', items: BLOCK },
  stop_reason: STOP_REASON,
  stop_sequence: STOP_SEQUENCE,
  usage: USAGE,
})

export const MESSAGE_EVENT: JsonSchema = {
  anyOf: [
    exactly({ type: { const: 'message_start' }, message: MESSAGE }),
    exactly({ type: { const: 'content_block_start' }, index: COUNT, content_block: BLOCK }),
    exactly({
      type: { const: 'content_block_delta' },
      index: COUNT,
      delta: {
        anyOf: [
          exactly({ type: { const: 'text_delta' }, text: { type: 'string' } }),
          exactly({ type: { const: 'input_json_delta' }, partial_json: { type: 'string' } }),
        ],
      },
    }),
    exactly({ type: { const: 'content_block_stop' }, index: COUNT }),
    exactly({
      type: { const: 'message_delta' },
      delta: exactly({ stop_reason: STOP_REASON, stop_sequence: STOP_SEQUENCE }),
      usage: USAGE,
    }),
    exactly({ type: { const: 'message_stop' } }),
  ],
}

type Block =
  | { readonly type: 'text'; text: string }
  | {
      readonly type: 'tool_use'
      readonly id: string
      readonly name: string
      readonly input: object
    }

type Told = { readonly type: string; readonly [field: string]: unknown }

/** One message: words and calls are blocks in the order in which they come. */
export class MessageShape {
  readonly #id: string
  readonly #newId: () => string
  readonly #model: ServedModel
  readonly #stops: readonly string[]
  readonly #blocks: Block[] = []

  constructor(parts: {
    readonly model: ServedModel
    readonly newId: () => string
    readonly stops: readonly string[]
  }) {
    this.#model = parts.model
    this.#newId = parts.newId
    this.#stops = parts.stops
    this.#id = `msg_${parts.newId()}`
  }

  /** What of the prompt was cached is known only at the end; `message_delta` has the true counts. */
  begin(inputTokens: number): ServerEvent[] {
    const none = { imageTokens: 0, cachedTokens: 0, completionTokens: 0 }
    const usage = anthropicUsage({ promptTokens: inputTokens, ...none })
    const message = this.#message({ stop_reason: null, stop_sequence: null }, usage)
    return [named({ type: 'message_start', message })]
  }

  piece({ text, toolCalls = [] }: TextEvent): ServerEvent[] {
    return [
      ...(text === '' ? [] : this.#words(text)),
      ...toolCalls.flatMap((call) => this.#call(call)),
    ]
  }

  end(answer: Answer): ServerEvent[] {
    // An answer without a word is a block without one.
    const opened = this.#blocks.length === 0 ? this.#open({ type: 'text', text: '' }) : []
    const closed = this.#closeText()
    const delta = endOf(answer, this.#stops)
    const usage = anthropicUsage(answer.usage)
    return [
      ...opened,
      ...closed,
      named({ type: 'message_delta', delta, usage }),
      named({ type: 'message_stop' }),
    ]
  }

  /** The whole, when all blocks are there. */
  message(answer: Answer): object {
    const [first] = this.#blocks
    // What was told in pieces may have other signs for broken bytes than the whole.
    if (this.#blocks.length === 1 && first?.type === 'text') first.text = answer.text
    const end = endOf(answer, this.#stops)
    return this.#message(end, anthropicUsage(answer.usage))
  }

  #message(end: object, usage: object) {
    const head = { id: this.#id, type: 'message', role: 'assistant', model: this.#model.id }
    return { ...head, content: [...this.#blocks], ...end, usage }
  }

  #words(text: string): ServerEvent[] {
    const last = this.#blocks.at(-1)
    const opened = last?.type === 'text' ? [] : this.#open({ type: 'text', text: '' })
    const block = this.#blocks.at(-1)
    if (block?.type === 'text') block.text += text
    return [...opened, this.#delta({ type: 'text_delta', text })]
  }

  #call({ name, arguments: given }: WrittenCall): ServerEvent[] {
    const closed = this.#closeText()
    const head = { type: 'tool_use', id: `toolu_${newCallId(this.#newId)}`, name } as const
    this.#blocks.push({ ...head, input: JSON.parse(given) as object })
    const index = this.#blocks.length - 1
    return [
      ...closed,
      named({ type: 'content_block_start', index, content_block: { ...head, input: {} } }),
      this.#delta({ type: 'input_json_delta', partial_json: given }),
      named({ type: 'content_block_stop', index }),
    ]
  }

  #open(block: Block): ServerEvent[] {
    this.#blocks.push(block)
    const index = this.#blocks.length - 1
    return [named({ type: 'content_block_start', index, content_block: { ...block } })]
  }

  #closeText(): ServerEvent[] {
    if (this.#blocks.at(-1)?.type !== 'text') return []
    return [named({ type: 'content_block_stop', index: this.#blocks.length - 1 })]
  }

  #delta(delta: object): ServerEvent {
    return named({ type: 'content_block_delta', index: this.#blocks.length - 1, delta })
  }
}

function named(data: Told): ServerEvent {
  return { event: data.type, data }
}

function endOf(answer: Answer, stops: readonly string[]) {
  if (answer.finishReason === 'length') return { stop_reason: 'max_tokens', stop_sequence: null }
  if ((answer.toolCalls ?? []).length > 0) return { stop_reason: 'tool_use', stop_sequence: null }
  const stop = stopStringOf(answer, stops)
  return stop === null
    ? { stop_reason: 'end_turn', stop_sequence: null }
    : { stop_reason: 'stop_sequence', stop_sequence: stop }
}

function anthropicUsage({ promptTokens, cachedTokens, completionTokens }: Usage) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_read_input_tokens: cachedTokens,
    cache_creation_input_tokens: 0,
    output_tokens: completionTokens,
  }
}
