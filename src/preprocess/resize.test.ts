import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../core/rng.ts'
import type { Channels, Image } from './image.ts'
import { fixedKernel, type SmoothFilter } from './resample-kernel.ts'
import { openScalarPasses } from './resample-scalar.ts'
import { openSimdPasses } from './resample-simd.ts'
import { resample, type PassPlan } from './resample.ts'
import { passOrder, resizeImage, type ResizeOrder } from './resize.ts'

const side = fc.integer({ min: 1, max: 90 })
const filter = fc.constantFrom<SmoothFilter>('box', 'bilinear', 'hamming', 'bicubic', 'lanczos')

function noise(width: number, height: number, channels: Channels, seed = 1): Image {
  const rng = new Rng(seed)
  const data = Uint8Array.from({ length: width * height * channels }, () => rng.integer(256))
  return { data, width, height, channels }
}

test('SIMD passes equal plain loops', () => {
  fc.assert(
    fc.property(side, side, side, side, filter, (width, height, toWidth, toHeight, name) => {
      const image = noise(width, height, 3, width * 97 + height)
      const axis = (inputs: number, outputs: number) =>
        fixedKernel(name, { inputs, outputs, from: 0, to: inputs, start: 0, count: outputs })
      const rows = axis(height, toHeight)
      const columns = axis(width, toWidth)
      const bias = new Int32Array(toWidth * 3).fill(1 << 21)
      const plan: PassPlan = { channels: 3, rowBytes: width * 3, columns, bias, rows }
      const [simd, scalar] = [openSimdPasses(plan)!, openScalarPasses(plan)].map((passes) => {
        for (let row = rows.first; row < rows.last; row++) {
          passes.band.set(image.data.subarray(row * width * 3, (row + 1) * width * 3))
          passes.horizontal(1, row - rows.first)
        }
        return passes.vertical()
      })
      assert.deepEqual(simd, scalar)
    }),
    { numRuns: 60 },
  )
})

test('a window is the cut of the whole', () => {
  fc.assert(
    fc.property(side, side, filter, fc.boolean(), (width, height, name, isTall) => {
      const image = noise(width, height, 3)
      const size = { width: 40, height: 30 }
      const window = { left: 7, top: 11, width: 20, height: 13 }
      const order = isTall ? 'verticalFirst' : 'horizontalFirst'
      const whole = resample({ image, size, filter: name, order })
      const part = resample({ image, size, window, filter: name, order })
      for (let row = 0; row < window.height; row++) {
        const from = ((window.top + row) * size.width + window.left) * 3
        const line = part.subarray(row * window.width * 3, (row + 1) * window.width * 3)
        assert.deepEqual(line, whole.subarray(from, from + window.width * 3))
      }
    }),
    { numRuns: 40 },
  )
})

test('a picture on a canvas equals the padded picture', () => {
  fc.assert(
    fc.property(side, side, filter, (width, height, name) => {
      const image = noise(width, height, 3)
      const edge = Math.max(width, height)
      const [left, top] = [Math.floor((edge - width) / 2), Math.floor((edge - height) / 2)]
      const colour = [122, 116, 104]
      const padded = Uint8Array.from({ length: edge * edge * 3 }, (_, i) => colour[i % 3]!)
      for (let row = 0; row < height; row++) {
        const line = image.data.subarray(row * width * 3, (row + 1) * width * 3)
        padded.set(line, ((top + row) * edge + left) * 3)
      }
      const size = { width: 33, height: 33 }
      const canvas = { width: edge, height: edge, left, top, colour }
      const square: Image = { data: padded, width: edge, height: edge, channels: 3 }
      assert.deepEqual(
        resample({ image, canvas, size, filter: name }),
        resample({ image: square, size, filter: name }),
      )
    }),
    { numRuns: 40 },
  )
})

test('a flat colour stays that colour at every size and channel count', () => {
  fc.assert(
    fc.property(
      side,
      side,
      filter,
      fc.integer({ min: 0, max: 255 }),
      (width, height, name, value) => {
        for (const channels of [1, 2, 3, 4] as const) {
          const data = new Uint8Array(width * height * channels).fill(value)
          const resized = resizeImage(
            { data, width, height, channels },
            { width: 21, height: 34, filter: name, isPremultiplied: true },
          )
          assert.ok(resized.data.every((sample) => sample === value))
        }
      },
    ),
    { numRuns: 25 },
  )
})

test('the same size gives a copy', () => {
  const image = noise(5, 4, 3)
  const copy = resizeImage(image, { width: 5, height: 4 })
  assert.deepEqual(copy.data, image.data)
  assert.notEqual(copy.data.buffer, image.data.buffer)
})

test('Pillow 13 goes vertically first only where much height is lost', () => {
  assert.equal(
    passOrder('pillow13', { width: 20, height: 40 }, { width: 13, height: 6 }),
    'verticalFirst',
  )
  assert.equal(
    passOrder('pillow13', { width: 40, height: 40 }, { width: 20, height: 20 }),
    'horizontalFirst',
  )
  assert.equal(
    passOrder('classic', { width: 20, height: 40 }, { width: 13, height: 6 }),
    'horizontalFirst',
  )
})

test('a strip a hundred times as tall as wide is resized as Pillow 10.4, 12.3 and 13.0 do', () => {
  const data = Uint8Array.from({ length: 3 * 301 * 3 }, (_, i) => (i * i * 7 + i * 13) % 251)
  const strip: Image = { data, width: 3, height: 301, channels: 3 }
  const horizontalFirst = 'f4ad4cbd8d61301142385ea7b662941786669aaaa6f6da3c6979de8681705f15'
  const verticalFirst = '4a927452dcc45ab1fa5d360872dc82deae5b9c68e4cef53be97d536d34aee3b4'
  const hashOf = (order: ResizeOrder) => {
    const resized = resizeImage(strip, { width: 20, height: 20, order })
    return createHash('sha256').update(resized.data).digest('hex')
  }
  assert.equal(hashOf('classic'), horizontalFirst)
  assert.equal(hashOf('pillow12'), verticalFirst)
  assert.equal(hashOf('pillow13'), verticalFirst)
  const size = { width: 20, height: 20 }
  assert.equal(passOrder('pillow12', { width: 3, height: 300 }, size), 'horizontalFirst')
  assert.equal(
    passOrder('pillow12', { width: 1, height: 101 }, { width: 1, height: 101 }),
    'horizontalFirst',
  )
})

test('all faults of the options are said at once', () => {
  const image = noise(4, 4, 3)
  const options = { width: 0, height: 3, filter: 'cubic', box: [0, 0, 9, 4], reducingGap: 0.5 }
  assert.throws(
    () => resizeImage(image, options as never),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'INPUT_RESIZE_OPTION')
      for (const word of ['width', 'filter', 'box', 'reducingGap'])
        assert.match(error.message, new RegExp(word))
      return true
    },
  )
  const box = [0n, 0, 9, 4] as never
  assert.throws(() => resizeImage(image, { width: 2, height: 2, box }), /not \[0n, 0, 9, 4\]\.$/)
  assert.throws(() => resizeImage(image, { width: 2, height: 2, fliter: 'box' } as never), {
    code: 'INPUT_UNKNOWN_OPTION',
  })
  assert.throws(() => resizeImage({ ...image, width: 5 }, { width: 2, height: 2 }), {
    code: 'INPUT_IMAGE_SHAPE',
  })
})
