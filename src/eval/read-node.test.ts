import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { InputError } from '../core/errors.ts'
import { readJsonLines, readRows } from './eval-file.ts'
import { LARGEST_TEXT } from './file-text-node.ts'
import { readEvalFiles } from './read-node.ts'
import { writeSheet } from './write-sheet-node.ts'
import { readSheet } from './xlsx.ts'
import { unzipTexts } from './zip-node.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-eval-'))
after(() => rmSync(folder, { recursive: true }))

const SHEET = 'fixtures/eval/table.xlsx'

describe('a spreadsheet', () => {
  test('gives its rows as texts: shared and rich texts, numbers, gaps, escapes', () => {
    const [file] = readEvalFiles(SHEET)
    assert.deepEqual(readRows(file!), [
      {
        index: '1',
        question: `Is 1 < 2 & 'so' "on"?\nyes`,
        A: 'yes',
        B: 'no',
        prediction: 'A',
        answer: 'A',
      },
      {
        index: '1000001',
        question: 'naïve 東京 🙂 _x0041_',
        A: 'no',
        B: 'yes',
        prediction: 'B. yes',
        answer: 'B',
      },
      { index: '2.5', question: 'true', A: '', B: '', prediction: '', answer: '' },
    ])
  })

  test('that is cut off anywhere, or has a flipped byte in its sheet, is refused with its name', () => {
    const bytes = readFileSync(SHEET)
    const path = join(folder, 'cut.xlsx')
    for (let length = 0; length < bytes.length; length += 97) {
      writeFileSync(path, bytes.subarray(0, length))
      assert.throws(
        () => readEvalFiles(path),
        (error) => error instanceof InputError && error.message.includes('cut.xlsx'),
      )
    }
    const at = bytes.indexOf('xl/worksheets/sheet1.xml') + 60
    const flipped = Buffer.from(bytes)
    flipped[at] = flipped[at]! ^ 0x55
    writeFileSync(path, flipped)
    assert.throws(() => readEvalFiles(path), { code: 'INPUT_SPREADSHEET_BROKEN' })
  })
})

test('what is written as a spreadsheet is read back', () => {
  const rows = [
    ['index', 'text', ...Array.from({ length: 26 }, (_, i) => `c${i}`)],
    [
      '241',
      ' <a> & "b"\n_x0041_ \u0001é🙂',
      '007',
      ...Array.from({ length: 24 }, () => ''),
      'last',
    ],
  ]
  const path = join(folder, 'written.xlsx')
  writeFileSync(path, writeSheet(rows))
  assert.deepEqual(readEvalFiles(path)[0]?.cells, rows)
  assert.deepEqual(writeSheet(rows), readFileSync(path))
})

test('columns of nothing but numbers hold numbers, and a number elsewhere is text', () => {
  const sheet = writeSheet([
    ['index', 'A', 'size'],
    ['241', '1', '0.5'],
    ['242', 'two', ''],
  ])
  const xml = unzipTexts(sheet, 's.xlsx').get('xl/worksheets/sheet1.xml') ?? ''
  const kinds = [...xml.matchAll(/<c r="(\w+)"( t="inlineStr")?>/g)]
  const numbers = kinds.filter(([, , isText]) => isText === undefined).map(([, place]) => place)
  assert.deepEqual(numbers, ['A2', 'C2', 'A3'])
})

test('a folder gives its tables and texts by name, and pictures are passed over', () => {
  const root = join(folder, 'mme')
  mkdirSync(join(root, 'count'), { recursive: true })
  writeFileSync(join(root, 'count/b.txt'), 'b')
  writeFileSync(join(root, 'a.jsonl'), '{}')
  writeFileSync(join(root, 'count/c.jpg'), 'c')
  assert.deepEqual(
    readEvalFiles(root).map(({ name }) => name),
    ['a.jsonl', 'count/b.txt'],
  )
})

test('what is packed by gzip is read as what it holds, once', () => {
  const root = join(folder, 'packed')
  mkdirSync(root)
  writeFileSync(join(root, 'a.jsonl.gz'), gzipSync('{"id":1}\n'))
  writeFileSync(join(root, 'b.json.gz'), gzipSync('[{"id":2}]'))
  writeFileSync(join(root, 'b.json'), '[{"id":2}]')
  assert.deepEqual(
    readEvalFiles(root).map((file) => [file.name, readRows(file)]),
    [
      ['a.jsonl', [{ id: 1 }]],
      ['b.json', [{ id: 2 }]],
    ],
  )
  assert.equal(readEvalFiles(join(root, 'a.jsonl.gz'))[0]?.name, 'a.jsonl')
  writeFileSync(join(root, 'cut.jsonl.gz'), gzipSync('{"id":1}\n').subarray(0, 12))
  assert.throws(() => readEvalFiles(root), { code: 'INPUT_ANSWERS_BROKEN' })
})

test('what macOS leaves in archives is passed over, a link to nothing is told', () => {
  const root = join(folder, 'mac')
  mkdirSync(join(root, '__MACOSX'), { recursive: true })
  const fork = Buffer.from([0x00, 0x05, 0x16, 0x07, 0xff, 0xfe])
  for (const name of ['._a.jsonl', '__MACOSX/._a.jsonl']) writeFileSync(join(root, name), fork)
  writeFileSync(join(root, 'a.jsonl'), '{}')
  assert.deepEqual(
    readEvalFiles(root).map(({ name }) => name),
    ['a.jsonl'],
  )
  symlinkSync(join(root, 'gone'), join(root, 'b.jsonl'))
  assert.throws(() => readEvalFiles(root), { code: 'INPUT_ANSWERS_MISSING' })
})

test('a formula without a value is the text that was written, one with a value is its value', () => {
  const cells = '<c r="A1"><f>A &amp; B</f><v></v></c><c r="B1"><f>1+1</f><v>2</v></c><c r="C1"/>'
  const parts = new Map([
    ['xl/workbook.xml', '<sheets><sheet name="s" r:id="rId1"/></sheets>'],
    ['xl/_rels/workbook.xml.rels', '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'],
    ['xl/worksheets/sheet1.xml', `<sheetData><row r="1">${cells}</row></sheetData>`],
  ])
  assert.deepEqual(readSheet(parts, 'f.xlsx'), [['=A & B', '2', '']])
})

test('nothing, an empty folder and a text that is not UTF-8 are refused', () => {
  mkdirSync(join(folder, 'empty'))
  writeFileSync(join(folder, 'latin.jsonl'), Buffer.from([0x7b, 0xe9, 0x7d]))
  for (const [name, code] of [
    ['none.jsonl', 'INPUT_ANSWERS_MISSING'],
    ['empty', 'INPUT_ANSWERS_MISSING'],
    ['latin.jsonl', 'INPUT_ANSWERS_BROKEN'],
  ] as const) {
    assert.throws(() => readEvalFiles(join(folder, name)), { code })
  }
})

test('a text that no string can hold is told as that, and of a large table pictures stay in the file', () => {
  const root = join(folder, 'large')
  mkdirSync(root)
  const sparse = (name: string, head: string, bytes: number) => {
    writeFileSync(join(root, name), head)
    truncateSync(join(root, name), bytes)
  }
  sparse('a.jsonl', '{}', LARGEST_TEXT + 1)
  sparse('b.jsonl', '{}', 2 ** 32)
  for (const name of ['a.jsonl', 'b.jsonl']) {
    assert.throws(() => readEvalFiles(join(root, name)), {
      code: 'INPUT_FILE_TOO_LARGE',
      message: new RegExp(`${name} should have at most ${LARGEST_TEXT} bytes of text`),
    })
  }
  const table = join(root, 'c.tsv')
  const row = `1\t${'A'.repeat(2 ** 20)}\n`
  writeFileSync(table, `index\timage\n${row.repeat(2 ** 7)}`)
  const [file] = readEvalFiles(table)
  const read = readRows(file!).map(({ image }) => typeof image)
  assert.deepEqual(
    read,
    Array.from({ length: 2 ** 7 }, () => 'function'),
  )
  rmSync(root, { recursive: true })
})

test('a broken line is named by its number, or counted where the original counts it', () => {
  const file = { name: 'a.jsonl', text: '{"a":1}\n\n{broken\n[1]\n' }
  assert.throws(() => readJsonLines(file), /line 3 of a\.jsonl.*cut off/)
  const python = { name: 'p.jsonl', text: '{"a": NaN}\n{"text": "Infinity"}\n' }
  assert.throws(() => readJsonLines(python), /line 1 of p\.jsonl.*NaN.* are no JSON: write null/)
  const broken = { count: 0 }
  assert.deepEqual(readJsonLines(file, broken), [{ a: 1 }])
  assert.equal(broken.count, 2)
})
