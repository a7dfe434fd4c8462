/** Clips from the outside: what is counted is what is seen, in every form a clip can have, and what cannot be is refused. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { clipTimes } from '../../src/cli/clip-times.ts'
import {
  InputError,
  loadModel,
  type ContentPart,
  type Message,
  type Model,
  type VideoSource,
} from '../../src/index.ts'
import { llava } from './run-cli.ts'

const FRAMES = 'fixtures/pictures/clip'
const files = readdirSync(FRAMES)
  .sort()
  .map((name) => join(FRAMES, name))

function ask(...parts: ContentPart[]): { messages: Message[] } {
  return { messages: [{ role: 'user', content: [...parts, { type: 'text', text: 'What?' }] }] }
}

function clip(
  video: VideoSource,
  more: { frames?: number; fps?: number; forceSample?: boolean; start?: number } = {},
): ContentPart {
  return { type: 'video', video, ...more }
}

/** Frames of one pixel, each shown for so many hundredths of a second. */
function unevenGif(delays: readonly number[]): Uint8Array {
  const frames = delays.flatMap((delay) => [
    Buffer.from([0x21, 0xf9, 4, 0, delay & 255, delay >> 8, 0, 0]),
    Buffer.from('2c00000000010001000002024401' + '00', 'hex'),
  ])
  const head = Buffer.from('47494638396101000100800000000000ffffff', 'hex')
  return Buffer.concat([head, ...frames, Buffer.from([0x3b])])
}

const scratch = mkdtempSync(join(tmpdir(), 'llava-clips-'))
after(() => rmSync(scratch, { recursive: true }))

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

  test('how long a clip is and when its frames are shown can be told', () => {
    assert.equal(
      clipTimes(model, 'fixtures/clips/420.y4m'),
      'The video lasts for 0.30 seconds, and 3 frames are uniformly sampled from it. These frames are located at 0.00s,0.10s,0.20s.Please answer the following questions related to this video.',
    )
    assert.match(clipTimes(model, FRAMES), /lasts for 8\.00 seconds.* at 0\.00s,1\.00s,.*7\.00s\./)
  })

  test('times are told as the reference computes them, by the mean rate: none is behind the length', () => {
    // Two frames of 0.1 s and one of 2.8 s; when they are shown is 0.00, 0.10, 0.20.
    const path = join(scratch, 'uneven.gif')
    writeFileSync(path, unevenGif([10, 10, 280]))
    const sentence = clipTimes(model, path)
    assert.match(sentence, /lasts for 3\.00 seconds.* at 0\.00s,1\.00s,2\.00s\./)
    assert.match(clipTimes(model, path, { forceSample: true }), /, and 32 frames/)
  })

  test('forced, a shorter clip gives frames repeatedly; a start behind its end is refused', async () => {
    const sampling = { frames: 4, forceSample: true }
    const { videos } = await model.prepare(ask(clip('fixtures/clips/420.y4m', sampling)))
    assert.deepEqual(videos, [{ frames: 4, times: [0, 0, 0.1, 0.2], tokens: 4 * 144 }])
    await refused(
      () => model.generate(ask(clip('fixtures/clips/420.y4m', { start: 100 }))),
      'INPUT_VIDEO_SECONDS',
      /lasts for 0\.30 seconds, 100 came/,
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
      /10000 frames take 1440000 tokens, more than the context of 10240 holds; ask for fewer frames \(64 fit beside text\)/,
    )
    await refused(() => model.prepare(request), 'INPUT_CONTEXT', /10000 frames/)
  })

  test('a clip gives all it has where more is asked for', async () => {
    const { videos } = await model.prepare(ask(clip(FRAMES, { frames: 10_000 })))
    assert.equal(videos[0]!.frames, files.length)
  })

  test('frames that follow at an uneven rate have the times of the file', async () => {
    const gif = uneven(readFileSync('fixtures/pictures/animated-160x160.gif'))
    const { videos } = await model.prepare(ask(clip(gif, { frames: 4 })))
    const steps = videos[0]!.times.slice(1).map((time, i) => time - videos[0]!.times[i]!)
    assert.ok(new Set(steps.map((step) => step.toFixed(3))).size > 1, steps.join())
    assert.ok(steps.every((step) => step > 0))
  })

  const broken: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', new Uint8Array(), /INPUT_VIDEO_EMPTY/],
    ['a Y4M header without a frame', Buffer.from('YUV4MPEG2 W4 H4 F25:1\n'), /INPUT_VIDEO_EMPTY/],
    ['a Y4M file without sizes', Buffer.from('YUV4MPEG2 F25:1\nFRAME\n'), /INPUT_VIDEO_UNREADABLE/],
    [
      'a GIF without a picture',
      Buffer.from('474946383961010001000000003b', 'hex'),
      /INPUT_VIDEO_(EMPTY|UNREADABLE)/,
    ],
    ['a GIF cut off in its head', Buffer.from('474946383961', 'hex'), /INPUT_VIDEO_UNREADABLE/],
    ['a picture', readFileSync('fixtures/pictures/photo-640x480.jpg'), /INPUT_VIDEO_SOURCE/],
    // Without ffmpeg the decoder is missing, with it the file is what is wrong.
    [
      'a film cut off',
      readFileSync('fixtures/clips/turned.mp4').subarray(0, 900),
      /INPUT_VIDEO_(UNREADABLE|EMPTY|DECODER)/,
    ],
    [
      'noise',
      Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251),
      /INPUT_VIDEO_(UNREADABLE|DECODER)/,
    ],
  ]
  for (const [what, bytes, code] of broken) {
    test(`${what} is refused as a clip, counted or seen`, async () => {
      const request = ask(clip(new Uint8Array(bytes)))
      const isRefused = (error: unknown) => error instanceof InputError && code.test(error.code)
      await assert.rejects(() => model.prepare(request), isRefused)
      assert.throws(() => model.countTokens(request), isRefused)
    })
  }

  test('of many files the damaged one is named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llava-damaged-'))
    const whole = readFileSync(files[0]!)
    writeFileSync(join(folder, '1.png'), whole)
    writeFileSync(join(folder, '2.png'), whole.subarray(0, whole.length >> 1))
    const pictures = [1, 2].map((i) => ({
      type: 'image' as const,
      image: join(folder, `${i}.png`),
    }))
    for (const parts of [[clip(folder)], pictures]) {
      const run = () => model.encodeImages(ask(...parts))
      await refused(run, 'INPUT_IMAGE_UNREADABLE', /; the file is \S+2\.png\.$/)
    }
    const gif = readFileSync('fixtures/pictures/animated-160x160.gif')
    const empty = Uint8Array.from([...Buffer.from('GIF89a'), 0, 0, 0, 0, 0, 0, 0, 0x2c])
    const damaged: Readonly<Record<string, Uint8Array>> = {
      'half.gif': gif.subarray(0, gif.length >> 1),
      'head.gif': gif.subarray(0, 14),
      'none.gif': Buffer.concat([empty, new Uint8Array(9), Uint8Array.from([2, 0, 0x3b])]),
      'size.y4m': Buffer.from('YUV4MPEG2 W0 H2\n'),
    }
    for (const [name, bytes] of Object.entries(damaged)) {
      const path = join(folder, name)
      writeFileSync(path, bytes)
      const told = new RegExp(`; the file is \\S+${name}\\.$`)
      const run = () => model.encodeImages(ask(clip('fixtures/pictures/clip'), clip(path)))
      await refused(run, 'INPUT_VIDEO_UNREADABLE', told)
    }
    const isTold = { code: 'INPUT_VIDEO_UNREADABLE', message: /0 × 0 pixels.*none\.gif/ }
    assert.throws(() => model.countTokens(ask(clip(join(folder, 'none.gif')))), isTold)
    rmSync(folder, { recursive: true })
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

/** The same GIF, its second picture shown nine times as long as the others. */
function uneven(gif: Buffer): Uint8Array {
  const bytes = Uint8Array.from(gif)
  let at = -1
  for (let i = 0; i < 2; i++) at = gif.indexOf(Buffer.from('21f904', 'hex'), at + 1)
  assert.ok(at > 0)
  bytes[at + 4] = 90
  bytes[at + 5] = 0
  return bytes
}

/** Runs a module in a process whose temporary files lie in a folder of its own; gives what is left there. */
function leftBehind(code: string, path = process.env['PATH']): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'llava-left-'))
  try {
    const env = { ...process.env, PATH: path, TMPDIR: folder, TEMP: folder, TMP: folder }
    execFileSync(process.execPath, ['--input-type=module', '-e', code], { env, timeout: 120_000 })
    return readdirSync(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('ask takes so many frames of a second, or forces them, and says where that means nothing', async () => {
  const model = ['--model', 'fixtures/inference/next-video-rope', '--max-tokens', '1']
  const film = ['--video', 'fixtures/clips/420.y4m']
  const fps = await llava(['ask', ...model, ...film, '--fps', '5', 'What?'])
  assert.match(fps.stderr, /420\.y4m: 2 frames from 0\.0 to 0\.2 s/)
  const forced = await llava(['ask', ...model, ...film, '--force-sample', '--frames', '5', 'What?'])
  assert.match(forced.stderr, /420\.y4m: 5 frames from 0\.0 to 0\.2 s/)
  const blind = await llava(['ask', ...model, '--fps', '5', 'What?'])
  assert.deepEqual([blind.code, /--fps goes with a --video/.test(blind.stderr)], [2, true])
})

test('bytes that are no film leave no file behind, whether they are counted or decoded', () => {
  const module = new URL('../../src/preprocess/index.js', import.meta.url).href
  const code = `
    import { clipInfoOf, openClip } from '${module}'
    const bytes = new Uint8Array(5000).fill(7)
    const isRefused = async (run) => {
      try { await run() } catch (error) { if (/^INPUT_VIDEO/.test(error.code)) return }
      process.exit(1)
    }
    await isRefused(() => openClip(bytes))
    await isRefused(() => clipInfoOf(bytes))
    const stop = new AbortController()
    const opening = openClip(bytes, { signal: stop.signal })
    stop.abort(Object.assign(new Error('stop'), { code: 'INPUT_VIDEO_ABORTED' }))
    await isRefused(() => opening)
  `
  assert.deepEqual(leftBehind(code), [])
})

/** Asks about a film's bytes and stops before it is probed, while it is, and so on to the middle of the answer. */
const STOPPED_ANSWERS = `
  import { readFileSync } from 'node:fs'
  import { setTimeout as wait } from 'node:timers/promises'
  import { loadModel } from '${new URL('../../src/index.js', import.meta.url)}'
  const model = await loadModel('fixtures/inference/next-video-rope', { precision: 'f32', pictureBytes: 0 })
  const video = new Uint8Array(readFileSync('fixtures/clips/b-frames.mp4'))
  const content = [{ type: 'video', video, frames: 20 }, { type: 'text', text: 'What?' }]
  for (let i = 0; i < 12; i++) {
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 10 * i)
    const messages = [{ role: 'user', content }]
    const answer = await model.generate({ messages, maxTokens: 1000, ignoreEos: true, signal: stop.signal })
    if (answer.finishReason !== 'abort') process.exit(1)
  }
  // Whoever was killed takes a moment to end; one that was not would never.
  while (process.getActiveResourcesInfo().includes('ProcessWrap')) await wait(5)
  await model.dispose()
`

test('answers stopped at any moment leave no file of a film behind, and no decoder', (t) => {
  try {
    for (const tool of ['ffmpeg', 'ffprobe']) execFileSync(tool, ['-version'], { stdio: 'ignore' })
  } catch {
    t.skip('ffmpeg and ffprobe are not installed')
    return
  }
  assert.deepEqual(leftBehind(STOPPED_ANSWERS), [])
})

test('a decoder that hangs is ended with the answer', (t) => {
  const bin = mkdtempSync(join(tmpdir(), 'llava-hang-'))
  t.after(() => rmSync(bin, { recursive: true }))
  for (const tool of ['ffmpeg', 'ffprobe']) {
    writeFileSync(join(bin, tool), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 })
  }
  assert.deepEqual(leftBehind(STOPPED_ANSWERS, `${bin}:${process.env['PATH']}`), [])
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
