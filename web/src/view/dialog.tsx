/** Panels and dialogs. The browser's own element holds the focus inside, and closes on Escape. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { IconButton } from './icon.tsx'
import { useMatches } from './use-chat.ts'

type DialogProps = {
  readonly title: string
  readonly class?: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

export function Dialog({ title, class: look = '', onClose, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const shown = element.current
    const before = document.activeElement
    shown?.showModal()
    return () => {
      shown?.close()
      // The element gives the focus back by itself only while it is on the page.
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={element}
      class={look}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      // Outside of the content is the backdrop.
      onMouseDown={(event) => event.target === event.currentTarget && onClose()}
    >
      <div class="dialog-body">
        <PanelHead id={id} title={title} closing="Close" onClose={onClose} />
        {children}
      </div>
    </dialog>
  )
}

type PanelProps = DialogProps & { readonly side: 'left' | 'right' }

/** Beside the conversation where there is room, over it where there is none. */
export function Panel({ title, side, onClose, children }: PanelProps): JSX.Element {
  const isWide = useMatches(side === 'left' ? '(min-width: 800px)' : '(min-width: 1100px)')
  const id = useId()
  if (!isWide) {
    return (
      <Dialog title={title} class={`drawer ${side}`} onClose={onClose}>
        {children}
      </Dialog>
    )
  }
  return (
    <aside class={`panel ${side}`} aria-labelledby={id}>
      <PanelHead id={id} title={title} closing={`Close ${title.toLowerCase()}`} onClose={onClose} />
      {children}
    </aside>
  )
}

type PanelHeadProps = {
  readonly id: string
  readonly title: string
  /** What its button is called. */
  readonly closing: string
  readonly onClose: () => void
}

function PanelHead({ id, title, closing, onClose }: PanelHeadProps): JSX.Element {
  return (
    <header class="panel-head">
      <h2 id={id}>{title}</h2>
      <IconButton icon="close" label={closing} onClick={onClose} />
    </header>
  )
}
