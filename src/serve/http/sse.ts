/** Events to a stream of server-sent events (WHATWG HTML §9.2). */
import { isInTime } from '../../core/in-time.ts'
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
 * Whoever waits in the queue hears a comment after `heartbeatMs` without an event, and again: proxies cut off what is silent,
 * and a socket whose reader has left without a word is found out.
 *
 * Events are taken as they come, whether somebody reads them or not: a slow reader holds up its own copy of an answer, which
 * is small, and not its place among the answers that run.
 */
export async function streamEvents(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { onFailure, onGone, heartbeatMs }: StreamOptions,
): Promise<Response> {
  const first = events.next()
  const isLate = !(await isInTime(first, heartbeatMs))
  const encoder = new TextEncoder()
  let isLeft = false
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let isSilent = true
      const write = (text: string) => {
        if (!isLeft) controller.enqueue(encoder.encode(text))
      }
      const send = (event: ServerEvent) => {
        isSilent = false
        write(formatEvent(event))
      }
      const beat = () => {
        if (isSilent) write(': waiting\n\n')
        isSilent = true
      }
      if (isLate) beat()
      const timer = setInterval(beat, heartbeatMs)
      void pump(first, events, { send, onFailure }).then(() => {
        clearInterval(timer)
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

type StreamOptions = {
  readonly onFailure: (error: unknown) => ServerEvent
  readonly onGone: () => void
  readonly heartbeatMs: number
}

type Pumping = {
  readonly send: (event: ServerEvent) => void
  readonly onFailure: (error: unknown) => ServerEvent
}

async function pump(
  first: Promise<IteratorResult<ServerEvent, void>>,
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { send, onFailure }: Pumping,
): Promise<void> {
  try {
    const { done, value } = await first
    if (!done) send(value)
    for await (const event of events) send(event)
  } catch (error) {
    send(onFailure(error))
  }
}

/** OpenAI's ends: `[DONE]` after the last event, and an error as an event of its own. */
export function openAiStream(
  events: AsyncGenerator<ServerEvent, void, undefined>,
  { failed, leave, heartbeatMs }: Exchange,
): Promise<Response> {
  const onFailure = (error: unknown) => ({ data: openAiError(failed(error)) })
  return streamEvents(withDone(events), { onFailure, onGone: leave, heartbeatMs })
}

async function* withDone(
  events: AsyncGenerator<ServerEvent, void, undefined>,
): AsyncGenerator<ServerEvent, void, undefined> {
  yield* events
  yield { data: '[DONE]' }
}
