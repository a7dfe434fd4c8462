import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float32ToBfloat16, float32ToFloat16 } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { EmbeddingTable } from './embedding-table.ts'

const VALUES = Float32Array.of(1, 2, 3, 4, -0.5, 0)

function rows(table: HostTensor, ...ids: number[]): number[] {
  const target = new Float32Array(ids.length * 2)
  new EmbeddingTable(table).copyRows(ids, target)
  return [...target]
}

test('rows are those of the file, in float32', () => {
  for (const table of [
    hostTensor('float32', [3, 2], VALUES),
    hostTensor('float64', [3, 2], Float64Array.from(VALUES)),
    hostTensor('float16', [3, 2], float32ToFloat16(VALUES)),
    hostTensor('bfloat16', [3, 2], float32ToBfloat16(VALUES)),
  ]) {
    assert.deepEqual(rows(table, 2, 0, 2), [-0.5, 0, 1, 2, -0.5, 0])
  }
})

test('another type, and numbers that are none, are refused by name', () => {
  const refused = (table: HostTensor, code: string) =>
    assert.throws(
      () => rows(table, 0),
      (error) =>
        error instanceof CheckpointError &&
        error.code === code &&
        error.message.includes('decoder.embedTokens.weight (the checkpoint)'),
    )
  refused(hostTensor('int8', [3, 2], new Int8Array(6)), 'CHECKPOINT_DTYPE')
  refused(hostTensor('float32', [1, 2], Float32Array.of(0, NaN)), 'CHECKPOINT_NOT_FINITE')
  refused(hostTensor('float16', [1, 2], Uint16Array.of(0x7c00, 0)), 'CHECKPOINT_NOT_FINITE')
})

test('rows are checked as they are used', () => {
  const data = new Float32Array(8)
  data[7] = Infinity
  const table = new EmbeddingTable(hostTensor('float32', [4, 2], data))
  const target = new Float32Array(2)
  table.copyRows([2], target)
  assert.throws(
    () => table.copyRows([3], target),
    (error) => error instanceof CheckpointError && error.message.includes('row 3 has others'),
  )
})

test('an id without a row is our own mistake', () => {
  assert.throws(
    () => rows(hostTensor('float32', [3, 2], VALUES), 3),
    /^Error: internal: token id 3 has no row/,
  )
})
