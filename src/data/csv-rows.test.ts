/** Tables come back as they were written, wherever the file is cut into pieces. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { readCsvRows } from './csv-rows.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-csv-'))
after(() => rmSync(root, { recursive: true }))

async function read(text: string, name = 'a.csv') {
  writeFileSync(join(root, name), text)
  const rows: Record<string, unknown>[] = []
  for await (const row of readCsvRows(join(root, name))) rows.push({ ...row })
  return rows
}

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`

test('any cells, quoted, come back', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r', ' ', '🙂') })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1 }), async (rows) => {
      const lines = [['x', 'y'], ...rows].map((row) => row.map(quoted).join(','))
      assert.deepEqual(
        await read(lines.join('\r\n')),
        rows.map(([x, y]) => ({ x, y })),
      )
    }),
    { numRuns: 100 },
  )
})

test('a file of many pieces, plain cells, tabs and a mark at its beginning', async () => {
  const rows = Array.from({ length: 30_000 }, (_, i) => [`picture-${i}.jpg`, `ä "${i}"`])
  const text = `\ufefffile\ttext\n${rows.map((row) => row.join('\t')).join('\n')}\n\n`
  const got = await read(text, 'a.tsv')
  assert.equal(got.length, rows.length)
  assert.deepEqual(got[12_345], { file: 'picture-12345.jpg', text: 'ä "12345"' })
})

test('rows of another length, open quotes, other encodings and empty files are refused', async () => {
  await assert.rejects(read('a,b\n1\n'), /row 1 has 1 cells, 2 are named/)
  await assert.rejects(read('a,b\n1,"2\n'), /a quote is not closed/)
  await assert.rejects(read('a,b,a\n1,2,3\n'), /two of its columns are named a;/)
  await assert.rejects(read('a,b\n\n'), /it has no rows below the names of its columns/)
  assert.deepEqual(await read('a,,\n1,2,3\n'), [{ a: '1', '': '3' }])
  await assert.rejects(read(''), { code: 'INPUT_DATA_BROKEN' })
  writeFileSync(join(root, 'latin.csv'), Buffer.from('a\n\xe9\n', 'latin1'))
  await assert.rejects(async () => {
    for await (const row of readCsvRows(join(root, 'latin.csv'))) assert.ok(row)
  }, /UTF-8/)
})
