import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../core/errors.ts'
import { atOnce } from '../core/steps.ts'
import { gifSteps } from './frames-gif.ts'
import type { Clip } from './frames.ts'
import type { RgbImage } from './image.ts'
import { bytesInMemory } from './random-bytes.ts'

type Recorded = { readonly gif: string; readonly frames: readonly [number, number, string][] }

const recorded = JSON.parse(readFileSync('fixtures/clips/gifs.json', 'utf8')) as Recorded[]
const gifs = recorded.map(({ gif, frames }) => ({ bytes: Buffer.from(gif, 'base64'), frames }))

const gifClip = (bytes: Uint8Array): Clip => atOnce(gifSteps(bytesInMemory(bytes)))

async function read(clip: Clip, taken: readonly number[]): Promise<RgbImage[]> {
  const images: RgbImage[] = []
  for await (const image of clip.read(taken)) images.push(image as RgbImage)
  return images
}

function describe({ width, height, data }: RgbImage): [number, number, string] {
  return [width, height, createHash('sha256').update(data).digest('hex')]
}

test('every frame is the one that Pillow shows', async () => {
  for (const { bytes, frames } of gifs) {
    const clip = gifClip(bytes)
    assert.equal(clip.frames, frames.length)
    const images = await read(clip, [...frames.keys()])
    assert.deepEqual(images.map(describe), frames)
  }
})

test('a frame with its own colours has them behind one of greys, where Pillow shows its numbers', async () => {
  const palette = (...greys: number[]) => greys.flatMap((grey) => [grey, grey, grey])
  const screen = [1, 0, 1, 0, 0x81, 0, 0, ...palette(0, 1, 2, 3)]
  const pixel = [2, 2, 0x4c, 0x01, 0]
  const place = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0]
  const image = (flags: number, table: number[] = []) => [...place, flags, ...table, ...pixel]
  const own = [0, 0, 0, 200, 10, 30, 0, 0, 0, 0, 0, 0]
  const bytes = [...Buffer.from('GIF89a'), ...screen, ...image(0), ...image(0x81, own), 0x3b]
  const frames = await read(gifClip(Uint8Array.from(bytes)), [0, 1])
  assert.deepEqual(
    frames.map(({ data }) => [...data]),
    [
      [1, 1, 1],
      [200, 10, 30],
    ],
  )
})

test('a frame alone is the same as after those before it', async () => {
  for (const { bytes, frames } of gifs) {
    const [last] = await read(gifClip(bytes), [frames.length - 1])
    assert.deepEqual(describe(last!), frames.at(-1))
  }
})

// Frames that were not shown did not make it larger, and one beside the corner hid what it does not cover.
test('a frame larger than the screen is seen by all behind it, whichever are taken', async () => {
  const palette = [0, 0, 0, 90, 90, 90, 180, 180, 180, 255, 255, 255]
  const screen = [...Buffer.from('GIF89a'), 2, 0, 2, 0, 0x81, 0, 0, ...palette]
  /** Of one colour, each pixel behind a clear code. */
  const frame = (colour: number, { left = 0, size = 2 }) => {
    const codes = Array.from({ length: size ** 2 }, () => [4, colour]).flat()
    const bits = [...codes, 5].reduce((sum, code, i) => sum | (BigInt(code) << BigInt(3 * i)), 0n)
    const bytes = Math.ceil((3 * (codes.length + 1)) / 8)
    const data = Array.from({ length: bytes }, (_, i) => Number((bits >> BigInt(8 * i)) & 255n))
    return [0x2c, left, 0, 0, 0, size, 0, size, 0, 0, 2, bytes, ...data, 0]
  }
  for (const larger of [{ size: 4 }, { left: 1, size: 3 }]) {
    const frames = [frame(1, {}), frame(2, larger), frame(3, {}), frame(1, {})].flat()
    const bytes = Uint8Array.from([...screen, ...frames, 0x3b])
    const all = (await read(gifClip(bytes), [0, 1, 2, 3])).map(describe)
    assert.deepEqual(
      all.map(([width]) => width),
      [2, 4, 4, 4],
    )
    for (const taken of [[1], [2], [3], [0, 3], [1, 3]]) {
      const images = await read(gifClip(bytes), taken)
      assert.deepEqual(
        images.map(describe),
        taken.map((i) => all[i]),
        `${taken}`,
      )
    }
  }
})

test('times follow the delays, where none of a frame is a tenth of a second', () => {
  const clip = gifClip(readFileSync('fixtures/pictures/animated-160x160.gif'))
  const times = Array.from({ length: clip.frames + 1 }, (_, i) => clip.timeOf(i))
  assert.equal(times[0], 0)
  times.slice(1).forEach((time, i) => assert.ok(time > times[i]!))
  assert.equal(clip.framesPerSecond, clip.frames / times.at(-1)!)
})

test('damaged GIFs give frames or an InputError', async () => {
  const damage = fc.record({
    at: fc.nat(),
    value: fc.integer({ min: 0, max: 255 }),
    end: fc.double({ min: 0, max: 1, noNaN: true }),
    which: fc.nat({ max: gifs.length - 1 }),
  })
  await fc.assert(
    fc.asyncProperty(damage, async ({ at, value, end, which }) => {
      const bytes = Uint8Array.from(gifs[which]!.bytes)
      bytes[6 + (at % (bytes.length - 6))] = value
      try {
        const clip = gifClip(bytes.subarray(0, Math.ceil(end * bytes.length)))
        await read(clip, [clip.frames - 1])
      } catch (error) {
        assert.ok(error instanceof InputError && error.code.startsWith('INPUT_VIDEO_'), `${error}`)
      }
    }),
    { numRuns: 300 },
  )
})
