/** Clips from the outside: what is counted is what is seen, in every form a clip can have, and what cannot be is refused. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  InputError,
  loadModel,
  type ContentPart,
  type Message,
  type Model,
  type VideoSource,
} from '../../src/index.ts'

const FRAMES = 'fixtures/pictures/clip'
const files = readdirSync(FRAMES)
  .sort()
  .map((name) => join(FRAMES, name))

function ask(...parts: ContentPart[]): { messages: Message[] } {
  return { messages: [{ role: 'user', content: [...parts, { type: 'text', text: 'What?' }] }] }
}

function clip(video: VideoSource, more: { frames?: number; fps?: number } = {}): ContentPart {
  return { type: 'video', video, ...more }
}

async function refused(run: () => Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof InputError && error.code === code, `${error}`)
    assert.match(error.message, message)
    return true
  })
}

describe('a model that was trained on clips', () => {
  let model: Model
  before(async () => {
    model = await loadModel('fixtures/inference/next-video-rope', { precision: 'f32' })
  })
  after(() => model.dispose())

  test('a folder and a list of its pictures are one clip', async () => {
    const [folder, list] = await Promise.all(
      [FRAMES, files].map((video) => model.prepare(ask(clip(video, { frames: 3 })))),
    )
    assert.deepEqual(folder, list)
    assert.deepEqual(folder!.videos, [{ frames: 3, times: [0, 3, 7], tokens: 3 * 144 }])
    assert.deepEqual(folder!.tiles.shape, [3, 336, 336, 3])
  })

  test('what is counted is what is prepared, with pictures, GIFs and Y4M films in any order', async () => {
    const picture: ContentPart = { type: 'image', image: 'fixtures/pictures/photo-100x100.png' }
    const gif = new Uint8Array(readFileSync('fixtures/pictures/animated-160x160.gif'))
    const request = ask(
      clip(gif),
      picture,
      clip('fixtures/clips/420.y4m', { fps: 5 }),
      clip(FRAMES),
    )
    const { inputIds, imageSlots, videos, images, pixelValues } = await model.prepare(request)
    assert.deepEqual(model.countTokens(request), {
      text: inputIds.length - imageSlots.length,
      image: imageSlots.length,
    })
    assert.deepEqual(videos.map(({ frames }) => frames).slice(1), [2, 8])
    assert.deepEqual(videos[1]!.times, [0, 0.2])
    const rows = [...videos, ...images].reduce((sum, { tokens }) => sum + tokens, 0)
    assert.equal(imageSlots.length, rows)
    const frames = videos.reduce((sum, one) => sum + one.frames, 0)
    assert.equal(pixelValues.shape[0], 3 + frames)
  })

  test('rows are those of the clip alone, wherever it stands', async () => {
    const [first, second] = [clip(files.slice(0, 2)), clip(files.slice(2, 4))]
    const both = await model.encodeImages(ask(first, second))
    const alone = await Promise.all([first, second].map((part) => model.encodeImages(ask(part))))
    assert.deepEqual(
      both.videos,
      alone.flatMap(({ videos }) => videos),
    )
  })

  test('a prompt beside its clips is the same as messages', async () => {
    const { prompt, inputIds } = await model.prepare(ask(clip(FRAMES, { frames: 2 })))
    const videos = [{ type: 'video', video: FRAMES, frames: 2 } as const]
    assert.deepEqual((await model.prepare({ prompt, videos })).inputIds, inputIds)
  })

  test('a GIF of one frame is a clip', async () => {
    // Header, screen 1 × 1 with two colours, one frame, end.
    const gif = Buffer.from(
      '47494638396101000100800000000000ffffff2c00000000010001000002024401003b',
      'hex',
    )
    const { videos } = await model.prepare(ask(clip(new Uint8Array(gif), { frames: 8 })))
    assert.deepEqual(videos, [{ frames: 1, times: [0], tokens: 144 }])
  })

  test('more frames than the context holds are refused before one is decoded', async () => {
    const many = Array.from({ length: 20_000 }, () => 'no/such/frame.png')
    const request = ask(clip(many, { frames: 10_000 }))
    await refused(
      () => model.generate(request),
      'INPUT_CONTEXT',
      /10000 frames take 1440000 tokens, more than the context of 10240 holds; ask for fewer frames \(32 of each clip fit\)/,
    )
    await refused(() => model.prepare(request), 'INPUT_CONTEXT', /10000 frames/)
  })

  test('clips without frames, places without clips and clips without places are refused', async () => {
    await refused(() => model.prepare(ask(clip('src/core'))), 'INPUT_VIDEO_EMPTY', /no pictures/)
    await refused(() => model.prepare(ask(clip('no.mp4'))), 'INPUT_VIDEO_MISSING', /no\.mp4/)
    await refused(
      () => model.prepare({ prompt: 'USER: <image>\nHi ASSISTANT:', videos: [FRAMES] }),
      'INPUT_IMAGE_PLACES',
      /1 image placeholder but no images/,
    )
    await refused(
      () => model.prepare({ prompt: 'USER: <video>\n<video> ASSISTANT:', videos: [FRAMES] }),
      'INPUT_VIDEO_PLACES',
      /2 video placeholders but 1 video/,
    )
    const broken = [files[0]!, 'no/such/frame.png']
    await refused(() => model.generate(ask(clip(broken))), 'INPUT_IMAGE_MISSING', /frame\.png/)
  })
})

describe('a model that never saw a clip', () => {
  test('it takes one in the place of a picture, in order with pictures', async () => {
    await using model = await loadModel('fixtures/inference/llava-mlp', { precision: 'f32' })
    const picture: ContentPart = { type: 'image', image: files[0]! }
    const one = await model.prepare(ask(clip(FRAMES, { frames: 2 }), picture))
    assert.deepEqual(
      one.videos.map(({ tokens }) => tokens),
      [2 * 144],
    )
    const { images, videos } = await model.encodeImages(ask(clip(FRAMES, { frames: 2 }), picture))
    assert.deepEqual(
      videos.map(({ shape }) => shape[0]),
      [2 * 144],
    )
    assert.deepEqual(
      images.map(({ shape }) => shape[0]),
      [576],
    )
    const answer = await model.generate({ ...ask(clip(FRAMES)), maxTokens: 2, ignoreEos: true })
    assert.equal(answer.usage.imageTokens, 8 * 144)
  })

  test('frames, ropeScaling and quirks are options of loading', async () => {
    await using model = await loadModel('fixtures/inference/llava-mlp', {
      precision: 'f32',
      frames: 3,
      ropeScaling: 2,
      quirks: { poolMode: 'max', poolStride: 3 },
    })
    assert.equal(model.config.maxContext, 8192)
    assert.equal(model.config.decoder.rope.factor, 2)
    const { videos } = await model.prepare(ask(clip(FRAMES)))
    assert.deepEqual(videos, [{ frames: 3, times: [0, 3, 7], tokens: 3 * 64 }])
  })
})
