import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRows } from './eval-file.ts'
import { score } from './score.ts'

test('tables with quotes, line feeds in cells and either line ending are read', () => {
  const text = 'index,prediction\r\n\r\n1,"a ""b"",\nc"\r\n2,\r\n\r\n'
  const rows = [
    { index: '1', prediction: 'a "b",\nc' },
    { index: '2', prediction: '' },
  ]
  assert.deepEqual(readRows({ name: 'a.csv', text }), rows)
  assert.deepEqual(readRows({ name: 'a.tsv', text: 'index\tprediction\n1\ta, b' }), [
    { index: '1', prediction: 'a, b' },
  ])
  assert.throws(() => readRows({ name: 'a.csv', text: 'x,x\n1,2' }), {
    code: 'INPUT_ANSWERS_BROKEN',
  })
})

test('a cell that begins with a quote and has text behind it keeps every character', () => {
  // It lost its first and its last one.
  const text = 'index\tprediction\n1\t"Yes" it is\n2\t"open\n3\t""\n4\t"A\tB"\n'
  assert.deepEqual(
    readRows({ name: 'a.tsv', text }).map((row) => row['prediction']),
    ['"Yes" it is', '"open', '', 'A\tB'],
  )
})

const broken = (message: RegExp) => ({ code: 'INPUT_ANSWERS_BROKEN', message })

test('a table that is cut off in a row is refused with its line, wherever the cut is', () => {
  const text = 'index,question,prediction\n0,"q, one","a cat"\n1,q two,"a dog,\nor two"\n'
  const whole = readRows({ name: 'a.csv', text })
  const ends = [...text.matchAll(/"\n|prediction\n/g)].map(
    ({ index, 0: end }) => index + end.length,
  )
  for (let cut = text.indexOf('\n') + 1; cut < text.length; cut++) {
    const read = () => readRows({ name: 'a.csv', text: text.slice(0, cut) })
    const rows = ends.findIndex((end) => cut === end || cut === end - 1)
    // The last cell may be empty.
    if (text.slice(cut, cut + 3) === '"a ') assert.equal(read().at(-1)?.['prediction'], '')
    else if (rows >= 0) assert.deepEqual(read(), whole.slice(0, rows))
    else assert.throws(read, broken(/line [234] of a\.csv .*cut off\?/), `cut at ${cut}`)
  }
})

test('a torn row is no right answer', async () => {
  // Its truth and its answer were both empty, and so equal.
  const text = 'index,question,answer,prediction\n0,"q, one",cat,cat\n1,q two,dog,cat\n2,"q thr'
  const scored = (table: string) => score('gqa', { answers: [{ name: 'a.csv', text: table }] })
  await assert.rejects(scored(text), broken(/line 4 of a\.csv has a cell whose quotes do not end/))
  await assert.rejects(
    scored(text.replace('"q thr', 'q th')),
    broken(/should have 4 cells.* has 2/),
  )
  const { metrics, counts } = await scored(text.replace('2,"q thr', '2,q three,,'))
  assert.deepEqual([metrics[0]?.value, counts.extra], [50, 1])
})

test('a row with a separator too many is refused, one of empty cells is none', () => {
  const read = (text: string) => readRows({ name: 'a.tsv', text })
  assert.throws(
    () => read('index\tA\tB\n\n1\tx\ty\n2\tx\ty\tz\n'),
    broken(/line 4 of a\.tsv should have 3 cells, as its header, it has 4; is a separator/),
  )
  assert.deepEqual(read('index\tA\n1\tx\n\t\n2\ty\n').length, 2)
  const cells = [['index', 'A', 'B'], ['1', 'x'], [], ['', '', ''], ['2']]
  assert.deepEqual(
    readRows({ name: 'a.xlsx', text: '', cells }).map(({ index }) => index),
    ['1', '2'],
  )
})
