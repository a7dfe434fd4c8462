import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float16ToNumber } from '../core/dtype.ts'
import { Rng } from '../core/rng.ts'
import { blockBytes, dequantizeBlocks, type BlockForm } from './dequantize-kernel.ts'

const FORMS: Readonly<Record<string, BlockForm>> = {
  Q4_0: { bits: 4, hasMinimum: false },
  Q4_1: { bits: 4, hasMinimum: true },
  Q5_0: { bits: 5, hasMinimum: false },
  Q5_1: { bits: 5, hasMinimum: true },
  Q8_0: { bits: 8, hasMinimum: false },
}
const BYTES = { Q4_0: 18, Q4_1: 20, Q5_0: 22, Q5_1: 24, Q8_0: 34 }

/** Every kind of float16 as a scale: zeros, subnormals, the largest, infinities and NaN. */
const SCALES = [
  0, 0x8000, 1, 0x83ff, 0x0400, 0x3c00, 0xbc01, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00,
]

for (const [name, form] of Object.entries(FORMS)) {
  test(`${name}: values are those of the formula, bit for bit`, () => {
    const size = blockBytes(form)
    assert.equal(size, BYTES[name as keyof typeof BYTES])
    const rng = new Rng(3)
    // More than one chunk of the kernel, and no whole number of them.
    const blocks = Uint8Array.from({ length: 1500 * size }, () => Math.floor(rng.uniform() * 256))
    const view = new DataView(blocks.buffer)
    SCALES.forEach((scale, i) => view.setUint16(i * size, scale, true))
    const target = new Float32Array(1500 * 32)
    assert.equal(dequantizeBlocks(form, blocks, target), target)
    const expected = Float32Array.from({ length: target.length }, (_, i) =>
      formula(form, blocks.subarray((i >> 5) * size, ((i >> 5) + 1) * size), i & 31),
    )
    // deepEqual takes no NaN of an array for another.
    const at = target.findIndex((value, i) => !Object.is(value, expected[i]))
    assert.equal(at, -1, `element ${at}: ${target[at]}, not ${expected[at]}`)
  })
}

/** In float64, rounded when it is stored. */
function formula({ bits, hasMinimum }: BlockForm, block: Uint8Array, index: number): number {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const d = float16ToNumber(view.getUint16(0, true))
  const m = hasMinimum ? float16ToNumber(view.getUint16(2, true)) : 0
  const at = hasMinimum ? 4 : 2
  if (bits === 8) return d * view.getInt8(at + index)
  const values = at + (bits === 5 ? 4 : 0)
  const nibble = (block[values + (index & 15)]! >> (index < 16 ? 0 : 4)) & 15
  const fifth = bits === 5 ? (view.getUint32(at, true) >>> index) & 1 : 0
  const q = nibble + 16 * fifth
  return hasMinimum ? d * q + m : d * (q - 2 ** (bits - 1))
}
