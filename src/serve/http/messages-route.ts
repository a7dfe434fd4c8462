/** `POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's API; docs.anthropic.com/en/api/messages. */
import { COUNT, exactly } from './chat-response.ts'
import { choiceEvents, type ChoiceEvent } from './choices.ts'
import { anthropicError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { withinParts } from './message-parts.ts'
import { requestMedia } from './request-media.ts'
import {
  conversationProperties,
  readConversation,
  type Conversation,
} from './messages-conversation.ts'
import { MESSAGE, MESSAGE_EVENT, MessageShape } from './messages-shape.ts'
import type { Route } from './route.ts'
import {
  answerTokens,
  ignoredProperties,
  maxTokensProperty,
  samplingOptions,
} from './sampling-fields.ts'
import { modelAsked, modelNamed, readRequest } from './server-context.ts'
import type { ServerConfig } from './server-config.ts'
import { streamEvents, type ServerEvent } from './sse.ts'

type MessagesRequest = Conversation & {
  readonly max_tokens: number
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly stop_sequences?: readonly string[] | null
  readonly stream?: boolean | null
  readonly output_config?: {
    readonly format?: { readonly type: 'json_schema'; readonly schema: object } | null
  } | null
}

const REFUSED = {
  thinking: {
    because: 'these models do not think apart from their answer',
    unless: [{ type: 'disabled' }],
  },
  container: { because: 'this server runs nothing' },
  mcp_servers: { because: 'this server calls nothing itself', unless: [[]] },
}

const OUTPUT_CONFIG: JsonSchema = {
  type: 'object',
  properties: { format: exactly({ type: { const: 'json_schema' }, schema: { type: 'object' } }) },
  additionalProperties: false,
}

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      ...conversationProperties(config),
      max_tokens: { ...maxTokensProperty(config), description: 'Tokens of an answer at most.' },
      temperature: { type: 'number', minimum: 0, maximum: 1 },
      top_p: { type: 'number', minimum: 0, maximum: 1 },
      top_k: { type: 'integer', minimum: 0 },
      stop_sequences: {
        type: 'array',
        maxItems: 16,
        items: { type: 'string', minLength: 1, maxLength: 256 },
      },
      stream: { type: 'boolean' },
      output_config: OUTPUT_CONFIG,
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
    properties: {
      ...conversationProperties(config),
      output_config: OUTPUT_CONFIG,
      ...ignoredProperties(['cache_control']),
    },
    required: ['messages'],
    additionalProperties: false,
    'x-refused': REFUSED,
  }
}

const messagesRoute: Route = {
  method: 'post',
  path: '/v1/messages',
  about: "An answer to a conversation, in Anthropic's words",
  request: requestSchema,
  responses: { json: MESSAGE, event: MESSAGE_EVENT },
  isAnthropic: true,
  async answer(context, exchange) {
    const schema = requestSchema(context.config)
    const body = await readRequest<MessagesRequest>(context, exchange, schema)
    const model = modelAsked(context, body)
    const media = requestMedia(context, exchange, model)
    const prompt = await readConversation(body, media)
    withinParts(prompt.messages, 'messages', context.config)
    const stops = body.stop_sequences ?? []
    const format = body.output_config?.format
    const request = {
      ...prompt,
      ...(format ? { responseFormat: format } : {}),
      maxTokens: answerTokens({ max_tokens: body.max_tokens }, model, context.config),
      ...samplingOptions({ ...body, stop: stops.length > 0 ? stops : null }),
    }
    const events = choiceEvents(context, { model, requests: [request] }, exchange)
    const shape = new MessageShape({ model, newId: context.newId, stops })
    if (!body.stream) return Response.json(await wholeMessage(events, shape))
    const inputTokens = await model.countTokens(prompt, exchange.signal)
    const onFailure = (error: unknown) => ({
      event: 'error',
      data: anthropicError(exchange.failed(error)),
    })
    const told = messageEvents(events, shape, inputTokens)
    return streamEvents(told, {
      onFailure,
      onGone: exchange.leave,
      heartbeatMs: exchange.heartbeatMs,
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
    const model = modelNamed(context, body.model)
    const media = requestMedia(context, exchange, model)
    const prompt = await readConversation(body, media)
    withinParts(prompt.messages, 'messages', context.config)
    const tokens = await model.countTokens(prompt, exchange.signal)
    return Response.json({ input_tokens: tokens })
  },
}

export const MESSAGES_ROUTES: readonly Route[] = [messagesRoute, countRoute]

async function wholeMessage(
  events: AsyncIterable<ChoiceEvent>,
  shape: MessageShape,
): Promise<object> {
  let whole: object | null = null
  for await (const { event } of events) {
    if (event.type === 'text') shape.piece(event)
    else {
      shape.end(event)
      whole = shape.message(event)
    }
  }
  if (whole) return whole
  throw new Error('internal: a message without an end')
}

async function* messageEvents(
  events: AsyncIterable<ChoiceEvent>,
  shape: MessageShape,
  inputTokens: number,
): AsyncGenerator<ServerEvent, void, undefined> {
  let hasBegun = false
  for await (const { event } of events) {
    if (!hasBegun) yield* shape.begin(inputTokens)
    hasBegun = true
    yield* event.type === 'text' ? shape.piece(event) : shape.end(event)
  }
}
