/** `POST /v1/responses`: OpenAI's newer route for texts and pictures; platform.openai.com/docs/api-reference/responses. */
import { InputError } from '../../core/errors.ts'
import type { ContentPart, Message } from '../messages.ts'
import { exactly } from './chat-response.ts'
import { choiceEvents, type ChoiceEvent } from './choices.ts'
import { NAMED_SCHEMA, type FormatFields } from './format-fields.ts'
import { HttpError, openAiError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { withinParts } from './message-parts.ts'
import type { RequestMedia } from './media.ts'
import { requestMedia } from './request-media.ts'
import { RESPONSE, RESPONSE_EVENT, RESPONSE_FAILURE, ResponseShape } from './responses-shape.ts'
import type { Route } from './route.ts'
import {
  given,
  ignoredProperties,
  maxTokensProperty,
  answerTokens,
  REFUSED_SAMPLING,
  SAMPLING_PROPERTIES,
  samplingOptions,
  type SamplingFields,
} from './sampling-fields.ts'
import { modelAsked, readRequest } from './server-context.ts'
import type { ServerConfig } from './server-config.ts'
import { streamEvents, type ServerEvent } from './sse.ts'
import {
  FUNCTION_PROPERTIES,
  TOOL_CHOICES,
  TOOL_PROPERTIES,
  toolFieldsOf,
  toolList,
  type OpenAiFunction,
} from './tool-fields.ts'
import { UNSUPPORTED_CHAT_FIELDS } from './unsupported-fields.ts'

type InputPart =
  | { readonly type: 'input_text' | 'output_text'; readonly text: string }
  | { readonly type: 'input_image'; readonly image_url: string }

export type InputItem = MessageItem | CallItem | CallOutputItem

type MessageItem = {
  readonly type?: 'message' | null
  readonly role: 'user' | 'assistant' | 'system' | 'developer'
  readonly content: string | readonly InputPart[]
}

type CallItem = {
  readonly type: 'function_call'
  readonly call_id: string
  readonly name: string
  readonly arguments: string
}

type CallOutputItem = {
  readonly type: 'function_call_output'
  readonly call_id: string
  readonly output: string | readonly { readonly type: 'input_text'; readonly text: string }[]
}

export type ResponsesRequest = SamplingFields & {
  readonly model?: string | null
  readonly input: string | readonly InputItem[]
  readonly instructions?: string | null
  readonly max_output_tokens?: number | null
  readonly top_logprobs?: number | null
  readonly text?: { readonly format?: TextFormat | null } | null
  readonly include?: readonly string[] | null
  readonly metadata?: Readonly<Record<string, string>> | null
  readonly stream?: boolean | null
  readonly tools?: readonly (OpenAiFunction & { readonly type: 'function' })[] | null
  readonly tool_choice?:
    | 'none'
    | 'auto'
    | 'required'
    | { readonly type: 'function'; readonly name: string }
    | null
  readonly parallel_tool_calls?: boolean | null
}

/** As `response_format` of chat, one level flatter. */
type TextFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly schema: object }

const TEXT_FORMAT: JsonSchema = {
  type: 'object',
  properties: {
    format: {
      anyOf: [
        exactly({ type: { const: 'text' } }),
        exactly({ type: { const: 'json_object' } }),
        {
          type: 'object',
          properties: { type: { const: 'json_schema' }, ...NAMED_SCHEMA },
          required: ['type', 'schema'],
          additionalProperties: false,
        },
      ],
    },
  },
  additionalProperties: false,
  'x-refused': { verbosity: { because: 'there is nothing to set it on', unless: ['medium'] } },
}

const TEXT = (type: string): JsonSchema => ({
  type: 'object',
  properties: {
    type: { const: type },
    text: { type: 'string' },
    ...ignoredProperties(['annotations', 'logprobs']),
  },
  required: ['type', 'text'],
  additionalProperties: false,
})

const IMAGE: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'input_image' },
    image_url: { type: 'string', minLength: 1 },
    ...ignoredProperties(['detail']),
  },
  required: ['type', 'image_url'],
  additionalProperties: false,
  'x-refused': { file_id: { because: 'this server keeps no files; send image_url' } },
}

function itemSchema(roles: readonly string[], parts: readonly JsonSchema[]): JsonSchema {
  return {
    type: 'object',
    properties: {
      type: { const: 'message' },
      role: { enum: roles },
      content: { anyOf: [{ type: 'string' }, { type: 'array', items: { anyOf: parts } }] },
      ...ignoredProperties(['id', 'status', 'phase']),
    },
    required: ['role', 'content'],
    additionalProperties: false,
  }
}

const CALL: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'function_call' },
    call_id: { type: 'string', minLength: 1 },
    name: FUNCTION_PROPERTIES.name,
    arguments: { type: 'string' },
    ...ignoredProperties(['id', 'status']),
  },
  required: ['type', 'call_id', 'name', 'arguments'],
  additionalProperties: false,
}

const CALL_OUTPUT: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'function_call_output' },
    call_id: { type: 'string', minLength: 1 },
    output: { anyOf: [{ type: 'string' }, { type: 'array', items: TEXT('input_text') }] },
    ...ignoredProperties(['id', 'status']),
  },
  required: ['type', 'call_id', 'output'],
  additionalProperties: false,
}

const TOOL: JsonSchema = {
  type: 'object',
  properties: { type: { const: 'function' }, ...FUNCTION_PROPERTIES },
  required: ['type', 'name'],
  additionalProperties: false,
}

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      model: { type: 'string' },
      input: {
        anyOf: [
          { type: 'string', minLength: 1 },
          {
            type: 'array',
            minItems: 1,
            maxItems: config.maxMessages,
            items: {
              anyOf: [
                itemSchema(['user'], [TEXT('input_text'), IMAGE]),
                itemSchema(['system', 'developer'], [TEXT('input_text')]),
                itemSchema(['assistant'], [TEXT('output_text')]),
                CALL,
                CALL_OUTPUT,
              ],
            },
          },
        ],
      },
      instructions: { type: 'string', description: 'A system message in front.' },
      max_output_tokens: maxTokensProperty(config),
      top_logprobs: {
        type: 'integer',
        minimum: 0,
        maximum: 20,
        description: 'More than 0 asks for log-probabilities, as include does.',
      },
      text: TEXT_FORMAT,
      include: { type: 'array', items: { enum: ['message.output_text.logprobs'] } },
      metadata: { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 16 },
      stream: { type: 'boolean' },
      tools: toolList(TOOL),
      tool_choice: {
        anyOf: [
          TOOL_CHOICES,
          exactly({ type: { const: 'function' }, name: FUNCTION_PROPERTIES.name }),
        ],
        description: TOOL_PROPERTIES.tool_choice.description,
      },
      parallel_tool_calls: TOOL_PROPERTIES.parallel_tool_calls,
      ...SAMPLING_PROPERTIES,
      ...ignoredProperties(IGNORED),
    },
    required: ['input'],
    additionalProperties: false,
    'x-refused': {
      ...REFUSED_SAMPLING,
      ...UNSUPPORTED_CHAT_FIELDS,
      previous_response_id: { because: 'answers are not kept; send the conversation' },
      conversation: { because: 'answers are not kept; send the conversation' },
      background: { because: 'answers are not kept', unless: [false] },
      truncation: { because: 'prompts are never cut', unless: ['disabled'] },
      reasoning: { because: 'these models do not reason apart from their answer', unless: [{}] },
      prompt: { because: 'this server keeps no prompts' },
      max_tool_calls: { because: 'answers are not counted together; see parallel_tool_calls' },
    },
  }
}

const IGNORED = [
  'user',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'stream_options',
]

export const responsesRoute: Route = {
  method: 'post',
  path: '/v1/responses',
  about: 'An answer to a text or a conversation with pictures',
  request: requestSchema,
  responses: { json: RESPONSE, event: RESPONSE_EVENT, failure: RESPONSE_FAILURE },
  async answer(context, exchange) {
    const body = await readRequest<ResponsesRequest>(
      context,
      exchange,
      requestSchema(context.config),
    )
    const model = modelAsked(context, body)
    const media = requestMedia(context, exchange, model)
    const wantsLogprobs = (body.include ?? []).length > 0 || (body.top_logprobs ?? 0) > 0
    const request = {
      messages: withinParts(await readInput(body, media), 'input', context.config),
      ...toolsOf(body),
      ...samplingOptions({ ...body, ...formatField(body) }),
      maxTokens: answerTokens({ max_output_tokens: body.max_output_tokens }, model, context.config),
      ...(wantsLogprobs && { logprobs: true, ...given({ topLogprobs: body.top_logprobs }) }),
    }
    const events = choiceEvents(context, { model, requests: [request] }, exchange)
    const { newId, now } = context
    const shape = new ResponseShape(body, { model, newId, now })
    if (body.stream) {
      const onFailure = (error: unknown) => {
        const { error: told } = openAiError(exchange.failed(error))
        return { event: 'error', data: shape.error(told) }
      }
      return streamEvents(responseEvents(events, shape), {
        onFailure,
        onGone: exchange.leave,
        heartbeatMs: exchange.heartbeatMs,
      })
    }
    return Response.json(await wholeResponse(events, shape))
  },
}

async function wholeResponse(
  events: AsyncIterable<ChoiceEvent>,
  shape: ResponseShape,
): Promise<object> {
  let whole: object | null = null
  for await (const { event } of events) {
    if (event.type === 'text') shape.piece(event)
    else {
      shape.end(event)
      whole = shape.response(event)
    }
  }
  if (whole) return whole
  throw new Error('internal: a response without an end')
}

function toolsOf({ tools, tool_choice, parallel_tool_calls }: ResponsesRequest) {
  return toolFieldsOf(tools ?? [], tool_choice, parallel_tool_calls)
}

/** `text.format` under the name that it has in chat. Throws InputError where both name a form. */
function formatField({ text, response_format }: ResponsesRequest): FormatFields {
  const format = text?.format
  if (!format || format.type === 'text') return { response_format }
  if (response_format && response_format.type !== 'text') {
    const both = 'text.format and response_format'
    throw new InputError('INPUT_OPTION', `format: an answer has one form, ${both} came; name one.`)
  }
  if (format.type === 'json_object') return { response_format: format }
  return { response_format: { type: 'json_schema', json_schema: { schema: format.schema } } }
}

async function readInput(body: ResponsesRequest, media: RequestMedia): Promise<Message[]> {
  const { input, instructions } = body
  const messages: Message[] =
    typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : []
  if (typeof input === 'string') return [...messages, { role: 'user', content: input }]
  for (const [i, item] of input.entries()) {
    if (item.type === 'function_call') {
      addCall(messages, item)
      continue
    }
    if (item.type === 'function_call_output') {
      messages.push({ role: 'tool', content: textOf(item), toolCallId: item.call_id })
      continue
    }
    const { role, content } = item
    const known = role === 'developer' ? 'system' : role
    if (typeof content === 'string') messages.push({ role: known, content })
    else {
      const parts: ContentPart[] = []
      for (const [j, part] of content.entries()) {
        const path = `input[${i}].content[${j}].image_url`
        if (part.type !== 'input_image') parts.push({ type: 'text', text: part.text })
        else parts.push({ type: 'image', image: await media.picture(part.image_url, path) })
      }
      messages.push({ role: known, content: parts })
    }
  }
  return checkNotEmpty(messages)
}

/** Calls in a row, and the words before them, are one message of the assistant. */
function addCall(messages: Message[], { call_id: id, name, arguments: given }: CallItem): void {
  const call = { id, name, arguments: given }
  const last = messages.at(-1)
  if (last?.role !== 'assistant') {
    messages.push({ role: 'assistant', content: '', toolCalls: [call] })
  } else messages.splice(-1, 1, { ...last, toolCalls: [...(last.toolCalls ?? []), call] })
}

function textOf({ output }: CallOutputItem): string {
  return typeof output === 'string' ? output : output.map(({ text }) => text).join('\n')
}

function checkNotEmpty(messages: Message[]): Message[] {
  if (messages.length > 0) return messages
  throw new HttpError(400, 'INPUT_PROMPT', '/v1/responses: input should hold a message.')
}

async function* responseEvents(
  events: AsyncIterable<ChoiceEvent>,
  shape: ResponseShape,
): AsyncGenerator<ServerEvent, void, undefined> {
  const named = (data: { readonly type: string }) => ({ event: data.type, data })
  let hasBegun = false
  for await (const { event } of events) {
    if (!hasBegun) for (const one of shape.begin()) yield named(one)
    hasBegun = true
    const told = event.type === 'text' ? shape.piece(event) : shape.end(event)
    for (const one of told) yield named(one)
  }
}
