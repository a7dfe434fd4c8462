/** Files on their way into a message: chosen, dropped or pasted. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { IconButton } from './icon.tsx'

const KINDS = 'image/*,video/*,.mkv,.y4m'

type FilePickerProps = { readonly onFiles: (files: readonly File[]) => void }

export function FilePicker({ onFiles }: FilePickerProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <input
        ref={input}
        type="file"
        accept={KINDS}
        multiple
        hidden
        data-part="files"
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])])
          // The same file may be chosen once more.
          event.currentTarget.value = ''
        }}
      />
      <IconButton
        icon="attach"
        label="Attach pictures or clips"
        onClick={() => input.current?.click()}
      />
    </>
  )
}

/**
 * Files that are dropped anywhere on the page. True while some hang over it. Of other things text goes into fields; a link
 * would take the browser away from the page.
 */
export function useDrop(onFiles: (files: readonly File[]) => void): boolean {
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    // Enter and leave come for every element that is crossed.
    let depth = 0
    const over = (change: number) => {
      depth = Math.max(0, depth + change)
      setOver(depth > 0)
    }
    const listeners: Record<string, (event: DragEvent) => void> = {
      dragenter: (event) => hasFiles(event) && over(1),
      dragleave: (event) => hasFiles(event) && over(-1),
      dragover(event) {
        if (!hasFiles(event) && isField(event.target)) return
        event.preventDefault()
        if (!hasFiles(event) && event.dataTransfer) event.dataTransfer.dropEffect = 'none'
      },
      drop(event) {
        if (!hasFiles(event) && isField(event.target)) return
        event.preventDefault()
        if (!hasFiles(event)) return
        over(-depth)
        onFiles([...(event.dataTransfer?.files ?? [])])
      },
    }
    const entries = Object.entries(listeners) as [string, EventListener][]
    for (const [name, listener] of entries) addEventListener(name, listener)
    return () => {
      for (const [name, listener] of entries) removeEventListener(name, listener)
    }
  }, [onFiles])
  return isOver
}

function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes('Files') ?? false
}

/** Files that are pasted anywhere but into another field than the composer's, which takes its own. */
export function usePaste(onFiles: (files: readonly File[]) => void): void {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const { target } = event
      const isOther = isField(target) && target.closest('.composer') === null
      if (isOther || document.querySelector('dialog[open]')) return
      const files = pastedFiles(event)
      if (files.length > 0) onFiles(files)
    }
    addEventListener('paste', paste)
    return () => removeEventListener('paste', paste)
  }, [onFiles])
}

function isField(target: EventTarget | null): target is HTMLElement {
  return target instanceof HTMLElement && target.matches('input, textarea')
}

/**
 * Files of the clipboard. Text beside them, as programs for tables and texts put it, goes into the field as well, unless it
 * is the names of the files, as programs for files put them.
 */
export function pastedFiles(event: ClipboardEvent): File[] {
  const files = [...(event.clipboardData?.files ?? [])]
  const lines = (event.clipboardData?.getData('text/plain') ?? '').split(/[\r\n]+/)
  const names = ['', ...files.map(({ name }) => name)]
  if (files.length > 0 && lines.every((line) => names.includes(line))) event.preventDefault()
  return files
}
