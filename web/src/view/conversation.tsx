/** The questions and answers, or a beginning where there are none. */
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Medium } from '../state/turns.ts'
import { Answer } from './answer.tsx'
import { Question } from './question.tsx'
import { Welcome } from './welcome.tsx'
import { useChat } from './use-chat.ts'

type ConversationProps = { readonly onOpenMedium: (medium: Medium) => void }

/** So near to the end, in pixels, an answer that grows is followed. */
const NEAR = 80

export function ConversationView({ onOpenMedium }: ConversationProps): JSX.Element {
  const { state } = useChat()
  const { current, running } = state
  const scroller = useRef<HTMLDivElement>(null)
  const isFollowed = useRef(true)
  const isRunning = running.has(current.id)
  useEffect(() => {
    isFollowed.current = true
  }, [current.id, current.turns.length])
  useEffect(() => {
    const element = scroller.current
    if (element && isFollowed.current) element.scrollTop = element.scrollHeight
  }, [current])
  return (
    <div
      ref={scroller}
      class="conversation"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isFollowed.current = scrollHeight - scrollTop - clientHeight < NEAR
      }}
    >
      {current.turns.length === 0 ? (
        <Welcome />
      ) : (
        <ol class="turns" aria-label="Conversation">
          {current.turns.map((turn) =>
            turn.role === 'user' ? (
              <Question
                key={turn.id}
                turn={turn}
                isRunning={isRunning}
                onOpenMedium={onOpenMedium}
              />
            ) : (
              <Answer key={turn.id} turn={turn} />
            ),
          )}
        </ol>
      )}
    </div>
  )
}
