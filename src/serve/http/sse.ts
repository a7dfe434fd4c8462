/** Events to a stream of server-sent events (WHATWG HTML §9.2). */
import { openAiError } from './http-error.ts'
import type { Exchange } from './server-context.ts'

export type ServerEvent = { readonly event?: string; readonly data: unknown }

/** `[DONE]` and other texts are sent as they are, everything else as JSON. */
function formatEvent({ event, data }: ServerEvent): string {
  const name = event === undefined ? '' : `event: ${event}\n`
  return `${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

export const EVENT_STREAM = 'text/event-stream'

const HEADERS = {
  'content-type': `${EVENT_STREAM}; charset=utf-8`,
  'cache-control': 'no-cache, no-transform',
  // Proxies of nginx's kind would hold the answer back until it is whole.
  'x-accel-buffering': 'no',
}

/**
 * A response of the events that `events` gives. The first of them is waited for, so that a request that cannot be answered
 * still gets its status; `onFailure` turns a later error into a last event. `onGone` is told when the reader leaves.
 *
 * Events are taken as they come, whether somebody reads them or not: a slow reader holds up its own copy of an answer, which
 * is small, and not its place among the answers that run.
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
  let isLeft = false
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (event: ServerEvent) => {
        if (!isLeft) controller.enqueue(encoder.encode(formatEvent(event)))
      }
      void pump(first, events, { send, onFailure }).then(() => {
        if (!isLeft) controller.close()
      })
    },
    cancel() {
      isLeft = true
      onGone()
    },
  })
  return new Response(body, { headers: HEADERS })
}

type Pumping = {
  readonly send: (event: ServerEvent) => void
  readonly onFailure: (error: unknown) => ServerEvent
}

async function pump(
  first: IteratorResult<ServerEvent, void>,
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { send, onFailure }: Pumping,
): Promise<void> {
  if (!first.done) send(first.value)
  try {
    for await (const event of events) send(event)
  } catch (error) {
    send(onFailure(error))
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
