/** What ends an answer in a conversation by how the prompt is written, beside the checkpoint's own end tokens. */
import { conversationStop } from '../text/conversation.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import type { PromptConfig } from './family.ts'

export type TurnEnd = {
  readonly texts: readonly string[]
  readonly tokenIds: readonly number[]
}

/** Of a chat template: nothing, since its end token is among the checkpoint's. */
export const NO_TURN_END: TurnEnd = { texts: [], tokenIds: [] }

/** Of a conversation mode: its end token, or the text that stands between turns where it has none (`###` of v0). */
export function turnEndOf(prompt: PromptConfig, tokenizer: Pick<Tokenizer, 'idOf'>): TurnEnd {
  if (prompt.kind !== 'conversation') return NO_TURN_END
  const { texts, tokens, tokenIds } = conversationStop(prompt.mode)
  const ids = [...tokens.map((token) => tokenizer.idOf(token)), ...tokenIds]
  return {
    texts: texts.filter((text) => !tokens.includes(text) || tokenizer.idOf(text) === undefined),
    tokenIds: [...new Set(ids.filter((id) => id !== undefined))],
  }
}
