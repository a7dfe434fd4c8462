/** What the model said, how fast, and what can be done with it. */
import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { tokensPerSecond } from '../state/tokens-per-second.ts'
import type { AnswerTurn } from '../state/turns.ts'
import { Confirm } from './confirm.tsx'
import { IconButton } from './icon.tsx'
import { JsonText } from './json-text.tsx'
import { markdown } from './markdown.ts'
import { useChat } from './use-chat.ts'
import { useFocusAfter } from './use-focus-after.ts'

type AnswerProps = { readonly turn: AnswerTurn }

export function Answer({ turn }: AnswerProps): JSX.Element {
  const isRunning = turn.state === 'running'
  const element = useRef<HTMLLIElement>(null)
  useEffect(() => {
    // What had the focus when it was asked for is gone: a question that was edited, an answer in this one's place.
    const isLost = document.activeElement === document.body
    if (isRunning && isLost) element.current?.focus({ preventScroll: true })
  }, [])
  return (
    <li ref={element} class="turn answer" aria-busy={isRunning} tabIndex={-1}>
      <h3 class="hidden">{turn.model}</h3>
      {turn.text === '' && isRunning && (
        <p class="waiting">
          <span />
          <span />
          <span />
          <span class="hidden">The model reads</span>
        </p>
      )}
      {turn.text !== '' && <AnswerText text={turn.text} isJson={turn.isJson ?? false} />}
      {turn.state === 'failed' && (
        <p class="fault" role="alert">
          {turn.failure}
        </p>
      )}
      {!isRunning && <AnswerActions turn={turn} />}
    </li>
  )
}

/** Asking again for an early answer takes away what came after it, which is asked before. */
function AnswerActions({ turn }: AnswerProps): JSX.Element {
  const { chat, state } = useChat()
  const [isAsked, setAsked] = useState(false)
  const asking = useFocusAfter<HTMLButtonElement>(isAsked)
  const isLast = state.current.turns.at(-1)?.id === turn.id
  const retry = () => void chat.retry(turn.id)
  return (
    <>
      <div class="turn-actions">
        {turn.text !== '' && <CopyButton text={turn.text} />}
        <IconButton
          buttonRef={asking}
          icon="retry"
          label="Ask again"
          isDisabled={!chat.canAsk}
          onClick={() => (isLast ? retry() : setAsked(true))}
        />
        <AnswerFacts turn={turn} />
      </div>
      {isAsked && chat.canAsk && (
        <Confirm
          class="editor-row"
          label="Ask again for this answer?"
          hint="What came after it is replaced."
          keep="Cancel"
          act="Replace"
          onKeep={() => setAsked(false)}
          onAct={retry}
        />
      )}
    </>
  )
}

type AnswerTextProps = { readonly text: string; readonly isJson: boolean }

function AnswerText({ text, isJson }: AnswerTextProps): JSX.Element {
  return isJson ? <JsonText text={text} /> : <Prose text={text} />
}

function Prose({ text }: { readonly text: string }): JSX.Element {
  const shown = useMemo(() => proseOf(text), [text])
  return <div class="prose">{shown}</div>
}

/** Nonsense may be nested deeper than can be read as Markdown; it is then shown as it came. */
function proseOf(text: string) {
  try {
    return markdown(text)
  } catch (error) {
    if (error instanceof RangeError) return <p>{text}</p>
    throw error
  }
}

/** Pages of plain HTTP may not write to the clipboard; there is no button then. */
function CopyButton({ text }: { readonly text: string }): JSX.Element | null {
  const { chat } = useChat()
  const [isCopied, setCopied] = useState(false)
  if (!('clipboard' in navigator)) return null
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    chat.announce('Copied')
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <IconButton
      icon={isCopied ? 'check' : 'copy'}
      label={isCopied ? 'Copied' : 'Copy the answer'}
      onClick={() => void copy()}
    />
  )
}

function AnswerFacts({ turn }: { readonly turn: AnswerTurn }): JSX.Element {
  const { usage, firstMs, totalMs, options, state, isCut } = turn
  const facts: string[] = []
  if (state === 'stopped') facts.push('stopped')
  if (isCut) facts.push('longest answer reached')
  if (usage) {
    facts.push(`${usage.promptTokens.toLocaleString('en')} → ${usage.completionTokens} tokens`)
    if (usage.cachedTokens > 0) facts.push(`${usage.cachedTokens.toLocaleString('en')} cached`)
    const rate = tokensPerSecond(turn)
    if (rate !== null) facts.push(`${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`)
  }
  if (firstMs !== undefined) facts.push(`first after ${seconds(firstMs)}`)
  else if (totalMs !== undefined) facts.push(seconds(totalMs))
  if (options['seed'] !== undefined) facts.push(`seed ${String(options['seed'])}`)
  return <span class="facts">{facts.join(' · ')}</span>
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
