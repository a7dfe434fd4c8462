/** A conversation as the messages that the model reads. */
import type { ChatContent, ChatMessage } from '../api/chat.ts'
import type { Medium, Turn, UserTurn } from './turns.ts'

/** Gives the bytes of media, as parts of a message. */
export type MediaContent = {
  content(media: readonly Medium[]): Promise<readonly ChatContent[]>
}

/** A question that got no answer is left out with it: templates want the two in turn. The last one is the one to answer. */
export async function promptMessages(
  turns: readonly Turn[],
  system: string,
  store: MediaContent,
): Promise<ChatMessage[]> {
  const messages: ChatMessage[] =
    system.trim() === '' ? [] : [{ role: 'system', content: system.trim() }]
  for (const [i, turn] of turns.entries()) {
    if (turn.role !== 'user') continue
    const answer = turns[i + 1]
    const text = answer?.role === 'assistant' ? answer.text : ''
    if (answer && text === '') continue
    messages.push(await userMessage(turn, store))
    if (answer) messages.push({ role: 'assistant', content: text })
  }
  return messages
}

async function userMessage({ text, media }: UserTurn, store: MediaContent): Promise<ChatMessage> {
  if (media.length === 0) return { role: 'user', content: text }
  const shown = await store.content(media)
  const said = text.trim() === '' ? [] : [{ type: 'text', text } as const]
  return { role: 'user', content: [...shown, ...said] }
}
