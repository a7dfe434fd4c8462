/** `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's API; docs.anthropic.com/en/api/messages. */
import type { Answer, Usage } from '../answer.ts'
import type { ContentPart, Message } from '../messages.ts'
import { COUNT, exactly } from './chat-response.ts'
import { choiceEvents, collectChoices, type ChoiceEvent } from './choices.ts'
import { anthropicError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { RequestMedia } from './media.ts'
import type { Route } from './route.ts'
import { ignoredProperties, maxTokensProperty, samplingOptions } from './sampling-fields.ts'
import { modelNamed, readRequest, type Exchange, type ServerContext } from './server-context.ts'
import type { ServedModel } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { streamEvents, type ServerEvent } from './sse.ts'

type TextBlock = { readonly type: 'text'; readonly text: string }
type ImageBlock = {
  readonly type: 'image'
  readonly source:
    | { readonly type: 'base64'; readonly media_type: string; readonly data: string }
    | { readonly type: 'url'; readonly url: string }
}
type Conversation = {
  readonly model?: string | null
  readonly messages: readonly {
    readonly role: 'user' | 'assistant'
    readonly content: string | readonly (TextBlock | ImageBlock)[]
  }[]
  readonly system?: string | readonly TextBlock[] | null
}
type MessagesRequest = Conversation & {
  readonly max_tokens: number
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly stop_sequences?: readonly string[] | null
  readonly stream?: boolean | null
}

const IGNORED_IN_BLOCKS = ignoredProperties(['cache_control', 'citations'])
const TEXT_BLOCK: JsonSchema = {
  type: 'object',
  properties: { type: { const: 'text' }, text: { type: 'string' }, ...IGNORED_IN_BLOCKS },
  required: ['type', 'text'],
  additionalProperties: false,
}
const IMAGE_BLOCK: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'image' },
    source: {
      anyOf: [
        exactly({
          type: { const: 'base64' },
          media_type: { type: 'string', maxLength: 64 },
          data: { type: 'string', minLength: 1 },
        }),
        exactly({ type: { const: 'url' }, url: { type: 'string', minLength: 1 } }),
      ],
    },
    ...IGNORED_IN_BLOCKS,
  },
  required: ['type', 'source'],
  additionalProperties: false,
}

function textOrBlocks(blocks: readonly JsonSchema[]): JsonSchema {
  return { anyOf: [{ type: 'string' }, { type: 'array', items: { anyOf: blocks } }] }
}

function conversationProperties({ maxMessages }: ServerConfig) {
  const message = (role: string, blocks: readonly JsonSchema[]): JsonSchema =>
    exactly({ role: { const: role }, content: textOrBlocks(blocks) })
  return {
    model: { type: 'string' },
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: maxMessages,
      items: {
        anyOf: [message('user', [TEXT_BLOCK, IMAGE_BLOCK]), message('assistant', [TEXT_BLOCK])],
      },
    },
    system: textOrBlocks([TEXT_BLOCK]),
  } as const satisfies Record<string, JsonSchema>
}

const NO_TOOLS = { because: 'no tools are offered', unless: [[]] }
const REFUSED = {
  tools: NO_TOOLS,
  tool_choice: { because: 'no tools are offered', unless: [{ type: 'none' }, { type: 'auto' }] },
  thinking: {
    because: 'these models do not think apart from their answer',
    unless: [{ type: 'disabled' }],
  },
  container: { because: 'this server runs nothing' },
  mcp_servers: NO_TOOLS,
}

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      ...conversationProperties(config),
      max_tokens: maxTokensProperty(config),
      temperature: { type: 'number', minimum: 0, maximum: 1 },
      top_p: { type: 'number', minimum: 0, maximum: 1 },
      top_k: { type: 'integer', minimum: 0 },
      stop_sequences: {
        type: 'array',
        maxItems: 16,
        items: { type: 'string', minLength: 1, maxLength: 256 },
      },
      stream: { type: 'boolean' },
      ...ignoredProperties(['metadata', 'service_tier', 'cache_control', 'inference_geo']),
    },
    required: ['messages', 'max_tokens'],
    additionalProperties: false,
    'x-refused': REFUSED,
  }
}

function countSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: conversationProperties(config),
    required: ['messages'],
    additionalProperties: false,
    'x-refused': REFUSED,
  }
}

const USAGE = exactly({
  input_tokens: { ...COUNT, description: 'Without those that were found in the cache.' },
  cache_read_input_tokens: COUNT,
  cache_creation_input_tokens: COUNT,
  output_tokens: COUNT,
})
const TEXT_CONTENT = exactly({ type: { const: 'text' }, text: { type: 'string' } })
const STOP_REASON: JsonSchema = {
  anyOf: [{ type: 'null' }, { enum: ['end_turn', 'max_tokens', 'stop_sequence'] }],
}
const STOP_SEQUENCE: JsonSchema = { type: ['string', 'null'] }
const MESSAGE = exactly({
  id: { type: 'string' },
  type: { const: 'message' },
  role: { const: 'assistant' },
  model: { type: 'string' },
  content: { type: 'array', items: TEXT_CONTENT },
  stop_reason: STOP_REASON,
  stop_sequence: STOP_SEQUENCE,
  usage: USAGE,
})
const EVENT: JsonSchema = {
  anyOf: [
    exactly({ type: { const: 'message_start' }, message: MESSAGE }),
    exactly({ type: { const: 'content_block_start' }, index: COUNT, content_block: TEXT_CONTENT }),
    exactly({
      type: { const: 'content_block_delta' },
      index: COUNT,
      delta: exactly({ type: { const: 'text_delta' }, text: { type: 'string' } }),
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

const messagesRoute: Route = {
  method: 'post',
  path: '/v1/messages',
  about: "An answer to a conversation, in Anthropic's words",
  request: requestSchema,
  responses: { json: MESSAGE, event: EVENT },
  isAnthropic: true,
  async answer(context, exchange) {
    const body = await readRequest<MessagesRequest>(
      context,
      exchange,
      requestSchema(context.config),
    )
    const model = modelNamed(context, body.model)
    const messages = await conversation(context, exchange, body)
    const stops = body.stop_sequences ?? []
    const request = {
      messages,
      maxTokens: body.max_tokens,
      ...samplingOptions({ ...body, stop: stops.length > 0 ? stops : null }),
    }
    const events = choiceEvents(context, { model, requests: [request] }, exchange)
    const head = {
      id: `msg_${context.newId()}`,
      type: 'message',
      role: 'assistant',
      model: model.id,
    }
    if (body.stream) {
      const inputTokens = await model.countTokens({ messages })
      const chunks = messageEvents(events, { head, inputTokens, model, stops })
      const onFailure = (error: unknown) => ({
        event: 'error',
        data: anthropicError(exchange.failed(error)),
      })
      return streamEvents(chunks, { onFailure, onGone: exchange.leave })
    }
    const [answer] = await collectChoices(events, 1)
    return Response.json({
      ...head,
      content: [{ type: 'text', text: answer?.text }],
      ...(answer && (await endOf(answer, { model, stops }))),
      usage: answer && anthropicUsage(answer.usage),
    })
  },
}

const countRoute: Route = {
  method: 'post',
  path: '/v1/messages/count_tokens',
  about: 'How many tokens a conversation has',
  request: countSchema,
  responses: { json: exactly({ input_tokens: COUNT }) },
  isAnthropic: true,
  async answer(context, exchange) {
    const body = await readRequest<Conversation>(context, exchange, countSchema(context.config))
    const messages = await conversation(context, exchange, body)
    const tokens = await modelNamed(context, body.model).countTokens({ messages })
    return Response.json({ input_tokens: tokens })
  },
}

export const MESSAGES_ROUTES: readonly Route[] = [messagesRoute, countRoute]

async function conversation(
  context: ServerContext,
  { signal }: Exchange,
  { system, messages }: Conversation,
): Promise<Message[]> {
  const media = new RequestMedia(context.media, context.config, signal)
  const read: Message[] = []
  if (typeof system === 'string') read.push({ role: 'system', content: system })
  else if (system) read.push({ role: 'system', content: system.map(plainText) })
  for (const [i, { role, content }] of messages.entries()) {
    if (typeof content === 'string') read.push({ role, content })
    else {
      const parts: ContentPart[] = []
      for (const [j, block] of content.entries()) {
        const path = `messages[${i}].content[${j}].source`
        if (block.type === 'text') parts.push(plainText(block))
        else parts.push({ type: 'image', image: await media.picture(urlOf(block), path) })
      }
      read.push({ role, content: parts })
    }
  }
  return read
}

function plainText({ text }: TextBlock): ContentPart {
  return { type: 'text', text }
}

function urlOf({ source }: ImageBlock): string {
  return source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`
}

type Ending = { readonly model: ServedModel; readonly stops: readonly string[] }

/** Which stop sequence it was, the text behind the answer's own tells. */
async function endOf(answer: Answer, { model, stops }: Ending) {
  if (answer.finishReason === 'length') return { stop_reason: 'max_tokens', stop_sequence: null }
  const written = stops.length > 0 ? await model.detokenize(answer.tokens) : ''
  const rest = written.slice(written.lastIndexOf(answer.text) + answer.text.length)
  const stop = stops.find((one) => rest.startsWith(one))
  return stop === undefined
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

async function* messageEvents(
  events: AsyncIterable<ChoiceEvent>,
  {
    head,
    inputTokens,
    ...ending
  }: { readonly head: object; readonly inputTokens: number } & Ending,
): AsyncGenerator<ServerEvent, void, undefined> {
  const named = (data: { readonly type: string }) => ({ event: data.type, data })
  let hasBegun = false
  for await (const { event } of events) {
    if (!hasBegun) {
      // What of the prompt was cached is known only at the end; `message_delta` has the true counts.
      const usage = anthropicUsage({
        promptTokens: inputTokens,
        imageTokens: 0,
        cachedTokens: 0,
        completionTokens: 0,
      })
      const none = { content: [], stop_reason: null, stop_sequence: null, usage }
      yield named({ type: 'message_start', message: { ...head, ...none } } as { type: string })
      const block = { type: 'text', text: '' }
      yield named({ type: 'content_block_start', index: 0, content_block: block } as {
        type: string
      })
      hasBegun = true
    }
    if (event.type === 'text') {
      const delta = { type: 'text_delta', text: event.text }
      yield named({ type: 'content_block_delta', index: 0, delta } as { type: string })
    } else {
      yield named({ type: 'content_block_stop', index: 0 } as { type: string })
      const delta = await endOf(event, ending)
      const usage = anthropicUsage(event.usage)
      yield named({ type: 'message_delta', delta, usage } as { type: string })
      yield named({ type: 'message_stop' })
    }
  }
}
