import assert from 'node:assert/strict'
import { test } from 'node:test'
import { convertImage, type ImageMode, type ModeImage } from './convert-image.ts'

function pixel(mode: ImageMode, data: ModeImage['data'], more: Partial<ModeImage> = {}): ModeImage {
  return { mode, data, width: 1, height: 1, ...more }
}

function rgb(image: ModeImage): number[] {
  return [...convertImage(image, 'RGB').data]
}

test('wide greys are clipped and not scaled', () => {
  assert.deepEqual(rgb(pixel('I;16', Uint16Array.of(40_000))), [255, 255, 255])
  assert.deepEqual(rgb(pixel('I', Int32Array.of(-7))), [0, 0, 0])
  assert.deepEqual(rgb(pixel('F', Float32Array.of(12.9))), [12, 12, 12])
})

test('alpha and transparency are dropped, the colours behind them stay', () => {
  assert.deepEqual(rgb(pixel('RGBA', Uint8Array.of(1, 2, 3, 0))), [1, 2, 3])
  const palette = Uint8Array.of(9, 8, 7)
  const keyed = pixel('P', Uint8Array.of(0), { palette, transparency: 0 })
  assert.deepEqual(rgb(keyed), [9, 8, 7])
  assert.deepEqual([...convertImage(keyed, 'RGBA').data], [9, 8, 7, 0])
})

test('pure inks give pure colours', () => {
  assert.deepEqual(rgb(pixel('CMYK', Uint8Array.of(255, 0, 0, 0))), [0, 255, 255])
  assert.deepEqual(rgb(pixel('CMYK', Uint8Array.of(0, 0, 0, 255))), [0, 0, 0])
})

test('a pair of modes without a way is refused by name', () => {
  const image = pixel('RGB', Uint8Array.of(1, 2, 3))
  assert.throws(() => convertImage(image, 'P'), {
    code: 'INPUT_IMAGE_MODE',
    message: /RGB is not converted to P/,
  })
  assert.throws(() => convertImage(image, 'LAB' as never), { code: 'INPUT_IMAGE_MODE' })
})
