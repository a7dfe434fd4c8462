/** One answer of the model, streamed: `/v1/chat/completions`. */
import { ApiFailure, post } from './client.ts'
import { eventData } from './server-events.ts'

export type ChatContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } }
  | { readonly type: 'video_url'; readonly video_url: { readonly url: string } }

export type ChatMessage = {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string | readonly ChatContent[]
}

export type ChatRequest = {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly [option: string]: unknown
}

export type Usage = {
  readonly promptTokens: number
  readonly imageTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
}

export type ChatEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'finish'; readonly reason: 'stop' | 'length' }
  | { readonly type: 'usage'; readonly usage: Usage }

type Chunk = {
  readonly error?: { readonly message: string; readonly code: string }
  readonly choices?: readonly {
    readonly delta: { readonly content?: string }
    readonly finish_reason: 'stop' | 'length' | null
  }[]
  readonly usage?: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly prompt_tokens_details: {
      readonly image_tokens: number
      readonly cached_tokens: number
    }
  } | null
}

/** Throws ApiFailure, also for an error in the middle of the answer, or AbortError. */
export async function* streamChat(
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent, void, undefined> {
  const body = { ...request, stream: true, stream_options: { include_usage: true } }
  const response = await post('/v1/chat/completions', body, signal)
  let isWhole = false
  try {
    for await (const data of eventData(response.body as ReadableStream<Uint8Array>)) {
      if (data === '[DONE]') isWhole = true
      else yield* eventsOf(JSON.parse(data) as Chunk)
    }
  } catch (error) {
    // What a body throws whose connection broke, in words of the browser.
    if (error instanceof TypeError) throw cutOff()
    throw error
  }
  if (!isWhole) throw cutOff()
}

function cutOff(): ApiFailure {
  return new ApiFailure(0, 'CUT_OFF', 'The connection ended before the answer did.')
}

function* eventsOf({ error, choices = [], usage }: Chunk): Generator<ChatEvent> {
  if (error) throw new ApiFailure(500, error.code, error.message)
  for (const { delta, finish_reason } of choices) {
    if (delta.content) yield { type: 'text', text: delta.content }
    if (finish_reason) yield { type: 'finish', reason: finish_reason }
  }
  if (!usage) return
  const { image_tokens, cached_tokens } = usage.prompt_tokens_details
  yield {
    type: 'usage',
    usage: {
      promptTokens: usage.prompt_tokens,
      imageTokens: image_tokens,
      cachedTokens: cached_tokens,
      completionTokens: usage.completion_tokens,
    },
  }
}
