/** A conversation as the messages that the model reads. */
import type { ChatContent, ChatMessage } from '../api/chat.ts'
import { mediaOf, type Medium, type Turn, type UserTurn } from './turns.ts'

/** Gives the bytes of media, as parts of a message. */
export type MediaContent = {
  content(media: readonly Medium[]): Promise<readonly ChatContent[]>
}

/**
 * The questions and answers that the model reads. A question that got no answer is left out with it: templates want the two
 * in turn. The last one is the one to answer, or is answered now.
 */
export function promptTurns(turns: readonly Turn[]): Turn[] {
  return turns.flatMap((turn, i) => {
    if (turn.role !== 'user') return []
    const answer = turns[i + 1]
    if (answer === undefined) return [turn]
    if (answer.role === 'user') return []
    if (answer.text !== '') return [turn, answer]
    return answer.state === 'running' && i + 2 === turns.length ? [turn] : []
  })
}

export async function promptMessages(
  turns: readonly Turn[],
  system: string,
  store: MediaContent,
): Promise<ChatMessage[]> {
  const messages: ChatMessage[] = hasSystem(system)
    ? [{ role: 'system', content: system.trim() }]
    : []
  for (const turn of promptTurns(turns)) {
    messages.push(
      turn.role === 'user'
        ? await userMessage(turn, store)
        : { role: 'assistant', content: turn.text },
    )
  }
  return messages
}

/** The files of each message of `promptMessages`, as its content begins with them. */
export function promptNames(turns: readonly Turn[], system: string): string[][] {
  const names = promptTurns(turns).map((turn) => mediaOf([turn]).map(({ name }) => name))
  return hasSystem(system) ? [[], ...names] : names
}

function hasSystem(system: string): boolean {
  return system.trim() !== ''
}

async function userMessage({ text, media }: UserTurn, store: MediaContent): Promise<ChatMessage> {
  if (media.length === 0) return { role: 'user', content: text }
  const shown = await store.content(media)
  const said = text.trim() === '' ? [] : [{ type: 'text', text } as const]
  return { role: 'user', content: [...shown, ...said] }
}
