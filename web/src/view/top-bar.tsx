/** Which model answers, how full its context is, and the ways to the panels. */
import type { JSX } from 'preact'
import type { AnswerForm } from '../state/settings.ts'
import type { Turn } from '../state/turns.ts'
import { Icon, IconButton } from './icon.tsx'
import { useChat } from './use-chat.ts'

type TopBarProps = {
  readonly showsHistory: boolean
  readonly showsSettings: boolean
  readonly onHistory: () => void
  readonly onSettings: () => void
}

export function TopBar(props: TopBarProps): JSX.Element {
  const { showsHistory, showsSettings, onHistory, onSettings } = props
  const { chat, state } = useChat()
  const { connection, current, settings } = state
  const { model } = chat
  const form = FORM_NOTES[settings.form]
  return (
    <header class="top-bar">
      <IconButton
        icon="history"
        label="Conversations"
        isPressed={showsHistory}
        onClick={onHistory}
      />
      <h1 title={model?.id}>{model?.id ?? 'llava'}</h1>
      {form !== '' && (
        <button type="button" class="form-note" onClick={onSettings} title="The form of answers">
          <Icon name="braces" />
          {form}
        </button>
      )}
      {model?.maxContext && (
        <ContextMeter used={usedTokens(current.turns)} most={model.maxContext} />
      )}
      {connection.status === 'key' && (
        <IconButton icon="key" label="Give a key" onClick={() => void chat.connect()} />
      )}
      <IconButton
        icon="add"
        label="New conversation"
        class="new-here"
        onClick={() => chat.begin()}
      />
      <IconButton icon="settings" label="Settings" isPressed={showsSettings} onClick={onSettings} />
    </header>
  )
}

const FORM_NOTES: { readonly [F in AnswerForm]: string } = {
  text: '',
  json_object: 'JSON',
  json_schema: 'JSON of a schema',
  choice: 'choice',
  regex: 'pattern',
}

function usedTokens(turns: readonly Turn[]): number {
  const usages = turns.flatMap((turn) =>
    turn.role === 'assistant' && turn.usage ? [turn.usage] : [],
  )
  const last = usages.at(-1)
  return last ? last.promptTokens + last.completionTokens : 0
}

type ContextMeterProps = { readonly used: number; readonly most: number }

function ContextMeter({ used, most }: ContextMeterProps): JSX.Element | null {
  if (used === 0) return null
  const text = `${used.toLocaleString('en')} of ${most.toLocaleString('en')} tokens`
  return (
    <span class="context-meter" title={`The conversation takes ${text} of the context`}>
      <meter min={0} max={most} high={most * 0.8} value={used} aria-label="Context" />
      {text}
    </span>
  )
}
