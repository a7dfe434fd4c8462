import assert from 'node:assert/strict'
import { test } from 'node:test'

import { float32ToBfloat16, float32ToFloat16, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import type { HostTensor } from '../core/tensor.ts'
import { assertFinite } from './assert-finite.ts'

const narrow: { readonly [D in DType]?: (values: Float32Array) => HostTensor['data'] } = {
  float64: (values) => Float64Array.from(values),
  float32: (values) => values,
  float16: (values) => float32ToFloat16(values),
  bfloat16: (values) => float32ToBfloat16(values),
}

for (const [dtype, convert] of Object.entries(narrow)) {
  test(`${dtype}: one NaN or infinity anywhere is found, with its place`, () => {
    for (const columns of [1, 2, 3, 7, 4099]) {
      const shape = [3, columns]
      for (const value of [NaN, Infinity, -Infinity]) {
        for (const at of [0, 1, columns, 3 * columns - 1]) {
          const values = Float32Array.from({ length: 3 * columns }, (_, i) =>
            i % 2 ? -65504 : 65504,
          )
          values[at] = value
          const place = `${value} came at \\[${Math.floor(at / columns)},${at % columns}\\]`
          const data = convert(values)
          for (const view of [data, shifted(data)]) {
            assert.throws(
              () => assertFinite({ dtype: dtype as DType, shape, data: view }, 'a.weight', 'x.bin'),
              (error) => error instanceof CheckpointError && new RegExp(place).test(error.message),
            )
          }
        }
      }
    }
  })

  test(`${dtype}: the largest and smallest finite numbers pass`, () => {
    const values = Float32Array.of(65504, -65504, 2 ** -24, 0, -0, 1, 2 ** -14)
    const data = convert(values)
    for (const view of [data, shifted(data), data.subarray(0, 0)]) {
      assertFinite({ dtype: dtype as DType, shape: [view.length], data: view }, 'a', 'x')
    }
  })
}

test('integers are never looked at', () => {
  const data = Int32Array.of(0x7f800000, -1)
  assertFinite({ dtype: 'int32', shape: [2], data }, 'a', 'x')
})

/** The same elements one element further in their buffer: 16-bit views then begin in the middle of a word. */
function shifted(data: HostTensor['data']): HostTensor['data'] {
  const width = data.BYTES_PER_ELEMENT
  const buffer = new ArrayBuffer((data.length + 1) * width)
  new Uint8Array(buffer, width).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  const array = data.constructor as new (buffer: ArrayBuffer, offset: number) => HostTensor['data']
  return new array(buffer, width)
}
