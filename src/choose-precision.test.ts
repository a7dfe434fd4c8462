import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choosePrecision } from './choose-precision.ts'

const FACTS = {
  decoderElements: 34e9,
  visionWidth: 1024,
  hiddenSize: 7168,
  isInt8Exact: true,
}

function chosen(freeGib: number): [string, string] {
  const { name, reason } = choosePrecision('auto', { ...FACTS, freeBytes: freeGib * 2 ** 30 })
  return [name, reason]
}

// Once 4 bits in blocks of 32 were called the least there is, above a table in which those of 128 fitted.
test('where memory is short, auto says what leaves too little of it and which form takes the least', () => {
  const [roomy, roomyReason] = chosen(40)
  assert.equal(roomy, 'q4')
  assert.match(roomyReason, /40\.0 GiB free: int8 leaves too little beside it .*, 4 bits fit$/)
  const [tight, tightReason] = chosen(22)
  assert.equal(tight, 'q4')
  assert.match(tightReason, /even q4 leaves too little .*; q4b128 takes the least memory$/)
  assert.equal(chosen(60)[0], 'int8')
})
