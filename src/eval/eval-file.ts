/**
 * The files that scores are made from: answers, questions, labels. Platform-free: `read-node.ts` brings the bytes.
 *
 * A file is a text or, from a spreadsheet, rows of cells. Everything here says file and line when it cannot read on.
 */
import { InputError } from '../core/errors.ts'
import { PYTHON_NUMBERS, pythonNumberAt } from '../core/python-json.ts'
import { parseTable } from './delimited-table.ts'

export type EvalFile = {
  /** The path below what was named, `/` between its parts. */
  readonly name: string
  /** Where it was read. */
  readonly path?: string
  readonly text: string
  /** Of a benchmark in several files the part that it holds: `action_count` of `mvbench_action_count`. */
  readonly part?: string
  /** The rows of a spreadsheet, or of a table that is too large for a text, the header first. Of such a table pictures are functions that read them. */
  readonly cells?: readonly (readonly unknown[])[]
  /** A Parquet file's rows. */
  readonly rows?: readonly Row[]
  /** SHA-256 of a file whose content is not in `text`, nor all of it in `cells`. */
  readonly sha256?: string
  /** The tables that its rows were made of: what it is to a recipe. */
  readonly madeFrom?: readonly EvalFile[]
}

export type Row = Readonly<Record<string, unknown>>

/** The whole file as one JSON value. */
export function readJson(file: EvalFile): unknown {
  try {
    return JSON.parse(file.text)
  } catch (cause) {
    const at = pythonNumberAt(file.text)
    if (at !== null) throw pythonNumber(file, at, cause)
    throw unreadable(file, 'JSON', cause)
  }
}

/** One JSON object on each line; blank lines are none. Lines that are not objects are counted if `broken` is given. */
export function readJsonLines(file: EvalFile, broken?: { count: number }): Row[] {
  const rows: Row[] = []
  file.text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return
    const row = parseObject(line)
    if (row) rows.push(row)
    else if (broken) broken.count++
    else {
      if (isWhole(file)) throw unreadable(file, 'a list of JSON objects, or one on each line')
      throw new InputError(
        'INPUT_ANSWERS_BROKEN',
        `eval: line ${i + 1} of ${file.name} should be a JSON object, "${line.slice(0, 40)}" came; ${
          pythonNumberAt(line) === null ? 'is the file cut off?' : PYTHON_NUMBERS
        }`,
      )
    }
  })
  return rows
}

function pythonNumber({ name, text }: EvalFile, at: number, cause: unknown): InputError {
  const before = text.slice(0, at).split('\n')
  const [line = ''] = text.slice(at, at + 20).split('\n')
  return new InputError(
    'INPUT_ANSWERS_BROKEN',
    `eval: ${name} should be JSON, line ${before.length} has …${before.at(-1)?.slice(-20)}${line}…; ${PYTHON_NUMBERS}`,
    { cause },
  )
}

/** Records of any form that people have: JSON lines, a JSON list, a tab- or comma-separated table, a spreadsheet. */
export function readRows(file: EvalFile): Row[] {
  if (file.rows) return [...file.rows]
  if (file.cells) return tableRows(file, file.cells)
  if (/\.tsv$/i.test(file.name)) return tableRows(file, parseTable(file, '\t'))
  if (/\.csv$/i.test(file.name)) return tableRows(file, parseTable(file, ','))
  if (isJsonLines(file)) return readJsonLines(file)
  const whole = readJson(file)
  const list: unknown = isRow(whole) ? whole['logs'] : whole
  if (Array.isArray(list) && list.every(isRow)) return list
  throw unreadable(file, 'a list of JSON objects')
}

/** Neither a table, nor a list over the whole file, nor lmms-eval's object of arguments and samples. */
export function isJsonLines({ name, text, cells, rows }: EvalFile): boolean {
  return !rows && !cells && !/\.[tc]sv$/i.test(name) && !/^\s*(?:\[|\{\s*"args"\s*:)/.test(text)
}

/** A file whose rows are a list called `name` in one object, opened; any other file as it is. */
export function withRowsOf(file: EvalFile, name: string): EvalFile {
  if (!/^\s*\{/.test(file.text) || !file.text.includes(`"${name}"`)) return file
  const whole = readJson(file)
  const list: unknown = isRow(whole) ? whole[name] : null
  if (Array.isArray(list) && list.every(isRow)) return { ...file, rows: list }
  throw unreadable(file, `an object with "${name}"`)
}

/** The rows of DocVQA's, InfographicVQA's and TextVQA's own files, {"dataset_name": …, "data": [rows]}; any other file as it is. */
export function openData(file: EvalFile): EvalFile {
  return /\.json$/i.test(file.name) && /"data"\s*:\s*\[/.test(file.text)
    ? withRowsOf(file, 'data')
    : file
}

/** A field that has to be there, as text. */
export function textField(row: Row, name: string, file: EvalFile): string {
  const value = row[name]
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what =
    value === undefined
      ? `one has only ${Object.keys(row).join(', ') || 'nothing'}; is it another file?`
      : `a text or a number, one has ${shownField(value).slice(0, MOST_SHOWN)} (${shownRow(row)}); write one there, or leave the row out.`
  throw new InputError(
    'INPUT_ANSWERS_FIELD',
    `eval: every row of ${file.name} should have "${name}", ${what}`,
  )
}

const MOST_SHOWN = 80

/** By which it is found: its short fields, as far as they fit. */
function shownRow(row: Row): string {
  const plain = Object.entries(row).filter(([, value]) => typeof value !== 'object')
  return JSON.stringify(Object.fromEntries(plain)).slice(0, MOST_SHOWN)
}

/** What an error says of a field that is not what it should be. */
export function shownField(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

/** Without the folders that it lies in. */
export function baseName({ name }: Pick<EvalFile, 'name'>): string {
  return name.split('/').at(-1) ?? name
}

const MOST_NAMED = 4

/** What an error says of files: the first names. */
export function fileNames(files: readonly Pick<EvalFile, 'name'>[]): string {
  const names = files.slice(0, MOST_NAMED).map(({ name }) => name)
  return [...names, ...(files.length > MOST_NAMED ? ['…'] : [])].join(', ')
}

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function unreadable(file: EvalFile, expected: string, cause?: unknown): InputError {
  return new InputError(
    'INPUT_ANSWERS_BROKEN',
    `eval: ${file.name} should be ${expected}, it begins with ${JSON.stringify(file.text.slice(0, 40))}; is it another file, or cut off?`,
    { cause },
  )
}

/** One value over several lines, as programs write their numbers. */
function isWhole(file: EvalFile): boolean {
  try {
    readJson(file)
    return true
  } catch {
    return false // The caller throws with the line.
  }
}

function parseObject(line: string): Row | null {
  try {
    const value: unknown = JSON.parse(line)
    return isRow(value) ? value : null
  } catch {
    return null // The caller counts it or throws with the line's number.
  }
}

function tableRows(file: EvalFile, cells: readonly (readonly unknown[])[]): Row[] {
  const [first, ...rows] = cells
  if (!first) throw unreadable(file, 'a table with a header')
  const header = first.map(String)
  const twice = header.find((name, i) => name !== '' && header.indexOf(name) !== i)
  if (twice !== undefined) throw unreadable(file, `a table with one column "${twice}"`)
  // A spreadsheet's rows end with their last cell that is not empty; some are left without any, as in what it is saved as.
  return rows
    .filter((row) => row.some((cell) => cell !== ''))
    .map((row) => Object.fromEntries(header.map((name, i) => [name, row[i] ?? ''])))
}
