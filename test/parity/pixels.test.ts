/**
 * Tiles and pixel values against the original repositories' `process_images`, in every mode they have.
 *
 * LLAVA_FIXTURES names a folder with `original/pixels.json` and `pictures/`; without it the small set in
 * `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  originalImageProcessor,
  preprocessImage,
  readImage,
  type ImageProcessor,
} from '../../src/preprocess/index.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'

/** Recorded with seven decimals. */
const VALUE_TOLERANCE = 1e-6

type Run = { name: string; processor: string; config: Record<string, unknown> }
type Row = {
  run: string
  picture: string
  size: [number, number]
  error?: string
  shape?: number[]
  sha256?: string
  float_samples?: number[]
}

const TOWERS: Record<string, string> = {
  'clip-336': 'openai/clip-vit-large-patch14-336',
  'clip-224': 'openai/clip-vit-large-patch14',
  'siglip-384': 'google/siglip-so400m-patch14-384',
}

const recorded = JSON.parse(
  readFileSync(join(FOLDER, 'original', 'pixels.json'), 'utf8'),
) as Record<string, { runs: Run[]; rows: Row[] }>

for (const [repository, { runs, rows }] of Object.entries(recorded)) {
  for (const run of runs) {
    describe(`${repository}: ${run.name}`, () => {
      const processor = originalImageProcessor({
        config: run.config,
        tower: { name: TOWERS[run.processor] },
      })
      for (const row of rows) {
        if (row.run === run.name) test(row.picture, () => checkRow(row, processor))
      }
    })
  }
}

async function checkRow(row: Row, processor: ImageProcessor): Promise<void> {
  const own = join(FOLDER, 'original', 'pictures', row.picture)
  const path = existsSync(own) ? own : join(FOLDER, 'pictures', row.picture)
  const { tiles, pixelValues, imageSize } = preprocessImage(await readImage(path), processor)
  assert.deepEqual([imageSize.width, imageSize.height], row.size)
  // Pictures one pixel high crash the original; here they are pictures like others.
  if (row.error !== undefined) return
  assert.deepEqual(pixelValues.shape, row.shape)
  const [count, height, width] = tiles.shape as [number, number, number]
  const first = new Uint8Array(tiles.data.length)
  for (let i = 0; i < tiles.data.length; i++) {
    const pixel = Math.floor(i / 3) % (height * width)
    const tile = Math.floor(i / (3 * height * width))
    first[(tile * 3 + (i % 3)) * height * width + pixel] = tiles.data[i]!
  }
  assert.equal(first.length, count * 3 * height * width)
  assert.equal(createHash('sha256').update(first).digest('hex'), row.sha256)
  const step = Math.max(1, Math.floor(pixelValues.data.length / 8))
  for (const [i, value] of row.float_samples!.entries()) {
    assert.ok(Math.abs(pixelValues.data[i * step]! - value) <= VALUE_TOLERANCE)
  }
}
