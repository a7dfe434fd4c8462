import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { addLowRank } from './lora-product.ts'

const rng = new Rng(2)
const draw = (count: number) => Float32Array.from({ length: count }, () => rng.normal())

for (const [rows, rank, columns] of [
  [1, 1, 1],
  [3, 2, 15],
  [5, 16, 64],
  [7, 5, 33],
  [300, 8, 200],
] as const) {
  test(`${rows} × ${columns} of rank ${rank}: the product is added`, () => {
    const [target, b, a] = [draw(rows * columns), draw(rows * rank), draw(rank * columns)]
    const result = target.slice()
    addLowRank(result, b, a, { rank, scale: 0.5, columns })
    for (let n = 0; n < rows; n++) {
      for (let k = 0; k < columns; k++) {
        let sum = 0
        for (let r = 0; r < rank; r++) sum += b[n * rank + r]! * a[r * columns + k]!
        const expected = target[n * columns + k]! + 0.5 * sum
        assert.ok(Math.abs(result[n * columns + k]! - expected) <= 1e-5, `[${n},${k}]`)
      }
    }
  })
}
