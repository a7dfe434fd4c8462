/** How long steps of a tokenizer may make a text: a file may say that each of many doubles it. */
import { CheckpointError } from '../core/errors.ts'
import type { TextPattern } from './pattern-tree.ts'
import { forEachMatch } from './pre-tokenizer-split.ts'

/** One character becomes 18 in compatibility forms, and each of those three stand-ins of bytes at most. */
const GROWTH = { atLeast: 4096, perCharacter: 64 } as const

/** The most characters that a text of `length` may become. */
export function longestFrom(length: number): number {
  return GROWTH.atLeast + GROWTH.perCharacter * length
}

export function totalLength(pieces: readonly string[]): number {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length
}

/** Throws CheckpointError for more characters than published tokenizers make of any text. */
export function checkGrowth(where: string, length: number, most: number): void {
  if (length <= most) return
  throw new CheckpointError(
    'CHECKPOINT_TOKENIZER',
    `tokenizer: ${where} should make at most ${most} characters of this text, it makes ${length} or more; is the file damaged, or made to harm?`,
  )
}

/** The text with every match replaced; it stops where that gets longer than `most`. */
export function replaceMatches(
  text: string,
  pattern: string | TextPattern,
  {
    content,
    where,
    most,
  }: { readonly content: string; readonly where: string; readonly most: number },
): string {
  // A single known string is by far the most common case, and the fastest.
  if (typeof pattern === 'string' && content.length <= pattern.length) {
    return text.replaceAll(pattern, () => content)
  }
  const parts: string[] = []
  let [done, length] = [0, 0]
  forEachMatch(text, pattern, (start, end) => {
    length += start - done + content.length
    checkGrowth(where, length, most)
    parts.push(text.slice(done, start), content)
    done = end
  })
  return parts.length === 0 ? text : parts.join('') + text.slice(done)
}
