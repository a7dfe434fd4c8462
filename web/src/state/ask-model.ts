/** One answer, from the question to its last word. */
import { streamChat, type ChatEvent } from '../api/chat.ts'
import type { MediaStore } from './media-store.ts'
import { promptMessages } from './prompt.ts'
import type { AnswerTurn, Turn } from './turns.ts'

export type Asking = {
  /** The last of them is the question. */
  readonly turns: readonly Turn[]
  readonly system: string
  readonly store: MediaStore
  readonly signal: AbortSignal
}

/** `onPart` sees the answer grow, once a frame at most. What was said before it was stopped or failed is kept. */
export async function askModel(
  empty: AnswerTurn,
  { turns, system, store, signal }: Asking,
  onPart: (part: AnswerTurn) => void,
): Promise<AnswerTurn> {
  const start = performance.now()
  let answer = empty
  const show = eachFrame(() => onPart(answer))
  try {
    const messages = await promptMessages(turns, system, store)
    const request = { model: empty.model, messages, ...empty.options }
    for await (const event of streamChat(request, signal)) {
      answer = withEvent(answer, event, performance.now() - start)
      show.soon()
    }
    return { ...answer, state: 'done' }
  } catch (error) {
    if (signal.aborted) return { ...answer, state: 'stopped' }
    const failure = error as Error
    if (answer.text === '') throw failure
    return { ...answer, state: 'failed', failure: failure.message }
  } finally {
    show.cancel()
  }
}

function withEvent(answer: AnswerTurn, event: ChatEvent, ms: number): AnswerTurn {
  switch (event.type) {
    case 'text':
      return {
        ...answer,
        text: answer.text + event.text,
        firstMs: answer.firstMs ?? ms,
        totalMs: ms,
      }
    case 'finish':
      return { ...answer, isCut: event.reason === 'length', totalMs: ms }
    case 'usage':
      return { ...answer, usage: event.usage }
  }
}

/** Longer than a frame: pages that nobody sees have none, and what comes there is kept as well. */
const UNSEEN_MS = 250

function eachFrame(act: () => void): { soon(): void; cancel(): void } {
  let frame = 0
  let timer = 0
  const cancel = () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
    frame = timer = 0
  }
  const run = () => {
    cancel()
    act()
  }
  return {
    soon() {
      if (timer !== 0) return
      frame = requestAnimationFrame(run)
      timer = window.setTimeout(run, UNSEEN_MS)
    },
    cancel,
  }
}
