import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { BLOCK_TYPES, encodeBlocks, type BlockType } from './block-search.ts'
import { WRITTEN_GGML_TYPES } from './ggml-quantize.ts'
import { GGML_TYPES } from './ggml-types.ts'

const rng = new Rng(11)
const values = Float32Array.from({ length: 32 * 200 }, () => rng.normal() ** 3)

function decode(type: BlockType, bytes: Uint8Array): Float32Array {
  const found = [...GGML_TYPES.values()].find(({ name }) => name === type)
  return found!.dequantize!(bytes)
}

function error(decoded: Float32Array, weights: (i: number) => number = () => 1): number {
  return decoded.reduce((sum, value, i) => sum + weights(i) * (value - values[i]!) ** 2, 0)
}

test('a search errs less than the reference, and more bits less than fewer', () => {
  const errors = BLOCK_TYPES.map((type) => error(decode(type, encodeBlocks(type, values))))
  const reference = error(decode('Q4_0', WRITTEN_GGML_TYPES.Q4_0.encode(values)))
  const [q40, q41, q50, q51, q80] = errors as [number, number, number, number, number]
  assert.ok(q40 < 0.95 * reference, `${q40} of ${reference}`)
  assert.ok(q41 < q40 && q50 < q41 && q51 < q50 && q80 < q51, errors.join())
})

for (const type of BLOCK_TYPES) {
  test(`${type}: constant and empty blocks are kept`, () => {
    const constant = new Float32Array(64).fill(0.5, 32)
    const decoded = decode(type, encodeBlocks(type, constant))
    decoded.forEach((value, i) =>
      assert.ok(Math.abs(value - constant[i]!) <= 1e-2, `${i}: ${value}`),
    )
  })
}

test('columns that count more are met better', () => {
  const importance = Float32Array.from({ length: 64 }, (_, i) => (i % 4 === 0 ? 100 : 1))
  const weigh = (i: number) => importance[i % 64]!
  for (const type of ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'] as const) {
    const plain = error(decode(type, encodeBlocks(type, values)), weigh)
    const weighted = error(decode(type, encodeBlocks(type, values, importance)), weigh)
    assert.ok(weighted < plain, `${type}: ${weighted} is not below ${plain}`)
  }
})
