import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { openJsonRows } from './json-rows.ts'
import { scratchFolder } from './scratch.cases.ts'

const { write } = scratchFolder()

async function rowsOf(path: string): Promise<unknown[]> {
  const rows = await openJsonRows(path)
  try {
    return await Promise.all(
      Array.from({ length: rows.length }, (_, i) => rows.read(i, `row ${i}`)),
    )
  } finally {
    await rows.close()
  }
}

const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 8 })

test('the rows of an array are its elements, however it is written', async () => {
  const indents = fc.constantFrom<string | number>('', 1, '\t')
  await fc.assert(
    fc.asyncProperty(objects, indents, async (list, indent) => {
      const text = JSON.stringify(list, null, indent)
      assert.deepEqual(await rowsOf(write('any.json', text)), JSON.parse(text))
    }),
    { numRuns: 60 },
  )
})

test('the rows of a file of lines are its lines, blank ones left out', async () => {
  const ends = fc.constantFrom('\n', '\r\n', '\n \n\n')
  await fc.assert(
    fc.asyncProperty(objects, ends, fc.boolean(), async (list, end, isEnded) => {
      fc.pre(list.length > 0)
      const text = list.map((row) => JSON.stringify(row)).join(end) + (isEnded ? end : '')
      assert.deepEqual(await rowsOf(write('any.jsonl', text)), JSON.parse(JSON.stringify(list)))
    }),
    { numRuns: 60 },
  )
})

test('rows may lie across the pieces that the file is read in', async () => {
  const list = Array.from({ length: 40 }, (_, i) => ({ i, text: `]},"\\${'é[{'.repeat(30_000)}` }))
  assert.deepEqual(await rowsOf(write('long.json', list)), list)
  const lines = list.map((row) => JSON.stringify(row)).join('\n')
  assert.deepEqual(await rowsOf(write('long.jsonl', lines)), list)
})

// The row was quarantined as no JSON, and the original learns from it.
test('numbers that Python alone takes for JSON are read as it reads them', async () => {
  const text = '{"id": "NaN, ", "score": NaN, "range": [-Infinity, Infinity]}'
  const row = { id: 'NaN, ', score: Number.NaN, range: [-Infinity, Infinity] }
  assert.deepEqual(await rowsOf(write('python.json', `[${text}]`)), [row])
  assert.deepEqual(await rowsOf(write('python.jsonl', text)), [row])
  await assert.rejects(rowsOf(write('cut.jsonl', '{"score": NaN')), { reason: 'unreadable' })
})

test('a byte order mark in front is no part of the data', async () => {
  assert.deepEqual(await rowsOf(write('mark.json', '\ufeff[{"a":1}]')), [{ a: 1 }])
  assert.deepEqual(await rowsOf(write('mark.jsonl', '\ufeff{"a":1}\n{"a":2}')), [
    { a: 1 },
    { a: 2 },
  ])
})

test('a broken row does not touch its neighbours', async () => {
  const array = '[{"a":1},{"a":nothing},7,,{"a":2}]'
  const lines = '{"a":1}\n{"a":\n7\n"x\n{"a":2}\n'
  for (const path of [write('broken.json', array), write('broken.jsonl', lines)]) {
    const rows = await openJsonRows(path)
    assert.equal(rows.length, 5)
    assert.deepEqual(await rows.read(0, ''), { a: 1 })
    await assert.rejects(rows.read(1, 'row 1'), {
      code: 'INPUT_RECORD_UNREADABLE',
      message: /^row 1: /,
    })
    await assert.rejects(rows.read(2, 'row 2'), { code: 'INPUT_RECORD_STRUCTURE' })
    await assert.rejects(rows.read(3, 'row 3'), { code: 'INPUT_RECORD_UNREADABLE' })
    assert.deepEqual(await rows.read(4, ''), { a: 2 })
    await rows.close()
  }
})

test('text that is no UTF-8 is a broken row, not replaced characters', async () => {
  const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')])
  const rows = await openJsonRows(write('latin.jsonl', bytes))
  await assert.rejects(rows.read(0, 'row'), { reason: 'unreadable', message: /no UTF-8/ })
  await rows.close()
})

test('an array that does not end, or goes on after its end, is refused as a whole', async () => {
  const cases = [
    ['[{"a":1},{"a":2', /is in record 1/],
    ['[{"a":1}', /is in record 0/],
    ['[{"a":1},', /after record 0/],
    ['[{"a":"]}]', /is in record 0/],
    ['[{"a":1}]{"b":2}', /follows the closing bracket/],
    ['', /it is empty/],
    ['{\n"a": [1]\n}', /its first record is neither/],
  ] as const
  for (const [text, message] of cases) {
    await assert.rejects(openJsonRows(write('cut.json', text)), {
      code: 'INPUT_DATA_BROKEN',
      message,
    })
  }
  await assert.rejects(openJsonRows('nowhere.json'), { code: 'INPUT_DATA_MISSING' })
})

test('the hash is that of the bytes, and opening can be stopped', async () => {
  const path = write('some.json', '[{"a":1}]')
  const rows = await openJsonRows(path)
  assert.equal(rows.sha256, createHash('sha256').update('[{"a":1}]').digest('hex'))
  await rows.close()
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(openJsonRows(path, { signal }), { message: 'enough' })
})
