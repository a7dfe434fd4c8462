/** An answer as events: pieces of text as they become certain, then everything. */
import { anySignal } from '../core/any-signal.ts'
import type { Answer, StreamEvent, TextEvent } from './answer.ts'
import type { OnText } from './generator.ts'

/** Answers a request; `onText` hears the pieces of text. */
export type Generate = (request: object, onText: OnText) => Promise<Answer>

/** `request` as for `generate`. Whoever leaves the loop early aborts the answer. */
export async function* streamAnswer(
  generate: Generate,
  request: object,
): AsyncGenerator<StreamEvent, void, undefined> {
  const left = new AbortController()
  const waiting: TextEvent[] = []
  let wake = () => {}
  const answer = generate(
    withSignal(request, left.signal),
    (text, logprobs, toolCalls = [], index) => {
      waiting.push({
        type: 'text',
        text,
        ...(index !== undefined && { index }),
        ...(logprobs.length > 0 && { logprobs }),
        ...(toolCalls.length > 0 && { toolCalls }),
      })
      wake()
    },
  )
  const ended = answer.then(
    () => true,
    () => true,
  )
  let isOver = false
  try {
    while (!isOver) {
      const arrived = new Promise<boolean>((resolve) => (wake = () => resolve(false)))
      if (waiting.length === 0) isOver = await Promise.race([arrived, ended])
      yield* waiting.splice(0)
    }
    yield { type: 'done', ...(await answer) }
  } finally {
    left.abort()
    await ended
  }
}

/** The request with a signal that either its own or `left` aborts. What is no signal is left for the check of the request. */
function withSignal(request: object, left: AbortSignal): object {
  const { signal } = { ...request } as { readonly signal?: unknown }
  if (signal !== undefined && !(signal instanceof AbortSignal)) return request
  return { ...request, signal: anySignal(signal, left) }
}
