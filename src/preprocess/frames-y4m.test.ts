import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { atOnce } from '../core/steps.ts'
import { y4mSteps } from './frames-y4m.ts'
import type { Clip } from './frames.ts'
import type { RgbImage } from './image.ts'
import { bytesInMemory } from './random-bytes.ts'

type Film = { readonly size: [number, number]; readonly rate: number; readonly sha256: string[] }

const films = JSON.parse(readFileSync('fixtures/clips/films.json', 'utf8')) as Record<string, Film>

function clipOf(bytes: Uint8Array): Clip {
  return atOnce(y4mSteps(bytesInMemory(bytes)))
}

for (const name of ['420.y4m', '422.y4m', 'grey.y4m']) {
  test(`${name} has the colours that ffmpeg gives it`, async () => {
    const { size, rate, sha256 } = films[name]!
    const clip = clipOf(readFileSync(`fixtures/clips/${name}`))
    assert.equal(clip.frames, sha256.length)
    assert.equal(clip.framesPerSecond, rate)
    assert.equal(clip.timeOf(2), 2 / rate)
    const hashes: string[] = []
    for await (const frame of clip.read([0, 1, 2])) {
      const { width, height, data } = frame as RgbImage
      assert.deepEqual([width, height], size)
      hashes.push(createHash('sha256').update(data).digest('hex'))
    }
    assert.deepEqual(hashes, sha256)
  })
}

function y4m(header: string, ...frames: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat([Buffer.from(`YUV4MPEG2 ${header}\n`), ...frames.map((f) => Buffer.from(f))])
}

test('a frame may say more of itself, and one that is cut off does not count', () => {
  const frame = new Uint8Array(6)
  const clip = clipOf(
    y4m('W2 H2 F0:0', 'FRAME Ip\n', frame, 'FRAME\n', frame, 'FRAME\n', frame.subarray(1)),
  )
  assert.equal(clip.frames, 2)
})

test('what is no whole Y4M file is refused with the reason', () => {
  const refused = (bytes: Uint8Array, code: string, message: RegExp) =>
    assert.throws(
      () => clipOf(bytes),
      (error) => error instanceof InputError && error.code === code && message.test(error.message),
    )
  refused(y4m('W2 H2'), 'INPUT_VIDEO_EMPTY', /has none/)
  refused(y4m('W2'), 'INPUT_VIDEO_UNREADABLE', /2 × NaN/)
  refused(y4m('W2 H2 C420p10', 'FRAME\n'), 'INPUT_VIDEO_UNREADABLE', /420p10 came; convert it/)
  refused(y4m('W2 H2', 'FRAMF\n'), 'INPUT_VIDEO_UNREADABLE', /no frame where one should begin/)
  refused(y4m('W200000 H200000', 'FRAME\n'), 'INPUT_VIDEO_TOO_LARGE', /200000 × 200000/)
  refused(Buffer.from('YUV4MPEG2 '), 'INPUT_VIDEO_UNREADABLE', /line without end/)
})

test('a film of frames that are all alike is counted, one with words of its own is walked in turns', () => {
  const FRAMES = 20_000
  const frame = new Uint8Array(6)
  const opened = (heads: readonly string[]) => {
    let reads = 0
    const whole = bytesInMemory(y4m('W2 H2 F30:1', ...heads.flatMap((head) => [head, frame])))
    const steps = y4mSteps({
      ...whole,
      open: (use) =>
        whole.open(({ size, read }) => {
          const counted = (at: number, length: number) => (reads++, read(at, length))
          return use({ size, read: counted })
        }),
    })
    let turns = 0
    for (;;) {
      const { done, value } = steps.next()
      if (done) return { clip: value, reads, turns }
      turns++
    }
  }
  const alike = opened(Array.from({ length: FRAMES }, () => 'FRAME\n'))
  assert.deepEqual([alike.clip.frames, alike.turns], [FRAMES, 0])
  assert.ok(alike.reads < 10, `${alike.reads} reads`)
  const heads = Array.from({ length: FRAMES }, (_, i) => (i === 7 ? 'FRAME Ip\n' : 'FRAME\n'))
  const walked = opened(heads)
  assert.equal(walked.clip.frames, FRAMES)
  assert.ok(walked.turns > FRAMES / 100, `${walked.turns} turns`)
})

test('a frame that is broken in the middle is refused when it is read, or at once', async () => {
  const frames = Array.from({ length: 5 }, () => ['FRAME\n', new Uint8Array(6)]).flat()
  const bytes = y4m('W2 H2', ...frames)
  bytes.set(Buffer.from('FRAMF'), bytes.length - 3 * 12)
  await assert.rejects(async () => {
    for await (const _ of clipOf(bytes).read([1, 2, 3])) continue
  }, /no frame where one should begin/)
})
