/**
 * Rows of a CSV or TSV file, one after another; the first line names the fields.
 *
 * Source: RFC 4180: quotes around what holds separators, quotes or line breaks, doubled quotes inside.
 */
import { createReadStream } from 'node:fs'
import { InputError } from '../core/errors.ts'
import type { Row } from './row-format.ts'

/** Throws InputError INPUT_DATA_BROKEN for a file that is no table of UTF-8 text. */
export async function* readCsvRows(path: string): AsyncGenerator<Row> {
  const cells = new CsvCells(/\.tsv$/i.test(path) ? '\t' : ',')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let names: readonly string[] | null = null
  let count = 0
  const rowOf = (values: readonly string[]): Row | null => {
    if (values.length === 1 && values[0] === '') return null
    if (!names) {
      const twice = values.find((name, i) => name !== '' && values.indexOf(name) < i)
      if (twice !== undefined) throw broken(path, `two of its columns are named ${twice}`)
      names = values
      return null
    }
    count++
    if (values.length === names.length) {
      return Object.fromEntries(names.map((name, i) => [name, values[i]]))
    }
    throw broken(path, `row ${count} has ${values.length} cells, ${names.length} are named`)
  }
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 18 })) {
    for (const values of cells.take(decode(decoder, chunk as Uint8Array, path))) {
      const row = rowOf(values)
      if (row) yield row
    }
  }
  const last = cells.end()
  if (last === null) throw broken(path, 'a quote is not closed')
  const row = rowOf(last)
  if (row) yield row
  if (names === null) throw broken(path, 'it is empty')
  if (count === 0) throw broken(path, 'it has no rows below the names of its columns')
}

/** Takes text in pieces and gives the lines that are whole. */
class CsvCells {
  readonly #separator: string
  #line: string[] = []
  #cell = ''
  /** `after`: behind a quote inside a quoted cell, which ends it or is the first of two. */
  #state: 'start' | 'plain' | 'quoted' | 'after' = 'start'

  constructor(separator: string) {
    this.#separator = separator
  }

  *take(text: string): Generator<string[]> {
    for (const character of text) {
      if (this.#state === 'quoted') this.#quoted(character)
      else if (character === this.#separator) this.#endCell()
      else if (character === '\n') yield this.#endLine()
      else if (character === '"' && this.#state !== 'plain') this.#quote()
      else this.#plain(character)
    }
  }

  /** The last line, which may end without a line break; null within quotes. */
  end(): string[] | null {
    return this.#state === 'quoted' ? null : this.#endLine()
  }

  #quoted(character: string): void {
    if (character === '"') this.#state = 'after'
    else this.#cell += character
  }

  /** Opens a cell, or is the second of two inside one. */
  #quote(): void {
    if (this.#state === 'after') this.#cell += '"'
    this.#state = 'quoted'
  }

  #plain(character: string): void {
    // Of a line that ends with two characters, behind a quoted cell.
    if (this.#state === 'after' && character === '\r') return
    this.#state = 'plain'
    this.#cell += character
  }

  #endCell(): void {
    this.#line.push(this.#cell)
    this.#cell = ''
    this.#state = 'start'
  }

  #endLine(): string[] {
    if (this.#state === 'plain' && this.#cell.endsWith('\r')) this.#cell = this.#cell.slice(0, -1)
    this.#endCell()
    const line = this.#line
    this.#line = []
    return line
  }
}

function decode(decoder: TextDecoder, chunk: Uint8Array, path: string): string {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch (cause) {
    throw new InputError('INPUT_DATA_BROKEN', `data: ${path} should be UTF-8 text; save it so.`, {
      cause,
    })
  }
}

function broken(path: string, what: string): InputError {
  return new InputError(
    'INPUT_DATA_BROKEN',
    `data: ${path} should be a table, ${what}; mend the file.`,
  )
}
