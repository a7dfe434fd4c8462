/** The letter of an option, read out of an answer. */
import { isMissingCell } from '../python-text.ts'

/** What cannot be read. The official script writes this word into its results. */
export const FAILED = 'FAILED'

/**
 * ScienceQA's reading: a letter A–E alone, or one followed by `. `; else the letter of the only `The answer is X.`, whose
 * last dot stands for any character. Else FAILED, which is wrong.
 * Source: haotian-liu/LLaVA llava/eval/eval_science_qa.py at c121f04.
 */
export function scienceQaLetter(text: string): string {
  if (/^[A-E]$/.test(text)) return text
  // Exactly: a line feed after the letter is another text, and `$` alone would let one pass in Python, not here.
  if (/^[A-E]\. /.test(text)) return text.charAt(0)
  const found = [...text.matchAll(/The answer is ([A-Z])./gu)]
  return found.length === 1 ? (found[0]?.[1] ?? FAILED) : FAILED
}

/**
 * A letter in any of the forms that models write: `B`, `B.`, `(B)`, `B) text`, `B: text`, or an option's text alone.
 * `null` where none or several could be meant. `options` are keyed by letter.
 */
export function optionLetter(
  text: string,
  options: Readonly<Record<string, string>>,
): string | null {
  const letters = Object.keys(options)
  const answer = text.trim()
  const lead = /^\(?([A-Z])(?:\)|[.:,)]|\s|$)/.exec(answer)?.[1]
  const isArticle = lead === 'A' && /^A\s+[a-z]/.test(answer)
  if (lead !== undefined && letters.includes(lead) && !isArticle) return lead
  const named = letters.filter(
    (letter) => options[letter]?.trim().toLowerCase() === answer.toLowerCase(),
  )
  return named.length === 1 ? (named[0] ?? null) : null
}

/** The options that a table's row has in columns A to Z; null where it has none. */
export function optionColumns(
  row: Readonly<Record<string, unknown>>,
): Record<string, string> | null {
  const columns = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].flatMap((letter) => {
    const text = row[letter]
    return typeof text === 'string' && !isMissingCell(text) ? [[letter, text] as const] : []
  })
  return columns.length > 0 ? Object.fromEntries(columns) : null
}
