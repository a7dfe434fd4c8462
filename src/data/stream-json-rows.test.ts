/** What is read row by row is what the index finds, and a fault names its row. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openJsonRows } from './json-rows.ts'
import { streamJsonRows } from './stream-json-rows.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-stream-'))
after(() => rmSync(root, { recursive: true }))
const path = join(root, 'rows.json')

async function read(text: string) {
  writeFileSync(path, text)
  const rows: unknown[] = []
  for await (const row of streamJsonRows(path)) rows.push(row)
  return rows
}

// Longer than a piece of the file, so that rows lie across the cuts.
const ROWS = Array.from({ length: 3000 }, (_, i) => ({
  id: i,
  text: `[{"é\\ "${'x'.repeat((i * 37) % 500)}`,
  nested: { list: [1, [2, '}']] },
}))

test('an array, and one object a line', async () => {
  for (const text of [
    JSON.stringify(ROWS),
    `\ufeff ${JSON.stringify(ROWS, null, 1)}\n`,
    ROWS.map((row) => `${JSON.stringify(row)}\n`).join('\n'),
    ROWS.map((row) => JSON.stringify(row)).join('\r\n'),
  ]) {
    assert.deepEqual(await read(text), ROWS)
    const rows = await openJsonRows(path)
    assert.equal(rows.length, ROWS.length)
    await rows.close()
  }
})

test('what is broken is refused with its row', async () => {
  await assert.rejects(read('{"a":1}\n{"a":'), /row 1/)
  await assert.rejects(read('[{"a":1},7]'), /row 1 .*7 came/)
  await assert.rejects(read('{"a":1}\n{"a":NaN}'), /row 1 .*NaN and Infinity, which Python writes/)
  await assert.rejects(read('[{"a":1}'), /does not end/)
  await assert.rejects(read(''), /empty/)
})
