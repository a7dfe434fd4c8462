/**
 * A spreadsheet's first sheet as rows of texts: what MMBench's server takes and gives, and VLMEvalKit's results.
 *
 * Enough of Office Open XML for tables: shared, inline and formula texts, numbers, booleans, gaps. Dates stay numbers. What begins
 * with `=` some programs write as a formula without a value: it is the text.
 * Source: ECMA-376 part 1, §18.3 (sheets), §18.4 (shared texts), §22.9.2.19 (escaped characters).
 */
import { InputError } from '../core/errors.ts'

/** `parts` are the archive's files by path; `name` is for errors. */
export function readSheet(parts: ReadonlyMap<string, string>, name: string): string[][] {
  const sheet = parts.get(firstSheet(parts, name))
  if (sheet === undefined || !sheet.includes('</sheetData>')) {
    throw broken(name, 'a worksheet with its rows')
  }
  const shared = elements(parts.get('xl/sharedStrings.xml') ?? '', 'si').map(({ body }) =>
    textOf(body),
  )
  return elements(sheet, 'row').map(({ body }) => rowCells(body, shared, name))
}

function firstSheet(parts: ReadonlyMap<string, string>, name: string): string {
  const book = parts.get('xl/workbook.xml')
  if (book === undefined) throw broken(name, 'a workbook')
  const id = elements(book, 'sheet')[0]?.attributes['r:id']
  const relations = elements(parts.get('xl/_rels/workbook.xml.rels') ?? '', 'Relationship')
  const target = relations.find(({ attributes }) => attributes['Id'] === id)?.attributes['Target']
  if (target === undefined) throw broken(name, 'a workbook with a sheet')
  return target.startsWith('/') ? target.slice(1) : `xl/${target}`
}

function rowCells(row: string, shared: readonly string[], name: string): string[] {
  const cells: string[] = []
  for (const { attributes, body } of elements(row, 'c')) {
    const column = attributes['r'] === undefined ? cells.length : columnOf(attributes['r'], name)
    while (cells.length < column) cells.push('')
    cells[column] = cellText(attributes['t'] ?? 'n', body, shared, name)
  }
  return cells
}

function cellText(type: string, body: string, shared: readonly string[], name: string): string {
  if (type === 'inlineStr') return textOf(body)
  const value = unescape(elements(body, 'v')[0]?.body ?? '')
  const [formula] = elements(body, 'f')
  if (value === '' && formula && formula.body !== '') return `=${unescape(formula.body)}`
  if (type === 'e') throw broken(name, `cells without errors like ${value}`)
  if (type === 'b') return value === '1' ? 'true' : 'false'
  if (type !== 's' || value === '') return value
  const text = shared[Number(value)]
  if (text === undefined) throw broken(name, `a shared text ${value}`)
  return text
}

const MOST_COLUMNS = 16_384

/** `AB12` is column 27, counted from 0. */
function columnOf(reference: string, name: string): number {
  const letters = /^([A-Z]{1,3})\d+$/.exec(reference)?.[1]
  if (letters === undefined) throw broken(name, 'cells like A1')
  const column = [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1
  if (column >= MOST_COLUMNS) throw broken(name, `at most ${MOST_COLUMNS} columns`)
  return column
}

/** All `t` of a text, phonetic hints left out. */
function textOf(body: string): string {
  const plain = body.replaceAll(/<rPh\b[^>]*>[\s\S]*?<\/rPh>/g, '')
  return elements(plain, 't')
    .map((part) => unescape(part.body))
    .join('')
    .replaceAll(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) =>
      String.fromCharCode(parseInt(code, 16)),
    )
}

type Element = { readonly attributes: Readonly<Record<string, string>>; readonly body: string }

/** Every element of that name that does not lie in another of it. Prefixes of the name are passed over. */
function elements(xml: string, name: string): Element[] {
  const found: Element[] = []
  const opening = new RegExp(`<(?:\\w+:)?${name}(\\s[^>]*?)?(/?)>`, 'g')
  const closing = new RegExp(`</(?:\\w+:)?${name}\\s*>`, 'g')
  for (let start = opening.exec(xml); start; start = opening.exec(xml)) {
    const attributes = Object.fromEntries(
      [...(start[1] ?? '').matchAll(/([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(
        ([, key, double, single]) => [key, unescape(double ?? single ?? '')],
      ),
    )
    if (start[2] === '/') {
      found.push({ attributes, body: '' })
      continue
    }
    closing.lastIndex = opening.lastIndex
    const end = closing.exec(xml)
    if (!end) break
    found.push({ attributes, body: xml.slice(opening.lastIndex, end.index) })
    opening.lastIndex = closing.lastIndex
  }
  return found
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
}

function unescape(text: string): string {
  return text.replaceAll(
    /&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g,
    (whole, decimal, hex, name: string) => {
      if (name !== undefined) return ENTITIES[name] ?? whole
      const code = decimal === undefined ? parseInt(hex as string, 16) : Number(decimal)
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}

function broken(name: string, expected: string): InputError {
  return new InputError(
    'INPUT_SPREADSHEET_BROKEN',
    `eval: ${name} should hold ${expected}; save the table again, or give it as .tsv.`,
  )
}
