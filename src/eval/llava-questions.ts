/**
 * Question files of LLaVA-1.5's evaluation: JSON lines of question_id, image and text, the instruction already in the text.
 *
 * Source: haotian-liu/LLaVA docs/Evaluation.md at c121f04. `model_vqa_loader.py` answers with at most 128 tokens, greedily;
 * `model_vqa.py`, for open questions, with at most 1024.
 */
import { base64Picture } from './base64-picture.ts'
import type { EvalFile, Row } from './eval-file.ts'
import { isRow, readRows, textField } from './eval-file.ts'
import type { LazyPicture, Picture, Question } from './question.ts'
import { columnText } from './row-columns.ts'
import { letterAt } from './metrics/choice-letter.ts'

export const SHORT_ANSWER = 'Answer the question using a single word or phrase.'
export const OPTION_LETTER = "Answer with the option's letter from the given choices directly."

export const LLAVA_PROMPT = 'the released prompt, after the picture; greedy'

type Change = (question: Question, row: Row) => Question

/** A reader of such files; `change` says what is particular to a benchmark. */
export function llavaQuestions(
  maxTokens: number,
  change: Change = (question) => question,
): (files: readonly EvalFile[]) => Question[] {
  return (files) =>
    files.flatMap((file) =>
      readRows(file).map((row) => {
        const id = idField(row, 'question_id', file)
        const question: Question = {
          id,
          prompt: columnText({ id: String(id), row, file }, 'text'),
          images: pictureField(row['image']),
          maxTokens,
          isVisual: true,
          ...(typeof row['category'] === 'string' ? { extra: { category: row['category'] } } : {}),
        }
        return change(question, row)
      }),
    )
}

/** An id as the file has it, number or text. Throws InputError where there is none. */
export function idField(row: Row, name: string, file: EvalFile): string | number {
  const value = row[name]
  return typeof value === 'number' ? value : textField(row, name, file)
}

/** `A. one`, line by line. */
export function optionLines(options: readonly string[]): string[] {
  return options.map((option, i) => `${letterAt(i)}. ${option}`)
}

/** The picture, or the list of them, in a field of a dataset's row: a function that reads it, a file name, base64, or the struct of JSON exports. */
export function pictureField(value: unknown): Picture[] {
  if (typeof value === 'function') return [value as LazyPicture]
  if (value instanceof Uint8Array) return [value]
  if (Array.isArray(value)) return value.flatMap(pictureField)
  if (typeof value === 'string' && value !== '') {
    const several = printedList(value)
    if (several) return several.flatMap(pictureField)
    return [base64Picture(value) ?? value]
  }
  if (!isRow(value)) return []
  const { bytes, path } = value
  return pictureField(bytes ?? path)
}

/** Another row's picture where its index stands in place of one; else what came. */
export function pictureOfOther(value: unknown, byIndex: ReadonlyMap<string, unknown>): unknown {
  const other = byIndex.get(namedRow(value) ?? '')
  return other === undefined || namedRow(other) !== null ? value : other
}

/** The index of the row whose picture it names, as a text or a number; null where it names none. */
export function namedRow(value: unknown): string | null {
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && /^\d{1,9}$/.test(text) ? text : null
}

/** VLMEvalKit has several pictures as Python prints a list, megabytes of base64 or names: no mark in them needs more care. */
export function printedList(text: string): string[] | null {
  if (!/^\s*\[\s*['"]/.test(text)) return null
  const items = text.trim().slice(1, -1).split(',')
  return items
    .map((item) => item.trim().replaceAll(/^['"]|['"]$/g, ''))
    .filter((item) => item !== '')
}
