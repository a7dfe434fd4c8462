/** A table whose pictures stay in its file asks what the same table asks as a text. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { readRows, type EvalFile } from './eval-file.ts'
import { readLargeTable } from './large-table-node.ts'
import { pictureField } from './llava-questions.ts'
import type { Picture } from './question.ts'
import { hashFiles } from './recipe-hash.ts'
import { findBenchmark } from './score.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-table-'))
after(() => rmSync(folder, { recursive: true }))

function written(name: string, text: string): { whole: EvalFile; large: EvalFile } {
  const path = join(folder, name)
  writeFileSync(path, text)
  // As a file's text is decoded.
  return {
    whole: { name, text: text.replace(/^\ufeff/, '') },
    large: readLargeTable({ path, name }),
  }
}

const rng = new Rng(7)
const base64 = (bytes: number, form: 'base64' | 'base64url' = 'base64') =>
  Buffer.from(Uint8Array.from({ length: bytes }, () => rng.integer(256))).toString(form)

/** What an engine is given of a cell, or what its question is told. */
async function opened(cell: unknown): Promise<unknown[]> {
  const read = async (one: Picture) => (typeof one === 'function' ? one() : one)
  return Promise.all(pictureField(cell).map((one) => read(one).catch(String)))
}

test('rows, pictures, texts and the hash are the same, whatever a cell holds', async () => {
  // Longer than what is read at a time.
  const large = Buffer.alloc(9_000_000, 'any bytes').toString('base64')
  const images = [
    large,
    base64(5000, 'base64url'),
    `data:image/png;base64,${base64(4000)}`,
    base64(300),
    '1',
    'photo.jpg',
    '',
    `['${base64(4000)}', '${base64(300)}', "${base64(5000)}"]`,
    `"${base64(4000)}"`,
    `${base64(4000)}*${base64(4000)}`,
  ]
  const texts = ['naïve 東京 🙂', 'a'.repeat(9000), `"one ""${'b'.repeat(5000)}"" two"`]
  for (const [name, separator] of [
    ['a.tsv', '\t'],
    ['a.csv', ','],
  ] as const) {
    const isQuoted = (cell: string) => separator === ',' && cell.includes(',')
    const rows = images.map((image, i) => [
      i,
      texts[i % texts.length],
      isQuoted(image) ? `"${image.replaceAll('"', '""')}"` : image,
    ])
    const table = [['\ufeffindex', 'question', 'image'], ...rows].map((row) => row.join(separator))
    const both = written(name, `${table.join('\r\n')}\r\n`)
    const [expected, came] = [readRows(both.whole), readRows(both.large)]
    assert.deepEqual(
      came.map(({ image: _image, ...row }) => row),
      expected.map(({ image: _image, ...row }) => row),
    )
    for (const [i, { image }] of came.entries())
      assert.deepEqual(await opened(image), await opened(expected[i]?.['image']), `${name} ${i}`)
    assert.equal(typeof came[0]?.['image'], 'function')
    assert.equal(await hashFiles([both.large]), await hashFiles([both.whole]))
  }
})

test('MMBench and ChartQA take the pictures of other rows by their index', async () => {
  const picture = base64(4000)
  const head = ['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'answer', 'split', 'image']
  const rows = [
    ['7', 'Q?', '', 'x', 'y', '', '', 'A', 'test_human', picture],
    ['1000007', 'Q?', '', 'y', 'x', '', '', 'B', 'test_human', '7'],
  ]
  const { large } = written('index.tsv', [head, ...rows].map((row) => row.join('\t')).join('\n'))
  for (const name of ['mmbench', 'chartqa']) {
    const asked = findBenchmark(name).ask!.questions([large])
    for (const { images } of asked)
      assert.deepEqual(await opened(images), [new Uint8Array(Buffer.from(picture, 'base64'))])
  }
})

test('what is no UTF-8, and a row that was cut off, are told as of any table', () => {
  const picture = base64(4000)
  const table = Buffer.from(`index\tquestion\timage\n1\té\t${picture}\n2\tq\n`)
  const path = join(folder, 'broken.tsv')
  writeFileSync(path, table)
  const read = () => readLargeTable({ path, name: 'broken.tsv' })
  assert.throws(read, { message: /line 3 of broken\.tsv should have 3 cells/ })
  const at = table.indexOf('é')
  for (const bytes of [
    table.subarray(0, at + 1),
    Buffer.concat([table.subarray(0, at + 1), table.subarray(at + 2)]),
  ]) {
    writeFileSync(path, bytes)
    assert.throws(read, { code: 'INPUT_ANSWERS_BROKEN', message: /broken\.tsv should be UTF-8/ })
  }
})
