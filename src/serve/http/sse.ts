/** Events to a stream of server-sent events (WHATWG HTML §9.2), as pulled by whoever reads it. */
import { openAiError } from './http-error.ts'
import type { Exchange } from './server-context.ts'

export type ServerEvent = { readonly event?: string; readonly data: unknown }

/** `[DONE]` and other texts are sent as they are, everything else as JSON. */
function formatEvent({ event, data }: ServerEvent): string {
  const name = event === undefined ? '' : `event: ${event}\n`
  return `${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // Proxies of nginx's kind would hold the answer back until it is whole.
  'x-accel-buffering': 'no',
}

/**
 * A response of the events that `events` gives. The first of them is waited for, so that a request that cannot be answered
 * still gets its status; `onFailure` turns a later error into a last event. `onGone` is told when the reader leaves.
 */
export async function streamEvents(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  {
    onFailure,
    onGone,
  }: { readonly onFailure: (error: unknown) => ServerEvent; readonly onGone: () => void },
): Promise<Response> {
  const first = await events.next()
  const encoder = new TextEncoder()
  let isFirst = true
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const result = isFirst ? first : await nextOf(events, onFailure)
      isFirst = false
      if (result.done) controller.close()
      else controller.enqueue(encoder.encode(formatEvent(result.value)))
    },
    cancel: onGone,
  })
  return new Response(body, { headers: HEADERS })
}

async function nextOf(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  onFailure: (error: unknown) => ServerEvent,
): Promise<IteratorResult<ServerEvent, void>> {
  try {
    return await events.next()
  } catch (error) {
    // The generator is over now: the next pull closes the stream.
    return { done: false, value: onFailure(error) }
  }
}

/** OpenAI's ends: `[DONE]` after the last event, and an error as an event of its own. */
export function openAiStream(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { failed, leave }: Exchange,
): Promise<Response> {
  const onFailure = (error: unknown) => ({ data: openAiError(failed(error)) })
  return streamEvents(withDone(events), { onFailure, onGone: leave })
}

async function* withDone(
  events: AsyncGenerator<ServerEvent, void, undefined>,
): AsyncGenerator<ServerEvent, void, undefined> {
  yield* events
  yield { data: '[DONE]' }
}
