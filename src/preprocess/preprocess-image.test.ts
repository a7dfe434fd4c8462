import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../core/rng.ts'
import type { RgbImage } from './image.ts'
import { withFit, type ImageProcessor } from './image-processor.ts'
import { countImageTokens, imageTokenConfig, parsePatchMerge } from './image-tokens.ts'
import { parseImageProcessor } from './parse-image-processor.ts'
import { preprocessImage } from './preprocess-image.ts'
import { resizeImage } from './resize.ts'

const crop = parseImageProcessor({
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 28 },
  crop_size: 28,
})
const anyres = parseImageProcessor({
  image_processor_type: 'LlavaNextImageProcessor',
  size: { shortest_edge: 28 },
  crop_size: 28,
  image_grid_pinpoints: [
    [28, 56],
    [56, 28],
    [56, 56],
  ],
})

function noise(width: number, height: number): RgbImage {
  const rng = new Rng(width * 31 + height)
  const data = Uint8Array.from({ length: width * height * 3 }, () => rng.integer(256))
  return { data, width, height, channels: 3 }
}

function flat(width: number, height: number, colour: readonly number[]): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3]!)
  return { data, width, height, channels: 3 }
}

test('tiles are as many as the token count says, at every size', () => {
  const side = fc.integer({ min: 1, max: 120 })
  const tokens = imageTokenConfig({
    tile: anyres.tile,
    patchSize: 14,
    tiling: anyres.tiling,
    merge: parsePatchMerge('spatial_unpad'),
  })
  fc.assert(
    fc.property(side, side, (width, height) => {
      const { tiles, pixelValues } = preprocessImage(noise(width, height), anyres)
      assert.equal(tiles.shape[0], countImageTokens({ width, height }, tokens).tiles)
      assert.deepEqual(pixelValues.shape, [tiles.shape[0], 3, 28, 28])
      assert.equal(tiles.data.length, pixelValues.data.length)
    }),
    { numRuns: 40 },
  )
})

test('pixel values are the normalised samples, channels first', () => {
  const { tiles, pixelValues } = preprocessImage(noise(28, 28), crop)
  const { mean, std } = crop.normalise!
  for (const [channel, pixel] of [
    [0, 0],
    [1, 5],
    [2, 783],
  ] as const) {
    const sample = Math.fround(tiles.data[pixel * 3 + channel]! / 255)
    const expected = (sample - mean[channel]!) / std[channel]!
    assert.ok(Math.abs(pixelValues.data[channel * 784 + pixel]! - expected) < 1e-6)
  }
})

test('the fit decides what happens to a picture that is not square', () => {
  const wide = flat(56, 28, [200, 10, 10])
  const pad = preprocessImage(wide, withFit(crop, 'pad')).tiles.data
  assert.deepEqual([...pad.subarray(0, 3)], [122, 116, 104])
  assert.deepEqual([...pad.subarray(14 * 28 * 3, 14 * 28 * 3 + 3)], [200, 10, 10])
  for (const fit of ['crop', 'squash'] as const) {
    const { data } = preprocessImage(wide, withFit(crop, fit)).tiles
    assert.ok(data.every((value, i) => value === [200, 10, 10][i % 3]))
  }
})

test('a picture smaller than the crop is framed in black', () => {
  const processor: ImageProcessor = { ...crop, resize: { kind: 'none' } }
  const { data } = preprocessImage(flat(27, 26, [9, 9, 9]), processor).tiles
  assert.equal(data[0], 0)
  assert.equal(data.filter((value) => value === 9).length, 27 * 26 * 3)
})

test('the base tile comes first and shows the whole picture', () => {
  const image = noise(70, 50)
  const base = preprocessImage(image, anyres).tiles.data.subarray(0, 28 * 28 * 3)
  assert.deepEqual(base, preprocessImage(image, withFit(crop, 'squash')).tiles.data)
})

test('a padded base tile is the tile of the pad fit', () => {
  const image = noise(70, 50)
  const { tiling } = anyres
  assert.ok(tiling.kind === 'anyres')
  const padded = preprocessImage(image, { ...anyres, tiling: { ...tiling, base: 'pad' } }).tiles
    .data
  const squashed = preprocessImage(image, anyres).tiles.data
  assert.deepEqual(
    padded.subarray(0, 28 * 28 * 3),
    preprocessImage(image, withFit(crop, 'pad')).tiles.data,
  )
  assert.deepEqual(padded.subarray(28 * 28 * 3), squashed.subarray(28 * 28 * 3))
})

test('tiles of another size than the processor resizes to are resized and cropped, the base tile from the larger square', () => {
  const image = noise(70, 50)
  const larger: ImageProcessor = { ...anyres, resize: { kind: 'shortestEdge', edge: 33 } }
  const plain = preprocessImage(image, anyres).tiles
  const bytes = 28 * 28 * 3
  const size = { width: 33, height: 33, filter: 'bicubic' } as const
  const pictures = Array.from({ length: plain.shape[0]! }, (_, i): RgbImage => {
    const data = plain.data.subarray(i * bytes, (i + 1) * bytes)
    return i === 0 ? image : { data, width: 28, height: 28, channels: 3 }
  })
  const expected = pictures.flatMap((picture) => {
    const { data } = resizeImage(picture, size)
    return Array.from({ length: 28 }, (_, row) => {
      const from = ((row + 2) * 33 + 2) * 3
      return [...data.subarray(from, from + 28 * 3)]
    }).flat()
  })
  assert.deepEqual([...preprocessImage(image, larger).tiles.data], expected)
})

test('several pictures are one padded tile each where the family says so', () => {
  const several: ImageProcessor = { ...anyres, severalPictures: 'single' }
  const image = noise(70, 50)
  const one = preprocessImage(image, several, { pictures: 2 }).tiles
  assert.deepEqual(one.shape, [1, 28, 28, 3])
  assert.deepEqual(one.data, preprocessImage(image, withFit(crop, 'pad')).tiles.data)
  assert.equal(preprocessImage(image, several).tiles.shape[0], 5)
})

test('a strip of 65000 pixels costs no more than its tile', () => {
  for (const strip of [noise(65_000, 1), noise(1, 65_000)]) {
    for (const fit of ['crop', 'pad', 'squash'] as const) {
      const before = process.memoryUsage().arrayBuffers
      const { tiles } = preprocessImage(strip, withFit(crop, fit))
      assert.equal(tiles.data.length, 28 * 28 * 3)
      assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 27)
    }
  }
})

test('a picture that is not RGB is refused', () => {
  const grey = { data: new Uint8Array(4), width: 2, height: 2, channels: 1 }
  assert.throws(() => preprocessImage(grey as never, crop), { code: 'INPUT_IMAGE_SHAPE' })
})
