/**
 * Tables of texts with a separator between cells as rows of cells, the header first: every row has the header's columns.
 *
 * A row with fewer is one of a file that was cut off, and one with more has a separator in a cell: either would stand in wrong columns.
 * Source: RFC 4180; what is refused beside it, pandas' reader refuses too, or fills up.
 */
import { InputError } from '../core/errors.ts'

type Table = { readonly name: string; readonly text: string }

/**
 * In quotes, separators and line feeds are text and `""` is one quote. A cell that only begins with a quote was not put into quotes:
 * `"Yes" is right` stays as it is. Throws InputError with the line of the first row that is none.
 */
export function parseTable({ name, text }: Table, separator: ',' | '\t'): string[][] {
  const pattern = new RegExp(
    `(?:"([^"]*(?:""[^"]*)*)"|([^${separator}\\r\\n]*))(${separator}|\\r?\\n|\\r|$)`,
    'gy',
  )
  const rows: string[][] = []
  let row: string[] = []
  let start = 0
  const broken = (fault: string) =>
    new InputError('INPUT_ANSWERS_BROKEN', `eval: line ${lineAt(text, start)} of ${name} ${fault}`)
  for (const { 0: whole, 1: quoted, 2: plain = '', 3: end, index } of text.matchAll(pattern)) {
    if (whole === '' && row.length === 0) break
    if (row.length === 0) start = index
    if (quoted === undefined && isOpen(plain) && !text.includes('"', index + whole.length))
      throw broken(
        `has a cell whose quotes do not end, ${plain.slice(0, 40)}; is the file cut off?`,
      )
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === separator) continue
    // A blank line is no row, as it is none to pandas.
    if (row.length > 1 || row[0] !== '') {
      const columns = rows[0]?.length ?? row.length
      if (row.length !== columns) throw broken(otherColumns(columns, row.length))
      rows.push(row)
    }
    row = []
  }
  return rows
}

function otherColumns(columns: number, cells: number): string {
  const cause =
    cells < columns ? 'is the file cut off?' : 'is a separator in a cell that is not in quotes?'
  return `should have ${columns} cells, as its header, it has ${cells}; ${cause}`
}

/** It begins with a quote, and not all of its quotes have another. */
function isOpen(cell: string): boolean {
  return cell.startsWith('"') && cell.split('"').length % 2 === 0
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split(/\r\n|\r|\n/).length
}
