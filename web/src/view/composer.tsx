/** Where a question is written, with what is shown to the model. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { settingsFault } from '../state/settings-fault.ts'
import type { Medium } from '../state/turns.ts'
import { FilePicker } from './attachments.tsx'
import { Icon } from './icon.tsx'
import { MediumTile } from './medium.tsx'
import { GrowingText } from './growing-text.tsx'
import { useChat } from './use-chat.ts'

type ComposerProps = { readonly onOpenMedium: (medium: Medium) => void }

export function Composer({ onOpenMedium }: ComposerProps): JSX.Element {
  const { chat, state } = useChat()
  const { draft, current, mediaFault, running, connection, settings } = state
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    // On a phone the keyboard would cover the conversation.
    if (matchMedia('(hover: hover)').matches) field.current?.focus()
  }, [current.id])
  const isRunning = running.has(current.id)
  const isEmpty = text.trim() === '' && draft.length === 0
  const canSend = !isEmpty && chat.canAsk
  const fault = mediaFault ?? settingsFault(settings)
  const send = () => {
    if (!canSend) return
    setText('')
    void chat.send(text)
    field.current?.focus()
  }
  return (
    <form
      class="composer"
      aria-label="Question"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {connection.status === 'down' && (
        <p class="fault" role="alert">
          {connection.message}
          <button type="button" class="quiet" onClick={() => void chat.connect()}>
            Try again
          </button>
        </p>
      )}
      {fault !== null && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      <div class="composer-box">
        {draft.length > 0 && (
          <ul class="media" aria-label="Attached">
            {draft.map((medium) => (
              <li key={medium.id}>
                <MediumTile
                  medium={medium}
                  onOpen={onOpenMedium}
                  onRemove={({ id }) => {
                    chat.detach(id)
                    field.current?.focus()
                  }}
                />
              </li>
            ))}
          </ul>
        )}
        <GrowingText
          fieldRef={field}
          label="Your question"
          placeholder="Ask about a picture, a clip, or anything"
          value={text}
          onInput={setText}
          onSubmit={send}
        />
        <div class="composer-row">
          <FilePicker onFiles={(files) => void chat.attach(files)} />
          <span class="composer-cost">{costText(draft, state.costs)}</span>
          {isRunning ? (
            <button type="button" class="send" onClick={() => chat.stop()} title="Stop (Escape)">
              <Icon name="stop" />
              <span class="hidden">Stop the answer</span>
            </button>
          ) : (
            <button type="submit" class="send" disabled={!canSend} title="Send (Enter)">
              <Icon name="send" />
              <span class="hidden">Send</span>
            </button>
          )}
        </div>
      </div>
    </form>
  )
}

function costText(
  draft: readonly Medium[],
  costs: ReadonlyMap<string, { readonly tokens: number }>,
): string {
  if (draft.length < 2) return ''
  const tokens = draft.map(({ id }) => costs.get(id)?.tokens)
  if (tokens.includes(undefined)) return ''
  const sum = tokens.reduce<number>((total, one = 0) => total + one, 0)
  return `together ${sum.toLocaleString('en')} tokens`
}
