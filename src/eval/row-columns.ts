/**
 * What a question is made of, read out of a row's columns: a column that is not there is a fault with a name, never the text
 * `undefined` in a prompt.
 *
 * Datasets call the same thing by several names: `question` is `query` in ChartQA's own files, options are a list or, in
 * VLMEvalKit's tables, columns A, B, C ….
 */
import { InputError } from '../core/errors.ts'
import type { EvalFile, Row } from './eval-file.ts'
import { readPythonList } from './python-dict.ts'

/** A row, what it is called, and the file that it is of. */
export type NamedRow = { readonly id: string; readonly row: Row; readonly file: EvalFile }

/** The first of these columns that has a text. Throws InputError where none has. */
export function columnText(named: NamedRow, ...columns: readonly string[]): string {
  const text = columns.map((name) => textOf(named.row[name])).find((one) => one !== null)
  if (text !== undefined && text !== null) return text
  throw withoutColumn(named, `a text as ${columns.join(' or ')}`)
}

/** The options in a list, in a list as Python prints it, or in columns by letter. Throws InputError where there are none. */
export function columnOptions(named: NamedRow, ...columns: readonly string[]): string[] {
  const options = knownOptions(named.row, columns)
  if (options) return options
  throw withoutColumn(named, `options as ${[...columns, 'A, B, C …'].join(' or ')}`)
}

/** The same, null where there are none. */
export function knownOptions(row: Row, columns: readonly string[] = ['options']): string[] | null {
  for (const name of columns) {
    const value = row[name]
    const list = typeof value === 'string' ? readPythonList(value) : value
    if (Array.isArray(list) && list.length > 0) return list.map(String)
  }
  const byLetter = [...'ABCDEFGHIJ'].map((letter) => row[letter])
  const count = byLetter.findLastIndex(isOption) + 1
  return count > 0 ? byLetter.slice(0, count).map((text) => String(text ?? '')) : null
}

/** Cells of letters that a question does not use are empty; `None` and `N/A` are options like others. */
function isOption(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && value !== '')
}

export function withoutColumn({ id, row, file }: NamedRow, expected: string): InputError {
  return new InputError(
    'INPUT_QUESTIONS_COLUMN',
    `eval: question ${id} of ${file.name} should have ${expected}, its columns are ${Object.keys(row).join(', ') || 'none'}; is the file of another benchmark, or of another form?`,
  )
}

/** An empty cell is no text. */
function textOf(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' && value.trim() !== '' ? value : null
}
