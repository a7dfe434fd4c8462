import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { collectGarbage } from '../../test/collect-garbage.ts'
import { InputError } from '../core/errors.ts'
import { sampleFrames, type Clip, type ClipSource } from './frames.ts'
import type { RgbImage } from './image.ts'

type Film = {
  readonly size: [number, number]
  readonly sha256: string[]
  readonly upright?: string
}

const FOLDER = 'fixtures/clips'
const films = JSON.parse(readFileSync(join(FOLDER, 'films.json'), 'utf8')) as Record<string, Film>
const scratch = mkdtempSync(join(tmpdir(), 'llava-test-'))
after(() => rmSync(scratch, { recursive: true }))

// A folder for temporary files in which nobody else has any.
const temporary = join(scratch, 'temporary')
mkdirSync(temporary)
Object.assign(process.env, { TMPDIR: temporary, TMP: temporary, TEMP: temporary })
const { clipInfoOf, openClip } = await import('./frames-node.ts')

function scratchFile(name: string, data: string | Uint8Array): string {
  const path = join(scratch, name)
  writeFileSync(path, data)
  return path
}

async function hashes(clip: Clip, taken: readonly number[]): Promise<string[]> {
  const found: string[] = []
  for await (const frame of clip.read(taken)) {
    found.push(
      createHash('sha256')
        .update((frame as RgbImage).data)
        .digest('hex'),
    )
  }
  return found
}

function hasFfmpeg(t: TestContext): boolean {
  try {
    execFileSync('ffmpeg', ['-version'], { stdio: 'ignore' })
    execFileSync('ffprobe', ['-version'], { stdio: 'ignore' })
    return true
  } catch {
    t.skip('ffmpeg and ffprobe are not installed')
    return false
  }
}

test('a folder gives its pictures in the order of their names, and nothing else', async () => {
  const clip = await openClip('fixtures/pictures/clip')
  const names = readdirSync('fixtures/pictures/clip').sort()
  assert.equal(clip.frames, names.length)
  assert.equal(clip.framesPerSecond, null)
  const read: unknown[] = []
  for await (const frame of clip.read([0, names.length - 1])) read.push(frame)
  assert.deepEqual(
    read,
    [names[0], names.at(-1)].map((name) => join('fixtures/pictures/clip', name!)),
  )
})

test('the first bytes decide, not the name', async () => {
  const y4m = scratchFile('film.mp4', readFileSync(join(FOLDER, '420.y4m')))
  const gif = scratchFile('film.webm', readFileSync('fixtures/pictures/animated-160x160.gif'))
  assert.equal((await openClip(y4m)).framesPerSecond, 10)
  assert.ok((await openClip(pathToFileURL(gif))).frames > 1)
  assert.deepEqual(await hashes(await openClip(y4m), [2]), [films['420.y4m']!.sha256[2]])
  const bytes = new Uint8Array(readFileSync(y4m))
  assert.deepEqual(await hashes(await openClip(new Blob([bytes])), [0, 2]), [
    films['420.y4m']!.sha256[0],
    films['420.y4m']!.sha256[2],
  ])
})

test('how many frames there are is known at once', () => {
  assert.equal(clipInfoOf('fixtures/pictures/clip').frames, 8)
  assert.equal(clipInfoOf(['a.png', 'b.png']).frames, 2)
  assert.equal(clipInfoOf(new Uint8Array(readFileSync(join(FOLDER, '422.y4m')))).frames, 3)
})

const REFUSED: readonly [ClipSource, string, RegExp][] = [
  ['no/such/clip.mp4', 'INPUT_VIDEO_MISSING', /no\/such\/clip\.mp4, there is nothing/],
  ['src/core', 'INPUT_VIDEO_EMPTY', /src\/core has no pictures in it/],
  ['/dev/null', 'INPUT_VIDEO_MISSING', /\/dev\/null, it is neither file nor folder/],
  [[], 'INPUT_VIDEO_EMPTY', /list of pictures is empty/],
  [scratchFile('empty.mp4', ''), 'INPUT_VIDEO_EMPTY', /empty\.mp4 is an empty file/],
  [
    scratchFile('none.y4m', 'YUV4MPEG2 W2 H2\n'),
    'INPUT_VIDEO_EMPTY',
    /has none; check that it is the right file; the file is .*none\.y4m\.$/,
  ],
  ['fixtures/pictures/photo-1x1.png', 'INPUT_VIDEO_SOURCE', /is a picture \(PNG\); send it as an/],
  [new URL('https://localhost/a.mp4'), 'INPUT_VIDEO_SOURCE', /give its bytes/],
]
for (const [source, code, message] of REFUSED) {
  test(`${String(source) || 'an empty list'} is refused with ${code}`, async () => {
    const isIt = (error: unknown) =>
      error instanceof InputError && error.code === code && message.test(error.message)
    await assert.rejects(() => openClip(source), isIt)
    assert.throws(() => clipInfoOf(source), isIt)
  })
}

for (const [name, { sha256, size }] of Object.entries(films)) {
  if (name.endsWith('.y4m')) continue
  test(`${name} gives every frame that ffmpeg gives, whichever are asked for`, async (t) => {
    if (!hasFfmpeg(t)) return
    const path = join(FOLDER, name)
    const clip = await openClip(path, { autoOrient: false })
    assert.equal(clip.frames, sha256.length)
    assert.equal(clipInfoOf(path).frames, sha256.length)
    const some = [1, 7, sha256.length - 1]
    assert.deepEqual(
      await hashes(clip, some),
      some.map((frame) => sha256[frame]),
    )
    assert.deepEqual(await hashes(clip, [...sha256.keys()]), sha256)
    for await (const frame of clip.read([0])) {
      assert.deepEqual([(frame as RgbImage).width, (frame as RgbImage).height], size)
    }
    assert.equal(clip.timeOf(0), 0)
    assert.ok(clip.timeOf(1) > 0 && clip.timeOf(clip.frames - 1) > clip.timeOf(1))
  })
}

test('of a film whose rate varies those frames are taken that are shown between the seconds', async (t) => {
  if (!hasFfmpeg(t)) return
  const path = join(FOLDER, 'variable.mkv')
  const clip = await openClip(path)
  // 30 a second at first, ten from 0.5 on; its header says 30.
  assert.ok(Math.abs(clip.timeOf(clip.frames) - 1.933) < 1e-6)
  assert.ok(Math.abs(clip.framesPerSecond! - 30 / 1.933) < 1e-6)
  for (const info of [clip, clipInfoOf(path)]) {
    const taken = sampleFrames(info, { frames: 32, start: 1, end: 1.5 })
    assert.deepEqual(taken, [20, 21, 22, 23, 24])
    const times = taken.map((frame) => clip.timeOf(frame).toFixed(1))
    assert.deepEqual(times, ['1.0', '1.1', '1.2', '1.3', '1.4'])
  }
})

test('a far frame is jumped to and is the same', async (t) => {
  if (!hasFfmpeg(t)) return
  const path = join(scratch, 'long.mkv')
  const loop = ['-stream_loop', '9', '-i', join(FOLDER, 'b-frames.mp4'), '-c', 'copy', path]
  execFileSync('ffmpeg', ['-nostdin', '-v', 'error', ...loop])
  const clip = await openClip(path)
  const { sha256 } = films['b-frames.mp4']!
  assert.equal(clip.frames, 10 * sha256.length)
  const far = 8 * sha256.length + 13
  assert.deepEqual(await hashes(clip, [far]), [sha256[13]])
  assert.deepEqual(await hashes(clip, [clip.frames - 1]), [sha256.at(-1)])
})

// Once it had a frame more for each picture whose references were cut off, and was refused as damaged.
test('a film that begins in the middle of another has the frames that can be decoded', async (t) => {
  if (!hasFfmpeg(t)) return
  const ffmpeg = (...args: string[]) => execFileSync('ffmpeg', ['-nostdin', '-v', 'error', ...args])
  const path = join(scratch, 'whole.ts')
  const pattern = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=30:d=3', '-pix_fmt', 'yuv420p']
  const groups = ['-g', '30', '-bf', '2', '-sc_threshold', '1000000000']
  ffmpeg(...pattern, '-c:v', 'mpeg2video', ...groups, path)
  const whole = await openClip(path)
  const shown = await hashes(whole, [...Array(whole.frames).keys()])
  // A recording that was begun at any moment, and one cut at a key frame that pictures before it need too.
  const stream = readFileSync(path)
  const begun = scratchFile('begun.ts', stream.subarray(188 * Math.floor(stream.length / 564)))
  const cut = join(scratch, 'cut.mkv')
  ffmpeg('-ss', '1.5', '-i', path, '-map', '0:v', '-c', 'copy', cut)
  for (const part of [begun, cut]) {
    const clip = await openClip(part)
    assert.equal(clipInfoOf(part).frames, clip.frames)
    const frames = [...Array(clip.frames).keys()]
    assert.deepEqual(await hashes(clip, frames), shown.slice(-clip.frames))
    assert.ok(clip.frames >= 30 && clip.timeOf(0) === 0)
  }
})

// Once each picture without a time was lost, a third of them all.
test('an MPEG-1 film whose packets have times in part has all its frames, whole or begun', async (t) => {
  if (!hasFfmpeg(t)) return
  const path = join(scratch, 'whole.mpg')
  const pattern = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=30:d=4', '-pix_fmt', 'yuv420p']
  const coded = ['-c:v', 'mpeg1video', '-g', '30', '-bf', '2', path]
  execFileSync('ffmpeg', ['-nostdin', '-v', 'error', ...pattern, ...coded])
  assert.equal(clipInfoOf(path).frames, 120)
  const stream = readFileSync(path)
  const begun = scratchFile('begun.mpg', stream.subarray(2048 * Math.floor(stream.length / 6144)))
  const clip = await openClip(begun)
  assert.equal((await hashes(clip, [...Array(clip.frames).keys()])).length, 60)
})

test('a phone’s film is turned upright unless it is to stay as it is stored', async (t) => {
  if (!hasFfmpeg(t)) return
  const { upright, sha256 } = films['turned.mp4']!
  const path = join(FOLDER, 'turned.mp4')
  assert.deepEqual(await hashes(await openClip(path), [0]), [upright])
  assert.deepEqual(await hashes(await openClip(path, { autoOrient: false }), [0]), [sha256[0]])
})

test('bytes are a film too, and leave no file behind', async (t) => {
  if (!hasFfmpeg(t)) return
  const bytes = new Uint8Array(readFileSync(join(FOLDER, 'b-frames.mp4')))
  const clip = await openClip(bytes)
  assert.equal(clipInfoOf(bytes).frames, clip.frames)
  for await (const _ of clip.read([0, 30])) break
  const stop = new AbortController()
  await assert.rejects(async () => {
    for await (const _ of clip.read([0, 30, 59], stop.signal)) stop.abort(new Error('enough'))
  }, /enough/)
  await assert.rejects(() => openClip(bytes.subarray(0, 2000)), InputError)
  assert.deepEqual(readdirSync(temporary), [])
})

test('a damaged film is refused with what ffmpeg says', async (t) => {
  if (!hasFfmpeg(t)) return
  const half = readFileSync(join(FOLDER, 'b-frames.mp4')).subarray(0, 2500)
  const refused = (path: string, message: RegExp) =>
    assert.rejects(
      () => openClip(path),
      (error) => error instanceof InputError && message.test(error.message),
    )
  await refused(
    scratchFile('half.mp4', half),
    /half\.mp4 cannot be read: moov atom not found; give a file that plays/,
  )
  await refused(scratchFile('words.mp4', 'a text that is no film\n'.repeat(9)), /words\.mp4/)
  const list = `#EXTM3U\n#EXTINF:1,\nfile://${process.cwd()}/${FOLDER}/b-frames.mp4\n#EXT-X-ENDLIST\n`
  await refused(scratchFile('list.m3u8', list), /list\.m3u8/)
})

test('bytes that find no room are told as such, counted or opened, and leave nothing', async () => {
  // No file may become longer than 64 KiB.
  const limited = ['-c', 'ulimit -f 64; exec "$@"', 'bash', process.execPath, '-e', STORE_A_CLIP]
  const said = execFileSync('bash', limited, { encoding: 'utf8' })
  const message = /^CAPACITY_DISK video: .* 100000 bytes .*free some space/
  for (const line of said.trim().split('\n')) assert.match(line, message)
  assert.equal(said.trim().split('\n').length, 2)
  assert.deepEqual(readdirSync(temporary), [])
})

const STORE_A_CLIP = `
  const { clipInfoOf, openClip } = await import('${new URL('./frames-node.js', import.meta.url)}')
  const film = new Uint8Array(100_000)
  const tell = ({ code, message }) => console.log(code, message)
  await openClip(film).catch(tell)
  try { clipInfoOf(film) } catch (error) { tell(error) }
`

test('a tool that is too old is named with its version, and is not the film’s fault', async (t) => {
  const bin = join(scratch, 'old-tools')
  mkdirSync(bin)
  const tool = `case "$*" in -version) echo "ffprobe version 0.6.1 Copyright";; *) echo "Unrecognized option 'protocol_whitelist'." >&2; exit 1;; esac`
  for (const name of ['ffmpeg', 'ffprobe']) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${tool}\n`, { mode: 0o755 })
  }
  const { PATH } = process.env
  process.env['PATH'] = `${bin}:${PATH}`
  t.after(() => (process.env['PATH'] = PATH))
  const isTold = (error: unknown) =>
    error instanceof InputError &&
    error.code === 'INPUT_VIDEO_DECODER' &&
    /FFmpeg 4 or newer, 0\.6\.1 came.*protocol_whitelist/.test(error.message)
  const film = join(FOLDER, 'b-frames.mp4')
  await assert.rejects(() => openClip(film), isTold)
  assert.throws(() => clipInfoOf(film), isTold)
})

/** Small frames, then comments, `megabytes` of them, and then as much that is nothing and takes a while to walk over. */
function longGif(megabytes: number): Uint8Array {
  const { gif } = (
    JSON.parse(readFileSync(join(FOLDER, 'gifs.json'), 'utf8')) as { gif: string }[]
  )[0]!
  const whole = Buffer.from(gif, 'base64')
  const block = Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 65)])
  const comment = Buffer.concat([
    Buffer.from([0x21, 0xfe]),
    Buffer.alloc((megabytes << 20) - ((megabytes << 20) % 256), block),
    Buffer.from([0]),
  ])
  const nothing = Buffer.alloc(megabytes << 20)
  return Buffer.concat([whole.subarray(0, -1), comment, nothing, Buffer.from([0x3b])])
}

test('a GIF given by its path is never in memory as a whole, and an aborted opening ends', async () => {
  const path = scratchFile('long.gif', longGif(24))
  const frames = clipInfoOf(path).frames
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  const clips = await Promise.all(Array.from({ length: 8 }, () => openClip(path)))
  const grown = process.memoryUsage().arrayBuffers - before
  // Eight whole files were 384 MB; windows of 128 KB are let go whenever V8 wishes.
  assert.ok(grown < 128 << 20, `${grown} bytes`)
  assert.ok(clips.every((clip) => clip.frames === frames))
  const stop = new AbortController()
  const opening = openClip(path, { signal: stop.signal })
  stop.abort()
  await assert.rejects(opening, { name: 'AbortError' })
  const reading = clips[0]!.read([0], AbortSignal.abort())[Symbol.asyncIterator]()
  await assert.rejects(reading.next(), { name: 'AbortError' })
})
