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
import {
  convertImage,
  parseImageProcessor,
  preprocessImage,
  resizeImage,
  type Channels,
  type Image,
  type ImageMode,
  type ModeImage,
  type ResampleFilter,
  type ResizeOptions,
  type ResizeOrder,
  type RgbImage,
} from '../../src/preprocess/index.ts'

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

const CHANNELS: Record<string, Channels> = {
  L: 1,
  LA: 2,
  RGB: 3,
  YCbCr: 3,
  HSV: 3,
  RGBA: 4,
  CMYK: 4,
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T
}

function formula(width: number, height: number, channels: number, seed: number): Uint8Array {
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
    const isIndexed = recorded.mode === 'P' || recorded.mode === '1'
    const channels = isIndexed ? 1 : CHANNELS[recorded.mode]
    if (channels === undefined) continue
    const name = `${index} ${recorded.mode} ${recorded.from.join('×')} → ${recorded.to.join('×')} ${recorded.filter}`
    const [width, height] = recorded.from
    const orders: [ResizeOrder, { output?: Recorded; error?: string }][] = [
      ['classic', recorded.older ?? recorded],
      ['pillow13', recorded],
    ]
    for (const [order, expected] of orders) {
      test(`${name}, ${order}`, () => {
        const data = formula(width, height, channels, recorded.seed)
        const bits = data.map((value) => (value >= 128 ? 255 : 0))
        const image: Image = { data: recorded.mode === '1' ? bits : data, width, height, channels }
        const filter = recorded.filter.toLowerCase() as ResampleFilter
        const options: ResizeOptions = {
          width: recorded.to[0],
          height: recorded.to[1],
          // Pillow takes no other filter for these.
          filter: isIndexed ? 'nearest' : filter,
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
        const mode = recorded.mode === '1' ? '1' : 'L'
        assert.equal(sha256(fileBytes({ ...output, mode })), expected.output.sha256)
      })
    }
  }
})

type PipelineOutput = {
  sha256_u8_hwc: string
  f32: { step: number; values: number[]; sha256_f32: string }
}
type PipelineCase = {
  kind: 'clip' | 'siglip'
  target: number
  size: [number, number]
  seed: number
  output: PipelineOutput
  older?: { output: PipelineOutput }
}

describe('pixel pipelines equal transformers', () => {
  const { cases } = read<{ cases: PipelineCase[] }>('pipeline.json')
  for (const recorded of cases) {
    const { kind, target, size } = recorded
    const orders: [ResizeOrder, PipelineOutput][] = [
      ['classic', (recorded.older ?? recorded).output],
      ['pillow13', recorded.output],
    ]
    for (const [order, expected] of orders) {
      test(`${kind} ${target}, ${size.join('×')}, ${order}`, () => {
        const [width, height] = size
        const image: RgbImage = {
          data: formula(width, height, 3, recorded.seed),
          width,
          height,
          channels: 3,
        }
        const processor = parseImageProcessor(
          kind === 'clip'
            ? {
                image_processor_type: 'CLIPImageProcessor',
                size: { shortest_edge: target },
                crop_size: target,
              }
            : {
                image_processor_type: 'SiglipImageProcessor',
                size: { height: target, width: target },
              },
          { order },
        )
        const { tiles, pixelValues } = preprocessImage(image, processor)
        assert.equal(sha256(tiles.data), expected.sha256_u8_hwc)
        assert.equal(sha256(new Uint8Array(pixelValues.data.buffer)), expected.f32.sha256_f32)
      })
    }
  }
})

type ConvertCase = {
  mode: string
  size: [number, number]
  to: string
  seed: number
  low?: boolean
  transparency?: string | number | [number, number, number]
  output: { sha256: string }
}

/** No way to or from these here: no picture for a vision tower needs it. */
const NOT_CONVERTED = ['LAB>RGB', 'RGB>P']

describe('conversions equal Pillow', () => {
  const { cases } = read<{ cases: ConvertCase[] }>('convert.json')
  for (const [index, recorded] of cases.entries()) {
    const pair = `${recorded.mode}>${recorded.to}`
    const skip = NOT_CONVERTED.includes(pair) && 'documented as not converted'
    test(`${index} ${pair}`, { skip }, () => {
      const converted = convertImage(modeImage(recorded), recorded.to as ImageMode)
      assert.equal(sha256(fileBytes(converted)), recorded.output.sha256)
    })
  }
})

/** A picture of the recordings in any of Pillow's modes. */
function modeImage({ mode, size, seed, low = false, transparency }: ConvertCase): ModeImage {
  const [width, height] = size
  const shape = { width, height, mode: mode as ImageMode }
  if (mode === 'I;16' || mode === 'I' || mode === 'F') {
    const pairs = formula(width, height, 2, seed)
    const values = Array.from({ length: width * height }, (_, i) => {
      const value = pairs[2 * i]! * 256 + pairs[2 * i + 1]!
      const small = value % 600
      if (mode === 'I;16') return low ? small : value
      if (mode === 'I') return low ? small - 150 : value * 3 - 50000
      return low ? small / 2 - 20 : (value - 20000) / 128
    })
    const data =
      mode === 'I;16'
        ? Uint16Array.from(values)
        : mode === 'I'
          ? Int32Array.from(values)
          : Float32Array.from(values)
    return { ...shape, data }
  }
  const data = formula(width, height, CHANNELS[mode] ?? 1, seed)
  if (mode === '1') return { ...shape, data: data.map((value) => (value >= 128 ? 255 : 0)) }
  const palette = Uint8Array.from({ length: 768 }, (_, i) => {
    const entry = Math.floor(i / 3)
    return (entry * 5 + (i % 3) * 83 + (entry >> 2)) & 255
  })
  const alpha = typeof transparency === 'string' ? Buffer.from(transparency, 'hex') : transparency
  return {
    ...shape,
    data,
    ...(mode === 'P' ? { palette } : {}),
    ...(alpha === undefined ? {} : { transparency: alpha }),
  }
}

/** `tobytes()`: bits are packed, two-channel modes and wide samples are little-endian as they lie. */
function fileBytes({ mode, width, height, data }: ModeImage): Uint8Array {
  if (mode !== '1') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const stride = Math.ceil(width / 8)
  const packed = new Uint8Array(stride * height)
  for (let i = 0; i < data.length; i++) {
    const x = i % width
    if (data[i]) packed[Math.floor(i / width) * stride + (x >> 3)]! |= 0x80 >> (x & 7)
  }
  return packed
}
