/** An answer as events: pieces of text as they become certain, then everything. */
import type { StreamEvent } from './answer.ts'
import type { Generator } from './generator.ts'

/** `request` as for `generate`. Whoever leaves the loop early aborts the answer. */
export async function* streamAnswer(
  generator: Generator,
  request: object,
): AsyncGenerator<StreamEvent, void, undefined> {
  const left = new AbortController()
  const given = (request as { readonly signal?: AbortSignal }).signal
  const signal = given ? AbortSignal.any([given, left.signal]) : left.signal
  const waiting: string[] = []
  let wake = () => {}
  const answer = generator.generate({ ...request, signal }, (text) => {
    waiting.push(text)
    wake()
  })
  const ended = answer.then(
    () => true,
    () => true,
  )
  let isOver = false
  try {
    while (!isOver) {
      const arrived = new Promise<boolean>((resolve) => (wake = () => resolve(false)))
      if (waiting.length === 0) isOver = await Promise.race([arrived, ended])
      for (const text of waiting.splice(0)) yield { type: 'text', text }
    }
    yield { type: 'done', ...(await answer) }
  } finally {
    left.abort()
    await ended
  }
}
