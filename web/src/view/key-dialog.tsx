/** The server wants a key: it is asked for, and kept until the tab is closed. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useChat } from './use-chat.ts'
import { Dialog } from './dialog.tsx'

type KeyDialogProps = { readonly isWrong: boolean; readonly onClose: () => void }

export function KeyDialog({ isWrong, onClose }: KeyDialogProps): JSX.Element {
  const { chat } = useChat()
  const [key, setKey] = useState('')
  return (
    <Dialog title="A key, please" class="key-dialog" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void chat.useKey(key.trim())
        }}
      >
        <p class="hint">
          This server answers those who have a key. It is kept until this tab is closed, and sent to
          this server alone.
        </p>
        <label class="field">
          Key
          <input
            type="password"
            autocomplete="off"
            autofocus
            value={key}
            aria-invalid={isWrong}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        {isWrong && (
          <p class="fault" role="alert">
            That key is none of this server.
          </p>
        )}
        <p class="editor-row">
          <button type="submit" class="primary" disabled={key.trim() === ''}>
            Use it
          </button>
        </p>
      </form>
    </Dialog>
  )
}
