/** Texts that no tokenizer could fit into the context: they are refused before the second that a megabyte may take. */
import { InputError } from '../core/errors.ts'

export type TextBound = {
  readonly maxContext: number
  /** Characters of the longest token. */
  readonly longestToken: number
}

/** Throws InputError where `characters` are more tokens than the context has, whatever they are. */
export function checkTextFits(characters: number, { maxContext, longestToken }: TextBound): void {
  const least = Math.ceil(characters / longestToken)
  if (least <= maxContext) return
  throw new InputError(
    'INPUT_CONTEXT',
    `prompt: its ${characters} characters are at least ${least} tokens, ${least - maxContext} more than the context of ${maxContext}; shorten it, or raise maxContext.`,
  )
}
