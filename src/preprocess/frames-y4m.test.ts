import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { y4mClip } from './frames-y4m.ts'
import type { Clip } from './frames.ts'
import type { RgbImage } from './image.ts'

type Film = { readonly size: [number, number]; readonly rate: number; readonly sha256: string[] }

const films = JSON.parse(readFileSync('fixtures/clips/films.json', 'utf8')) as Record<string, Film>

function clipOf(bytes: Uint8Array): Clip {
  return y4mClip((use) =>
    use({ size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) }),
  )
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
  refused(y4m('W2 H2 C420p10', 'FRAME\n'), 'INPUT_VIDEO_UNREADABLE', /420p10; known are/)
  refused(y4m('W2 H2', 'FRAMF\n'), 'INPUT_VIDEO_UNREADABLE', /no frame where one should begin/)
  refused(y4m('W200000 H200000', 'FRAME\n'), 'INPUT_VIDEO_TOO_LARGE', /200000 × 200000/)
  refused(Buffer.from('YUV4MPEG2 '), 'INPUT_VIDEO_UNREADABLE', /line without end/)
})
