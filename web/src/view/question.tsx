/** What was asked: its pictures and words, and a way to ask something else in its place. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Medium, UserTurn } from '../state/turns.ts'
import { FilePicker, pastedFiles } from './attachments.tsx'
import { GrowingText } from './growing-text.tsx'
import { IconButton } from './icon.tsx'
import { MediumTile } from './medium.tsx'
import { useChat } from './use-chat.ts'
import { useFocusAfter } from './use-focus-after.ts'

type QuestionProps = {
  readonly turn: UserTurn
  readonly isRunning: boolean
  readonly onOpenMedium: (medium: Medium) => void
}

export function Question({ turn, isRunning, onOpenMedium }: QuestionProps): JSX.Element {
  const [isEdited, setEdited] = useState(false)
  const editing = useFocusAfter<HTMLButtonElement>(isEdited)
  return (
    <li class="turn question">
      <h3 class="hidden">You</h3>
      {isEdited && !isRunning ? (
        <QuestionEditor turn={turn} onOpenMedium={onOpenMedium} onClose={() => setEdited(false)} />
      ) : (
        <>
          <Media media={turn.media} onOpenMedium={onOpenMedium} />
          <div class="turn-actions">
            <IconButton
              buttonRef={editing}
              icon="edit"
              label="Edit the question"
              isDisabled={isRunning}
              onClick={() => setEdited(true)}
            />
            {turn.text.trim() !== '' && <p class="bubble">{turn.text}</p>}
          </div>
        </>
      )}
    </li>
  )
}

type MediaProps = {
  readonly media: readonly Medium[]
  readonly onOpenMedium: (medium: Medium) => void
  readonly onRemove?: (medium: Medium) => void
}

function Media({ media, onOpenMedium, onRemove }: MediaProps): JSX.Element | null {
  if (media.length === 0) return null
  return (
    <ul class="media" aria-label="Shown">
      {media.map((medium) => (
        <li key={medium.id}>
          <MediumTile medium={medium} onOpen={onOpenMedium} onRemove={onRemove} />
        </li>
      ))}
    </ul>
  )
}

type QuestionEditorProps = {
  readonly turn: UserTurn
  readonly onOpenMedium: (medium: Medium) => void
  readonly onClose: () => void
}

function QuestionEditor({ turn, onOpenMedium, onClose }: QuestionEditorProps): JSX.Element {
  const { chat } = useChat()
  const [text, setText] = useState(turn.text)
  const [media, setMedia] = useState(turn.media)
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => field.current?.focus(), [])
  const add = async (files: readonly File[]) => {
    if (files.length === 0) return
    const added = await chat.mediaOfFiles(files)
    setMedia((before) => [...before, ...added])
  }
  const canAsk = (text.trim() !== '' || media.length > 0) && chat.canAsk
  const ask = () => {
    if (!canAsk) return
    onClose()
    void chat.edit(turn.id, text, media)
  }
  return (
    <form
      class="editor"
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
      onSubmit={(event) => {
        event.preventDefault()
        ask()
      }}
    >
      <Media
        media={media}
        onOpenMedium={onOpenMedium}
        onRemove={({ id }) => setMedia(media.filter((one) => one.id !== id))}
      />
      <GrowingText
        fieldRef={field}
        label="Edited question"
        value={text}
        onInput={setText}
        onSubmit={ask}
        onPaste={(event) => void add(pastedFiles(event))}
      />
      <p class="editor-row">
        <FilePicker onFiles={(files) => void add(files)} />
        <span class="hint">What came after it is replaced.</span>
        <button type="button" class="quiet" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={!canAsk}>
          Ask
        </button>
      </p>
    </form>
  )
}
