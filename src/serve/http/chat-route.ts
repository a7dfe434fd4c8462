/** `POST /v1/chat/completions`, as platform.openai.com/docs/api-reference/chat describes it. */
import type { Answer } from '../answer.ts'
import { messagesProperty, readMessages, type ChatMessage } from './chat-messages.ts'
import {
  CHAT_CHUNK,
  CHAT_COMPLETION,
  logprobsOf,
  openAiUsage,
  ToldLogprobs,
  type FinishedAs,
} from './chat-response.ts'
import {
  choiceEvents,
  choiceRequests,
  collectChoices,
  totalUsage,
  type ChoiceEvent,
} from './choices.ts'
import type { JsonSchema } from './json-schema.ts'
import { withinParts } from './message-parts.ts'
import { requestMedia } from './request-media.ts'
import type { Route } from './route.ts'
import {
  choicesProperty,
  given,
  ignoredProperties,
  maxTokensProperty,
  answerTokens,
  REFUSED_SAMPLING,
  SAMPLING_PROPERTIES,
  samplingOptions,
  STREAM_OPTIONS,
  type SamplingFields,
} from './sampling-fields.ts'
import { modelAsked, readRequest, type Exchange, type ServerContext } from './server-context.ts'
import type { ServedModel, ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { openAiStream, type ServerEvent } from './sse.ts'
import {
  answerCall,
  newCallId,
  TOOL_PROPERTIES,
  toolFields,
  type ToolRequest,
} from './tool-fields.ts'
import { stopStringOf } from './stop-string.ts'
import { UNSUPPORTED_CHAT_FIELDS } from './unsupported-fields.ts'

type ChatRequest = SamplingFields &
  ToolRequest & {
    readonly model?: string | null
    readonly messages: readonly ChatMessage[]
    readonly max_tokens?: number | null
    readonly max_completion_tokens?: number | null
    readonly n?: number | null
    readonly stream?: boolean | null
    readonly stream_options?: { readonly include_usage?: boolean | null } | null
    readonly logprobs?: boolean | null
    readonly top_logprobs?: number | null
  }

export function chatRequestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      model: { type: 'string' },
      messages: messagesProperty(config),
      max_completion_tokens: maxTokensProperty(config),
      max_tokens: { ...maxTokensProperty(config), description: 'The older name.' },
      n: choicesProperty(config),
      stream: { type: 'boolean' },
      stream_options: STREAM_OPTIONS,
      logprobs: { type: 'boolean' },
      top_logprobs: { type: 'integer', minimum: 0, maximum: 20 },
      ...TOOL_PROPERTIES,
      ...SAMPLING_PROPERTIES,
      ...ignoredProperties(IGNORED),
    },
    required: ['messages'],
    additionalProperties: false,
    'x-refused': { ...REFUSED_SAMPLING, ...UNSUPPORTED_CHAT_FIELDS },
  }
}

/** Book-keeping of OpenAI's service; how an answer comes about does not depend on them. */
const IGNORED = [
  'user',
  'store',
  'metadata',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prediction',
]

export const chatRoute: Route = {
  method: 'post',
  path: '/v1/chat/completions',
  about: 'An answer to a conversation with pictures and clips',
  request: chatRequestSchema,
  responses: { json: CHAT_COMPLETION, event: CHAT_CHUNK },
  async answer(context, exchange) {
    const schema = chatRequestSchema(context.config)
    const body = await readRequest<ChatRequest>(context, exchange, schema)
    const model = modelAsked(context, body)
    const media = requestMedia(context, exchange, model)
    const read = await readMessages(body.messages, media)
    const messages = withinParts(read, 'messages', context.config)
    const asked = { ...chatOptions(body, model, context.config), ...toolFields(body), messages }
    const call = { id: `chatcmpl-${context.newId()}`, body, model }
    return answerChat(context, exchange, { ...call, request: asked })
  },
}

function chatOptions(body: ChatRequest, model: ServedModel, config: ServerConfig) {
  const asked = {
    max_completion_tokens: body.max_completion_tokens,
    max_tokens: body.max_tokens,
  }
  return {
    ...samplingOptions(body),
    maxTokens: answerTokens(asked, model, config),
    ...given({ logprobs: body.logprobs, topLogprobs: body.top_logprobs }),
  }
}

type ChatCall = {
  readonly id: string
  readonly body: ChatRequest
  readonly model: ServedModel
  readonly request: ServedRequest
}

async function answerChat(
  context: ServerContext,
  exchange: Exchange,
  { id, body, model, request }: ChatCall,
): Promise<Response> {
  const n = body.n ?? 1
  const events = choiceEvents(context, { model, requests: choiceRequests(request, n), n }, exchange)
  const head = { id, created: Math.floor(context.now() / 1000), model: model.id }
  const stops = [body.stop ?? []].flat()
  if (body.stream) {
    const includesUsage = body.stream_options?.include_usage ?? false
    const { newId } = context
    const options = { head, n, includesUsage, model, stops, newId }
    return openAiStream(chatChunks(events, options), exchange)
  }
  const answers = await collectChoices(events, n)
  const choices = answers.map((answer, index) => ({
    index,
    message: messageOf(answer, context.newId),
    logprobs: logprobsOf(answer.logprobs, model),
    finish_reason: finishedAs(answer),
    ...stopReason(answer, stops),
  }))
  return Response.json({
    ...head,
    object: 'chat.completion',
    choices,
    usage: openAiUsage(totalUsage(answers, n)),
    system_fingerprint: null,
  })
}

/** Said where a stop string ended the answer. */
function stopReason(answer: Answer, stops: readonly string[]) {
  const stop = stopStringOf(answer, stops)
  return stop === null ? {} : { stop_reason: stop }
}

function messageOf({ text, toolCalls = [] }: Answer, newId: () => string) {
  const calls = toolCalls.map((call) => answerCall(call, newCallId(newId)))
  return {
    role: 'assistant',
    content: calls.length > 0 && text === '' ? null : text,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

type ChunkOptions = {
  readonly head: { readonly id: string; readonly created: number; readonly model: string }
  readonly n: number
  readonly includesUsage: boolean
  readonly model: ServedModel
  readonly stops: readonly string[]
  readonly newId: () => string
}

async function* chatChunks(
  events: AsyncIterable<ChoiceEvent>,
  { head, n, includesUsage, model, stops, newId }: ChunkOptions,
): AsyncGenerator<ServerEvent, void, undefined> {
  const chunk = (index: number, delta: object, end: object = {}) => ({
    data: {
      ...head,
      object: 'chat.completion.chunk',
      system_fingerprint: null,
      choices: [{ index, delta, logprobs: null, finish_reason: null, ...end }],
      ...(includesUsage && { usage: null }),
    },
  })
  const begun = new Set<number>()
  const told = new ToldLogprobs()
  /** By choice, how many it made. */
  const calls: number[] = []
  const answers: Answer[] = []
  for await (const { index, event } of events) {
    if (!begun.has(index)) yield chunk(index, { role: 'assistant', content: '', refusal: null })
    begun.add(index)
    if (event.type === 'text') {
      const logprobs = logprobsOf(told.more(index, event.logprobs), model)
      if (event.text !== '') yield chunk(index, { content: event.text }, { logprobs })
      for (const [i, call] of (event.toolCalls ?? []).entries()) {
        const at = calls[index] ?? 0
        calls[index] = at + 1
        const delta = { tool_calls: [{ index: at, ...answerCall(call, newCallId(newId)) }] }
        yield chunk(index, delta, event.text === '' && i === 0 ? { logprobs } : {})
      }
    } else {
      answers[index] = event
      const logprobs = logprobsOf(told.rest(index, event.logprobs), model)
      const stop = stopReason(event, stops)
      yield chunk(index, {}, { logprobs, finish_reason: finishedAs(event), ...stop })
    }
  }
  if (includesUsage && answers.length === n) {
    const usage = openAiUsage(totalUsage(answers, n))
    const object = 'chat.completion.chunk'
    yield { data: { ...head, object, system_fingerprint: null, choices: [], usage } }
  }
}

export function finishedAs({ finishReason, toolCalls = [] }: Answer): FinishedAs {
  if (finishReason === 'length') return 'length'
  return toolCalls.length > 0 ? 'tool_calls' : 'stop'
}
