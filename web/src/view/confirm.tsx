/** What is asked before something that cannot be undone. The focus goes to the answer that changes nothing. */
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

type ConfirmProps = {
  readonly class: string
  readonly label: string
  readonly hint?: string
  /** What the two buttons say. */
  readonly keep: string
  readonly act: string
  readonly onKeep: () => void
  readonly onAct: () => void
}

export function Confirm(props: ConfirmProps): JSX.Element {
  const { label, hint, keep, act, onKeep, onAct } = props
  const keeping = useRef<HTMLButtonElement>(null)
  useEffect(() => keeping.current?.focus(), [])
  return (
    <p class={props.class} role="group" aria-label={label}>
      {hint !== undefined && <span class="hint">{hint}</span>}
      <button ref={keeping} type="button" class="quiet" onClick={onKeep}>
        {keep}
      </button>
      <button type="button" class="danger" onClick={onAct}>
        {act}
      </button>
    </p>
  )
}
