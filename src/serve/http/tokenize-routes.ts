/** `/tokenize` and `/detokenize`, in vLLM's words: what a text or a conversation is in tokens. */
import { messagesProperty, readMessages, type ChatMessage } from './chat-messages.ts'
import { CONTEXT, COUNT, exactly, TOKEN_ID } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import { withinParts } from './message-parts.ts'
import { requestMedia } from './request-media.ts'
import type { Route } from './route.ts'
import { modelNamed, readRequest } from './server-context.ts'
import type { ServerConfig } from './server-config.ts'

type TokenizeRequest = {
  readonly model?: string | null
  readonly prompt?: string | null
  readonly messages?: readonly ChatMessage[] | null
  readonly add_special_tokens?: boolean | null
}

function tokenizeSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      model: { type: 'string' },
      prompt: { type: 'string', description: 'A text; this or messages.' },
      messages: {
        ...messagesProperty(config),
        description: 'A conversation; image and video places are repeated as the model sees them.',
      },
      add_special_tokens: {
        type: 'boolean',
        description: 'Of a text: BOS in front. Default true.',
      },
    },
    additionalProperties: false,
    'x-needs': { oneOf: ['prompt', 'messages'], isOnly: true, code: 'INPUT_PROMPT' },
    'x-refused': {
      add_generation_prompt: { because: 'conversations are open for an answer', unless: [true] },
      return_token_strs: { because: 'ask /detokenize for the text of ids', unless: [false] },
    },
  }
}

const TOKENS: JsonSchema = { type: 'array', items: { type: 'integer' } }

const tokenizeRoute: Route = {
  method: 'post',
  path: '/tokenize',
  about: 'The ids of a text or a conversation',
  request: tokenizeSchema,
  responses: { json: exactly({ count: COUNT, max_model_len: CONTEXT, tokens: TOKENS }) },
  async answer(context, exchange) {
    const schema = tokenizeSchema(context.config)
    const body = await readRequest<TokenizeRequest>(context, exchange, schema)
    const model = modelNamed(context, body.model)
    const { prompt, messages, add_special_tokens: addBos } = body
    const { signal } = exchange
    if (typeof prompt === 'string') {
      const ids = await model.tokenize(prompt, { addBos: addBos ?? true }, signal)
      return Response.json(counted(ids, model))
    }
    const media = requestMedia(context, exchange, model)
    const read = await readMessages(messages ?? [], media)
    const asked = { messages: withinParts(read, 'messages', context.config) }
    const ids = await model.promptIds(asked, signal)
    return Response.json(counted(ids, model))
  },
}

function counted(
  tokens: readonly number[],
  { maxContext }: { readonly maxContext: number | null },
) {
  return { count: tokens.length, max_model_len: maxContext, tokens }
}

function detokenizeSchema(): JsonSchema {
  return {
    type: 'object',
    properties: { model: { type: 'string' }, tokens: { type: 'array', items: TOKEN_ID } },
    required: ['tokens'],
    additionalProperties: false,
  }
}

const detokenizeRoute: Route = {
  method: 'post',
  path: '/detokenize',
  about: 'The text of ids',
  request: detokenizeSchema,
  responses: { json: exactly({ prompt: { type: 'string' } }) },
  async answer(context, exchange) {
    const body = await readRequest<{ readonly model?: string; readonly tokens: readonly number[] }>(
      context,
      exchange,
      detokenizeSchema(),
    )
    const model = modelNamed(context, body.model)
    return Response.json({ prompt: await model.detokenize(body.tokens, exchange.signal) })
  },
}

export const TOKENIZE_ROUTES: readonly Route[] = [tokenizeRoute, detokenizeRoute]
