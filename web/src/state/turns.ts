/** What a conversation is made of. Everything here can be stored as it is; bytes of pictures and clips lie beside it. */
import type { Usage } from '../api/chat.ts'

export type Medium = {
  readonly id: string
  readonly kind: 'image' | 'video'
  readonly name: string
  /** Its media type; browsers know none for some. */
  readonly type: string
  readonly bytes: number
}

export type UserTurn = {
  readonly role: 'user'
  readonly id: string
  readonly text: string
  readonly media: readonly Medium[]
}

export type AnswerTurn = {
  readonly role: 'assistant'
  readonly id: string
  readonly text: string
  readonly state: 'running' | 'done' | 'stopped' | 'failed'
  /** Why it failed. */
  readonly failure?: string
  /** Not ended by the model but by the limit. */
  readonly isCut?: boolean
  /** It was to be JSON. */
  readonly isJson?: boolean
  readonly usage?: Usage
  /** Milliseconds to the first text and to the last. */
  readonly firstMs?: number
  readonly totalMs?: number
  /** The model, and the options that it was asked with. */
  readonly model: string
  readonly options: Readonly<Record<string, unknown>>
}

export type Turn = UserTurn | AnswerTurn

export type Conversation = {
  readonly id: string
  readonly title: string
  /** Milliseconds since 1970. */
  readonly updated: number
  readonly turns: readonly Turn[]
}

/** Pages of plain HTTP have no `crypto.randomUUID`. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function emptyConversation(now: number): Conversation {
  return { id: newId(), title: '', updated: now, turns: [] }
}

const LONGEST_TITLE = 60

/** The first question, or what was shown. */
export function titleOf(turns: readonly Turn[]): string {
  const first = turns.find((turn) => turn.role === 'user')
  if (!first) return ''
  const text = first.text.trim().replace(/\s+/g, ' ')
  const title = text === '' ? (first.media[0]?.name ?? '') : text
  return title.length > LONGEST_TITLE ? `${title.slice(0, LONGEST_TITLE - 1)}…` : title
}

export function mediaOf(turns: readonly Turn[]): Medium[] {
  return turns.flatMap((turn) => (turn.role === 'user' ? turn.media : []))
}
