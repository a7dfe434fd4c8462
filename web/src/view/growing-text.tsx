/**
 * A field of text that is as high as what is in it. Enter sends; where fingers type it begins a line, for keyboards on glass
 * have no other way to.
 */
import type { JSX, RefObject } from 'preact'
import { useLayoutEffect } from 'preact/hooks'
import { useMatches } from './use-chat.ts'

type GrowingTextProps = {
  readonly fieldRef: RefObject<HTMLTextAreaElement | null>
  readonly label: string
  readonly placeholder?: string
  readonly value: string
  readonly onInput: (value: string) => void
  readonly onSubmit: () => void
  readonly onPaste?: (event: ClipboardEvent) => void
}

export function GrowingText(props: GrowingTextProps): JSX.Element {
  const { fieldRef, label, placeholder, value, onInput, onSubmit, onPaste } = props
  const isTouched = useMatches('(pointer: coarse)')
  useLayoutEffect(() => {
    const field = fieldRef.current
    if (!field) return
    field.style.height = 'auto'
    field.style.height = `${field.scrollHeight}px`
  }, [fieldRef, value])
  return (
    <textarea
      ref={fieldRef}
      class="growing"
      rows={1}
      aria-label={label}
      placeholder={placeholder}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
      onPaste={onPaste}
      onKeyDown={(event) => {
        // An Enter that ends a composed character (Japanese, say) is not one that sends.
        if (event.key !== 'Enter' || event.isComposing) return
        const isSent = event.ctrlKey || event.metaKey || (!event.shiftKey && !isTouched)
        if (!isSent) return
        event.preventDefault()
        onSubmit()
      }}
    />
  )
}
