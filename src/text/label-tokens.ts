/** Tokenising for labels, in the two ways of the original: with pictures piece by piece, without them cut to length. */
import type { LabelContext } from './label-conversation.ts'
import { tokenizePrompt } from './tokenize-prompt.ts'

/** The whole conversation's ids. */
export function conversationIds(context: LabelContext, text: string): number[] {
  const ids = pieceIds(context, text)
  return context.hasImage ? ids : ids.slice(0, context.modelMaxLength)
}

/** The ids of a part, as if it were a text of its own: with BOS, never cut. */
export function pieceIds({ hasImage, tokenizer }: LabelContext, text: string): number[] {
  return hasImage ? tokenizePrompt(tokenizer, text) : tokenizer.encode(text, { addBos: true })
}
