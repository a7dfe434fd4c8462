/** A table as a spreadsheet file, for servers that take nothing else. */
import { crc32 } from 'node:zlib'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
const TYPES = 'http://schemas.openxmlformats.org/package/2006/content-types'
const RELATIONS = 'http://schemas.openxmlformats.org/package/2006/relationships'
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const KIND = 'application/vnd.openxmlformats-officedocument.spreadsheetml'

/**
 * The bytes of an .xlsx with one sheet, the first row its header. As where pandas writes a table that it has read, columns of
 * nothing but numbers hold numbers, and a number in another column is text. The same table gives the same bytes: entries are
 * stored, and dated 1980.
 */
export function writeSheet(rows: readonly (readonly string[])[]): Buffer {
  const isNumeric = numericColumns(rows)
  return zip({
    '[Content_Types].xml': `${DECLARATION}<Types xmlns="${TYPES}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="${KIND}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${KIND}.worksheet+xml"/></Types>`,
    '_rels/.rels': relation(`${OFFICE}/officeDocument`, 'xl/workbook.xml'),
    'xl/workbook.xml': `${DECLARATION}<workbook xmlns="${MAIN}" xmlns:r="${OFFICE}"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': relation(`${OFFICE}/worksheet`, 'worksheets/sheet1.xml'),
    'xl/worksheets/sheet1.xml': `${DECLARATION}<worksheet xmlns="${MAIN}"><sheetData>${rows.map((cells, i) => rowXml(cells, i, isNumeric)).join('')}</sheetData></worksheet>`,
  })
}

function relation(type: string, target: string): string {
  return `${DECLARATION}<Relationships xmlns="${RELATIONS}"><Relationship Id="rId1" Type="${type}" Target="${target}"/></Relationships>`
}

/** Whether all cells below the header that are not empty are numbers. */
function numericColumns([header = [], ...rows]: readonly (readonly string[])[]): boolean[] {
  const isNumber = (text: string) => /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text)
  return header.map((_, k) => {
    const filled = rows.map((row) => row[k] ?? '').filter((text) => text !== '')
    return filled.length > 0 && filled.every(isNumber)
  })
}

function rowXml(cells: readonly string[], i: number, isNumeric: readonly boolean[]): string {
  const cell = (text: string, k: number) =>
    cellXml(text, `${letters(k)}${i + 1}`, i > 0 && isNumeric[k] === true)
  return `<row r="${i + 1}">${cells.map(cell).join('')}</row>`
}

function cellXml(text: string, place: string, isNumber: boolean): string {
  if (text === '') return ''
  if (isNumber) return `<c r="${place}"><v>${text}</v></c>`
  return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${escape(text)}</t></is></c>`
}

/** Marks, and what XML cannot hold, as ECMA-376 writes it: `_x0001_`; a text that looks like that is escaped itself. */
function escape(text: string): string {
  return text
    .replaceAll(/_(?=x[0-9A-Fa-f]{4}_)/g, '_x005F_')
    .replaceAll(
      // oxlint-disable-next-line no-control-regex
      /[\0-\x08\x0b-\x1f\ufffe\uffff]/g,
      (unit) => `_x${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`,
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

function letters(column: number): string {
  const last = String.fromCharCode(65 + (column % 26))
  return column < 26 ? last : letters(Math.floor(column / 26) - 1) + last
}

/** Midnight of 1 January 1980, the zero of ZIP's calendar. */
const DATE = 0x0021

function zip(parts: Readonly<Record<string, string>>): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [path, text] of Object.entries(parts)) {
    const [name, data] = [Buffer.from(path), Buffer.from(text)]
    // Version, flags, method, time, date, checksum, packed and unpacked size, lengths of name and extra field.
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(DATE, 8)
    fields.writeUInt32LE(crc32(data), 10)
    fields.writeUInt32LE(data.length, 14)
    fields.writeUInt32LE(data.length, 18)
    fields.writeUInt16LE(name.length, 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    bodies.push(Buffer.from('PK\x03\x04'), fields, name, data)
    directory.push(Buffer.from('PK\x01\x02\x14\0'), fields, place, name)
    offset += 4 + fields.length + name.length + data.length
  }
  const end = Buffer.alloc(18)
  end.writeUInt16LE(Object.keys(parts).length, 4)
  end.writeUInt16LE(Object.keys(parts).length, 6)
  end.writeUInt32LE(Buffer.concat(directory).length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...bodies, ...directory, Buffer.from('PK\x05\x06'), end])
}
