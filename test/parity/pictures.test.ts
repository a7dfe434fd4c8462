/**
 * Pictures against Pillow and transformers: RGB bytes, tiles, pixel values, token counts.
 *
 * LLAVA_FIXTURES names a folder with `pictures/`, `inference/` and, if it is there, `vit/` and the `assets/` beside it;
 * without it the small set in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  countImageTokens,
  imageTokenConfig,
  parseImageProcessor,
  parsePatchMerge,
  preprocessImage,
  readImage,
  withFit,
  type ImageProcessor,
  type ImageTokenConfig,
  type PreparedImage,
} from '../../src/preprocess/index.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'

/** What recorded pixel values may differ by: the recording's own distance from float64 is 3e-7. */
const PIXEL_TOLERANCE = 1e-6

function read<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(FOLDER, ...path), 'utf8')) as T
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

type Recorded = { size: [number, number]; sha256: string }

describe('RGB bytes equal Pillow', () => {
  const pictures = read<Record<string, Recorded & { upright?: Recorded }>>(
    'pictures',
    'pictures.json',
  )
  for (const [name, recorded] of Object.entries(pictures)) {
    const { upright } = recorded
    test(name, async () => {
      const image = await readImage(join(FOLDER, 'pictures', name))
      assert.deepEqual([image.width, image.height], recorded.size)
      assert.equal(sha256(image.data), recorded.sha256)
      assert.equal(image.isOrientationIgnored, upright !== undefined)
    })
    if (upright === undefined) continue
    test(`${name}, upright`, async () => {
      const image = await readImage(join(FOLDER, 'pictures', name), { autoOrient: true })
      assert.deepEqual([image.width, image.height], upright.size)
      assert.equal(sha256(image.data), upright.sha256)
      assert.equal(image.isOrientationIgnored, false)
    })
  }
})

type Visual = { name: string; tiles: number[]; sha256: string; tokens: number }
type Prompt = { name: string; pictures?: Visual[]; videos?: (Visual & { frames: number })[] }

describe('tiles, pixel values and token counts equal transformers', () => {
  for (const name of readdirSync(join(FOLDER, 'inference'))) {
    if (!existsSync(join(FOLDER, 'inference', name, 'expected.json'))) continue
    const { prompts } = read<{ prompts: Prompt[] }>('inference', name, 'expected.json')
    const model = read<ModelJson>('inference', name, 'config.json')
    const processor = parseImageProcessor(readProcessor(name), {
      aspectRatio: model.vision_aspect_ratio,
    })
    const tokens = tokenConfig(model, processor)
    for (const prompt of prompts) {
      if (!prompt.pictures && !prompt.videos) continue
      test(`${name}, ${prompt.name}`, async () => {
        const values: Float32Array[] = []
        const pictures = prompt.pictures ?? []
        for (const recorded of pictures) {
          const image = await readImage(join(FOLDER, 'pictures', recorded.name))
          const prepared = preprocessImage(image, processor, { pictures: pictures.length })
          assert.equal(sha256(channelsFirst([prepared])), recorded.sha256)
          assert.equal(prepared.tiles.shape[0], recorded.tiles[0])
          const counted = countImageTokens(image, tokens, { pictures: pictures.length })
          assert.equal(counted.tokens, recorded.tokens)
          assert.equal(counted.tiles, recorded.tiles[0])
          values.push(prepared.pixelValues.data)
        }
        for (const recorded of prompt.videos ?? []) {
          const frames = await readClip(recorded.name, recorded.frames, name)
          assert.equal(sha256(channelsFirst(frames)), recorded.sha256)
          values.push(...frames.map((frame) => frame.pixelValues.data))
        }
        checkSamples(name, prompt.name, values)
      })
    }
  }
})

type ModelJson = {
  model_type: string
  vision_config: { patch_size: number }
  vision_aspect_ratio?: string
}

function readProcessor(name: string, file = 'preprocessor_config.json'): unknown {
  const isOwn = existsSync(join(FOLDER, 'inference', name, file))
  return read('inference', name, isOwn ? file : 'processor_config.json')
}

function tokenConfig(model: ModelJson, processor: ImageProcessor): ImageTokenConfig {
  const isPlain = model.model_type === 'llava'
  return imageTokenConfig({
    tile: processor.tile,
    patchSize: model.vision_config.patch_size,
    tiling: processor.tiling,
    merge: parsePatchMerge(isPlain ? 'flat' : 'spatial_unpad'),
    severalPictures: processor.severalPictures,
  })
}

async function readClip(clip: string, count: number, name: string): Promise<PreparedImage[]> {
  const files = readdirSync(join(FOLDER, 'pictures', clip)).sort()
  const json = readProcessor(name, 'video_preprocessor_config.json')
  const plain = parseImageProcessor(json)
  const frames: PreparedImage[] = []
  for (let i = 0; i < count; i++) {
    const file = files[Math.floor((i * (files.length - 1)) / (count - 1))]!
    frames.push(preprocessImage(await readImage(join(FOLDER, 'pictures', clip, file)), plain))
  }
  return frames
}

/** The tiles as transformers has them: uint8[I, C, h, w]. */
function channelsFirst(images: PreparedImage[]): Uint8Array {
  const all = Buffer.concat(images.map(({ tiles }) => tiles.data))
  const [, height, width] = images[0]!.tiles.shape as [number, number, number]
  const area = height * width
  const bytes = new Uint8Array(all.length)
  for (let i = 0; i < all.length; i++) {
    const pixel = Math.floor(i / 3)
    bytes[(Math.floor(pixel / area) * 3 + (i % 3)) * area + (pixel % area)] = all[i]!
  }
  return bytes
}

/** 64 values at ⌊i·(n − 1)/63⌋ of all tiles of the prompt, one after another. */
function checkSamples(name: string, prompt: string, values: Float32Array[]): void {
  const expected = readSamples(name, prompt)
  if (expected === undefined) return
  const total = values.reduce((sum, { length }) => sum + length, 0)
  for (const [i, sample] of expected.entries()) {
    let at = Math.floor((i * (total - 1)) / 63)
    const part = values.find((array) => at < array.length || ((at -= array.length), false))!
    assert.ok(
      Math.abs(part[at]! - sample) <= PIXEL_TOLERANCE,
      `sample ${i}: ${part[at]} ≠ ${sample}`,
    )
  }
}

function readSamples(name: string, prompt: string): Float32Array | undefined {
  const path = join(FOLDER, 'inference', name, 'expected.safetensors')
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >
  const [from, to] = header[`${prompt}.pixel_samples`]!.data_offsets
  return new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + 8 + length + from, bytes.byteOffset + 8 + length + to),
  )
}

const ASSETS = join(FOLDER, '..', 'assets', 'images')

describe('inputs of ViT-Ti equal Pillow', { skip: !existsSync(ASSETS) && 'no assets here' }, () => {
  if (!existsSync(ASSETS)) return
  type Way = { input_sha256: string }
  const { pictures } = read<{ pictures: { picture: string; crop: Way; squash: Way }[] }>(
    'vit',
    'expected.json',
  )
  const crop = parseImageProcessor({
    image_processor_type: 'ViTImageProcessor',
    size: { shortest_edge: 248 },
    crop_size: 224,
    do_center_crop: true,
    resample: 3,
  })
  for (const { picture, ...ways } of pictures) {
    test(picture, async () => {
      const image = await readImage(join(ASSETS, picture))
      const squash = withFit(crop, 'squash')
      assert.equal(sha256(preprocessImage(image, crop).tiles.data), ways.crop.input_sha256)
      assert.equal(sha256(preprocessImage(image, squash).tiles.data), ways.squash.input_sha256)
    })
  }
})
