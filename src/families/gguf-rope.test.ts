/** Divisors as llama.cpp's converter writes them are Llama 3.1's bands; others are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { rotaryFrequencies } from '../layers/rotary.ts'
import { llama3Scaling } from './gguf-rope.ts'

/** `generate_extra_tensors` in float64, written down as it is there. */
function converted(theta: number, headDim: number, factor: number, high = 4): Float32Array {
  const [context, low] = [8192, 1]
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim)
    if (wavelength < context / high) return 1
    if (wavelength > context / low) return factor
    const smooth = (context / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}

for (const [headDim, factor] of [
  [128, 8],
  [64, 32],
] as const) {
  test(`heads of ${headDim}, stretched ${factor} times`, () => {
    const divisors = converted(500000, headDim, factor)
    const scaling = llama3Scaling(divisors, 500000) as Record<string, number>
    assert.equal(scaling['rope_type'], 'llama3')
    assert.equal(scaling['factor'], factor)
    const bands = { factor, low: 1, high: 4, context: 8192 }
    const plain = rotaryFrequencies({ theta: 500000, factor: 1 }, headDim)
    rotaryFrequencies({ theta: 500000, factor: 1, bands }, headDim).forEach((frequency, i) => {
      const wanted = plain[i]! / divisors[i]!
      assert.ok(Math.abs(frequency / wanted - 1) < 1e-5, `${i}`)
    })
  })
}

test('ones change nothing, and other bands are refused', () => {
  assert.equal(llama3Scaling(new Float32Array(32).fill(1), 10000), null)
  for (const divisors of [converted(500000, 128, 8, 5), new Float32Array(64).fill(2), [0, NaN]]) {
    assert.throws(() => llama3Scaling(divisors, 500000), ConfigError)
  }
})
