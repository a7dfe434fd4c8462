import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../core/errors.ts'
import { frameTimes, pictureClip, sampleFrames, statedTimes } from './frames.ts'

test('frames are evenly spaced, first and last included, cut to whole numbers', () => {
  const clip = { frames: 100, framesPerSecond: 25 }
  assert.deepEqual(sampleFrames(clip, { frames: 4 }), [0, 33, 66, 99])
  assert.deepEqual(sampleFrames(clip, { frames: 1 }), [0])
  assert.deepEqual(sampleFrames({ frames: 8, framesPerSecond: null }, { frames: 4 }), [0, 2, 4, 7])
})

test('the spacing is computed as numpy computes it, float error included', () => {
  // 14 · (30 / 22) is 19.09…, 11 · (30 / 22) is 14.999999999999998.
  assert.equal(sampleFrames({ frames: 31, framesPerSecond: null }, { frames: 23 })[11], 14)
})

test('a clip with fewer frames gives all it has', () => {
  assert.deepEqual(sampleFrames({ frames: 3, framesPerSecond: 25 }, { frames: 10_000 }), [0, 1, 2])
  assert.deepEqual(sampleFrames({ frames: 1, framesPerSecond: 10 }, { frames: 8 }), [0])
})

test('fps takes every n-th frame, unless that are too many', () => {
  const clip = { frames: 250, framesPerSecond: 24.97 }
  assert.deepEqual(
    sampleFrames(clip, { frames: 32, fps: 1 }),
    [0, 25, 50, 75, 100, 125, 150, 175, 200, 225],
  )
  assert.deepEqual(sampleFrames(clip, { frames: 4, fps: 1 }), [0, 83, 166, 249])
  assert.equal(sampleFrames(clip, { frames: 300, fps: 1000 }).length, 250)
})

test('a start behind the end of the clip is refused with its length', () => {
  const refused = (sampling: object, message: RegExp) =>
    assert.throws(
      () => sampleFrames({ frames: 200, framesPerSecond: 25 }, { frames: 4, ...sampling }),
      (error) =>
        error instanceof InputError &&
        error.code === 'INPUT_VIDEO_SECONDS' &&
        message.test(error.message),
    )
  refused({ start: 100 }, /lasts for 8\.00 seconds, 100 came/)
  refused({ start: 8, end: 9 }, /8 came/)
})

test('forced, exactly so many frames are taken, as numpy spaces them', () => {
  const forced = (frames: number, framesPerSecond: number | null, sampling: object) =>
    sampleFrames({ frames, framesPerSecond }, { frames: 8, forceSample: true, ...sampling })
  // np.linspace(0, 2, 8, dtype=int), np.linspace(0, 0, 8, dtype=int), np.linspace(0, 249, 4, dtype=int)
  assert.deepEqual(forced(3, 25, {}), [0, 0, 0, 0, 1, 1, 1, 2])
  assert.deepEqual(forced(1, null, {}), [0, 0, 0, 0, 0, 0, 0, 0])
  assert.deepEqual(forced(250, 25, { frames: 4, fps: 1 }), [0, 83, 166, 249])
  assert.deepEqual(forced(250, 25, { frames: 3, start: 2, end: 2.08 }), [50, 50, 51])
  assert.throws(() => forced(3, 25, { frames: 1e9 }), { code: 'INPUT_VIDEO_FRAMES' })
})

test('times are stated by the mean rate, and never lie behind the stated length', () => {
  // load_video of video_demo.py: i / fps with fps = round(avg_fps), or i / avg_fps.
  const film = { frames: 90, framesPerSecond: 29.97 }
  const each = sampleFrames(film, { frames: 32, fps: 1 })
  assert.deepEqual(statedTimes(film, each, { frames: 32, fps: 1 }), [0, 1, 2])
  const spaced = sampleFrames(film, { frames: 3 })
  assert.deepEqual(
    statedTimes(film, spaced, { frames: 3 }),
    [0, 44, 89].map((frame) => frame / 29.97),
  )
  assert.ok(statedTimes(film, spaced, { frames: 3 }).every((time) => time < 90 / 29.97))
  const pictures = { frames: 4, framesPerSecond: null }
  assert.deepEqual(statedTimes(pictures, [0, 3], { frames: 2, fps: 2 }), [0, 1.5])
})

test('whatever is asked, frames are in the clip, ascend and are no more than asked', () => {
  const count = fc.integer({ min: 1, max: 5000 })
  const fps = fc.option(fc.double({ min: 0.01, max: 120, noNaN: true }), { nil: undefined })
  fc.assert(
    fc.property(count, count, fps, fc.option(fps), (frames, most, wanted, rate) => {
      const taken = sampleFrames(
        { frames, framesPerSecond: rate ?? null },
        { frames: most, fps: wanted },
      )
      assert.ok(taken.length >= 1 && taken.length <= most)
      assert.equal(taken[0], 0)
      taken.forEach((frame, i) => assert.ok(frame < frames && frame > (taken[i - 1] ?? -1)))
    }),
  )
})

test('between two seconds the same frames are taken as of a clip that is cut there', () => {
  const clip = { frames: 250, framesPerSecond: 25 }
  for (const sampling of [{ frames: 4 }, { frames: 32, fps: 1 }, { frames: 1 }]) {
    const cut = sampleFrames({ frames: 75, framesPerSecond: 25 }, sampling)
    assert.deepEqual(
      sampleFrames(clip, { ...sampling, start: 2, end: 5 }),
      cut.map((frame) => 50 + frame),
    )
  }
  // Pictures three to a second; what begins at the end is its last frame.
  const pictures = { frames: 12, framesPerSecond: null }
  assert.deepEqual(sampleFrames(pictures, { frames: 9, fps: 3, start: 1, end: 2 }), [3, 4, 5])
  assert.deepEqual(sampleFrames(clip, { frames: 9, start: 9.99, end: 91 }), [249])
  assert.deepEqual(sampleFrames(clip, { frames: 2, start: 0 }), [0, 249])
})

// Once the seconds were counted by the mean rate, and frames came that are shown at other times.
test('between two seconds those frames are taken whose times lie there, whatever the rate', () => {
  const times = [0, 0.033, 0.067, 4, 9.9999, 10, 19.5, 26.4, 26.9]
  const film = { frames: 8, framesPerSecond: 30, timeOf: (frame: number) => times[frame]! }
  const taken = (start: number, end?: number) =>
    sampleFrames(film, { frames: 32, start, ...(end !== undefined && { end }) })
  assert.deepEqual(taken(10, 20), [4, 5, 6])
  assert.deepEqual(taken(1 / 30, 4), [1, 2])
  assert.deepEqual(taken(26), [7])
  // What is on the screen in between.
  assert.deepEqual(taken(5, 9), [3])
  assert.deepEqual(taken(26.5, 26.6), [7])
  assert.deepEqual(taken(4, 4), [3])
  assert.throws(() => taken(26.9), /lasts for 26\.90 seconds, 26\.9 came/)
})

test('pictures without a clock are a second apart, or as far as fps says', async () => {
  const clip = pictureClip(['a.png', 'b.png', 'c.png'])
  assert.deepEqual(frameTimes(clip, [0, 2], { frames: 2 }), [0, 2])
  assert.deepEqual(frameTimes(clip, [0, 2], { frames: 2, fps: 4 }), [0, 0.5])
  const read: unknown[] = []
  for await (const picture of clip.read([0, 2])) read.push(picture)
  assert.deepEqual(read, ['a.png', 'c.png'])
  assert.throws(
    () => pictureClip([]),
    (error) => error instanceof InputError && error.code === 'INPUT_VIDEO_EMPTY',
  )
})

// Once they gave frames before the clip's first, the same frame twice, or none.
test('numbers that cannot be are refused with their names', () => {
  const clip = { frames: 7, framesPerSecond: 7 }
  for (const [sampling, name] of [
    [{ frames: 0 }, 'sampling.frames'],
    [{ frames: 2.5 }, 'sampling.frames'],
    [{ frames: Number.NaN }, 'sampling.frames'],
    [{ frames: 3, fps: 0 }, 'sampling.fps'],
    [{ frames: 3, start: -2 }, 'sampling.start'],
    [{ frames: 3, end: Number.NaN }, 'sampling.end'],
  ] as const) {
    assert.throws(
      () => sampleFrames(clip, sampling),
      (error) =>
        error instanceof InputError &&
        error.code === 'INPUT_ARGUMENT' &&
        error.message.startsWith(`sampleFrames: ${name} should be `),
    )
  }
  const empty = { frames: 0, framesPerSecond: 7 }
  assert.throws(() => sampleFrames(empty, { frames: 3 }), /frames of the clip should be .* 0 came/)
  const still = { frames: 7, framesPerSecond: 0 }
  assert.throws(() => sampleFrames(still, { frames: 3 }), /framesPerSecond of the clip/)
})
