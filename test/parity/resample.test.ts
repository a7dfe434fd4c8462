/**
 * Resizing and converting against Pillow, case by case.
 *
 * LLAVA_FIXTURES names a folder with `resample/resize.json`, `convert.json` and `pipeline.json`; without it the small
 * set in `fixtures/resample` is used.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Channels, Image } from '../../src/preprocess/image.ts'
import type { ResampleFilter } from '../../src/preprocess/resample-kernel.ts'
import { resizeImage, type ResizeOptions, type ResizeOrder } from '../../src/preprocess/resize.ts'

const FOLDER = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'resample')

type Recorded = { mode: string; size: [number, number]; sha256: string }
type ResizeCase = {
  mode: string
  from: [number, number]
  to: [number, number]
  filter: string
  seed: number
  box?: [number, number, number, number]
  reducing_gap?: number
  output?: Recorded
  error?: string
  older?: { output?: Recorded; error?: string }
}

const CHANNELS: Record<string, Channels> = { L: 1, LA: 2, RGB: 3, YCbCr: 3, RGBA: 4, CMYK: 4 }

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T
}

export function formula(width: number, height: number, channels: number, seed: number): Uint8Array {
  const data = new Uint8Array(width * height * channels)
  let state = seed >>> 0
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        data[at++] = (x * 7 + y * 13 + c * 29 + ((x * y) >> 3) + (state >>> 27)) & 255
      }
    }
  }
  return data
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

describe('resize equals Pillow', () => {
  const { cases } = read<{ cases: ResizeCase[] }>('resize.json')
  for (const [index, recorded] of cases.entries()) {
    const channels = CHANNELS[recorded.mode]
    if (channels === undefined) continue
    const name = `${index} ${recorded.mode} ${recorded.from.join('×')} → ${recorded.to.join('×')} ${recorded.filter}`
    const [width, height] = recorded.from
    const orders: [ResizeOrder, { output?: Recorded; error?: string }][] = [
      ['classic', recorded.older ?? recorded],
      ['pillow13', recorded],
    ]
    for (const [order, expected] of orders) {
      test(`${name}, ${order}`, () => {
        const image: Image = {
          data: formula(width, height, channels, recorded.seed),
          width,
          height,
          channels,
        }
        const options: ResizeOptions = {
          width: recorded.to[0],
          height: recorded.to[1],
          filter: recorded.filter.toLowerCase() as ResampleFilter,
          order,
          ...(recorded.box ? { box: recorded.box } : {}),
          ...(recorded.reducing_gap ? { reducingGap: recorded.reducing_gap } : {}),
          ...(recorded.mode === 'CMYK' ? { isPremultiplied: true } : {}),
        }
        if (expected.output === undefined) {
          assert.throws(() => resizeImage(image, options), { code: 'INPUT_RESIZE_OPTION' })
          return
        }
        const output = resizeImage(image, options)
        assert.deepEqual([output.width, output.height], expected.output.size)
        assert.equal(sha256(output.data), expected.output.sha256)
      })
    }
  }
})
