/** Pictograms, drawn on a field of 24 × 24 in the colour of the text; words beside them say what they mean. */
import type { JSX, RefObject } from 'preact'

const PATHS = {
  send: 'M12 19V5M5.5 11.5 12 5l6.5 6.5',
  stop: 'M7 7h10v10H7z',
  attach:
    'm20 11.5-8.2 8.2a5 5 0 0 1-7-7l8.4-8.4a3.3 3.3 0 0 1 4.7 4.7l-8.4 8.3a1.7 1.7 0 0 1-2.4-2.3l7.8-7.7',
  close: 'M6 6l12 12M18 6 6 18',
  add: 'M12 5v14M5 12h14',
  remove: 'M4 7h16M9 7V4.5h6V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4',
  retry: 'M20 12a8 8 0 1 1-2.6-5.9M20 3.5V8h-4.5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  history: 'M4 5h16v14H4zM9.5 5v14',
  save: 'M12 4v11M7 10.5l5 5 5-5M5 20h14',
  tiles: 'M4 4h16v16H4zM4 12h16M12 4v16',
  key: 'M14.5 9.5a5 5 0 1 0-4.6 5L12 12.5h2.5V10zM8.2 8.2h.01M14.5 12.5l5 5V20h-3l-1-1',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  braces:
    'M9 4c-3 0-3 2-3 4s0 4-2.5 4C6 12 6 14 6 16s0 4 3 4M15 4c3 0 3 2 3 4s0 4 2.5 4C18 12 18 14 18 16s0 4-3 4',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}

type IconButtonProps = {
  readonly icon: IconName
  readonly label: string
  readonly onClick: () => void
  readonly buttonRef?: RefObject<HTMLButtonElement | null>
  readonly class?: string
  readonly isDisabled?: boolean
  readonly isPressed?: boolean
}

/** A button that shows a pictogram alone; its label is what is read out, and shown to a resting pointer. */
export function IconButton(props: IconButtonProps): JSX.Element {
  const { icon, label, onClick, isDisabled, isPressed } = props
  return (
    <button
      ref={props.buttonRef}
      type="button"
      class={`icon-button ${props.class ?? ''}`}
      aria-label={label}
      title={label}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
