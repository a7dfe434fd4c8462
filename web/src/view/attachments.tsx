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

/** Files that are dropped anywhere on the page. True while some hang over it. */
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
      dragover: (event) => hasFiles(event) && event.preventDefault(),
      drop(event) {
        if (!hasFiles(event)) return
        event.preventDefault()
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

/** Files of the clipboard; a text is left to the field it is pasted into. */
export function pastedFiles(event: ClipboardEvent): File[] {
  const files = [...(event.clipboardData?.files ?? [])]
  if (files.length > 0) event.preventDefault()
  return files
}
