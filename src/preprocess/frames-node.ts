/**
 * Clips in Node.js: lists and folders of pictures, animated GIFs and Y4M files by themselves, everything else through
 * ffmpeg.
 */
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeValue } from '../core/describe-value.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { isDiskFull } from '../core/disk-full.ts'
import { CapacityError, InputError } from '../core/errors.ts'
import { isFolder } from '../core/make-folder-node.ts'
import { FLAG, SIGNAL } from '../core/option-kinds.ts'
import { atOnce, inTurns, type Steps } from '../core/steps.ts'
import { ByteReader } from './byte-reader.ts'
import { pathOfUrl } from './file-path-node.ts'
import { ffmpegClip, ffmpegClipInfo, type LentFile } from './ffmpeg-node.ts'
import { gifSteps } from './frames-gif.ts'
import { y4mSteps } from './frames-y4m.ts'
import {
  emptyClip,
  isPictureList,
  pictureClip,
  type Clip,
  type ClipInfo,
  type ClipSource,
} from './frames.ts'
import { withFile } from './image-source.ts'
import { bytesInMemory, type ByteSource } from './random-bytes.ts'

export type OpenClipOptions = {
  /** Turn the frames of a film as the file says, as the reference's reader (decord 0.6) does; default true. */
  readonly autoOrient?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Throws InputError with a code INPUT_VIDEO_… for what is no clip, is not there or cannot be decoded here, and CapacityError
 * CAPACITY_DISK where the bytes of a film find no place among the temporary files.
 */
export async function openClip(source: ClipSource, options: OpenClipOptions = {}): Promise<Clip> {
  checkOptionKinds('openClip', options, { autoOrient: FLAG, signal: SIGNAL })
  const { autoOrient = true, signal } = options
  signal?.throwIfAborted()
  if (source instanceof Blob) return openClip(new Uint8Array(await source.arrayBuffer()), options)
  const place = locate(source)
  if (place.kind === 'pictures') return place.clip
  const kind = kindOf(place)
  if (kind === 'film') return ffmpegClip(lender(place), { autoOrient, signal })
  return inTurns(namedSteps(kind, place), signal)
}

/** How many frames a clip has and how fast they follow, while the caller waits. */
export function clipInfoOf(source: ClipSource): ClipInfo {
  const place = locate(source)
  if (place.kind === 'pictures') return place.clip
  const kind = kindOf(place)
  if (kind !== 'film') return atOnce(namedSteps(kind, place))
  return place.kind === 'path'
    ? ffmpegClipInfo({ path: place.path, name: nameOf(place) })
    : infoOfBytes(place)
}

/**
 * Decodes every frame of a clip that needs no decoder of others; a film that does is opened alone. Throws as `openClip` and
 * its frames do.
 */
export async function decodeClip(source: string | Uint8Array): Promise<void> {
  const clip = await openClip(source)
  const place = locate(source)
  if (place.kind !== 'pictures' && kindOf(place) === 'film') return
  const all = Array.from({ length: clip.frames }, (_, i) => i)
  const shown = clip.read(all)[Symbol.asyncIterator]()
  while ((await shown.next()).done !== true);
}

/** Clips that need no decoder of others. */
const STEPS = { gif: gifSteps, y4m: y4mSteps } as const

/** Of many clips the damaged one is told. */
function* namedSteps(kind: keyof typeof STEPS, place: FilePlace): Steps<Clip> {
  const path = place.kind === 'path' ? place.path : null
  try {
    const clip = yield* STEPS[kind](bytesOf(place))
    return { ...clip, read: (frames, signal) => namedFrames(path, clip.read(frames, signal)) }
  } catch (error) {
    throw withFile(path, error)
  }
}

async function* namedFrames<T>(path: string | null, frames: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* frames
  } catch (error) {
    throw withFile(path, error)
  }
}

/** A folder as the list of its pictures; everything else as it is. */
export function unfolded(source: ClipSource): ClipSource {
  const isLocal = typeof source === 'string' || (source instanceof URL && isFile(source))
  if (!isLocal) return source
  const path = pathOf(source)
  return isFolder(path) ? picturesIn(path) : source
}

type FilePlace =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
type Place = FilePlace | { readonly kind: 'pictures'; readonly clip: Clip }

function locate(source: ClipSource): Place {
  if (isPictureList(source)) return { kind: 'pictures', clip: pictureClip(source) }
  if (source instanceof Uint8Array) return { kind: 'bytes', bytes: source }
  if (source instanceof Blob || (source instanceof URL && !isFile(source))) {
    throw new InputError(
      'INPUT_VIDEO_SOURCE',
      'video: how many frames a Blob or a remote clip has is not known at once; give its bytes.',
    )
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new InputError(
      'INPUT_VIDEO_SOURCE',
      `video: expected a path, a file: URL, a Uint8Array or a list of pictures, ${describeValue(source)} came; give one of them.`,
    )
  }
  const path = pathOf(source)
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) {
    throw new InputError(
      'INPUT_VIDEO_MISSING',
      `video: expected a clip at ${path}, there is nothing; check the path.`,
    )
  }
  if (found.isDirectory()) return { kind: 'pictures', clip: pictureClip(picturesIn(path)) }
  if (found.isFile()) return { kind: 'path', path }
  throw new InputError(
    'INPUT_VIDEO_MISSING',
    `video: expected a clip at ${path}, it is neither file nor folder; check the path.`,
  )
}

function isFile(url: URL): boolean {
  return url.protocol === 'file:'
}

function pathOf(place: string | URL): string {
  return place instanceof URL ? pathOfUrl('video', place) : place
}

const PICTURE_NAME = /^[^.].*\.(?:png|jpe?g|webp|gif|tiff?|avif|bmp|p[bgpn]m)$/i

function picturesIn(path: string): string[] {
  const names = readdirSync(path).filter((name) => PICTURE_NAME.test(name))
  if (names.length === 0) throw emptyClip(`${path} has no pictures in it`)
  // By code units, as Python's sorted() orders names outside emoji.
  return names.sort().map((name) => join(path, name))
}

const HEAD_BYTES = 64

/** By the first bytes, whatever the name says. */
function kindOf(place: FilePlace): 'gif' | 'y4m' | 'film' {
  const head = bytesOf(place).open((bytes) => new ByteReader(bytes.read(0, HEAD_BYTES)))
  if (head.length === 0) throw emptyClip(`${nameOf(place)} is an empty file`)
  if (head.is(0, 'GIF8')) return 'gif'
  if (head.is(0, 'YUV4MPEG2 ')) return 'y4m'
  const picture = pictureFormat(head)
  if (picture === null) return 'film'
  throw new InputError(
    'INPUT_VIDEO_SOURCE',
    `video: ${nameOf(place)} is a picture (${picture}); send it as an image, or in a list as a frame.`,
  )
}

const PICTURE_MAGIC: readonly (readonly [number, string, string])[] = [
  [0, '\x89PNG', 'PNG'],
  [0, '\xff\xd8\xff', 'JPEG'],
  [8, 'WEBP', 'WebP'],
  [0, 'BM', 'BMP'],
  [0, 'II*\0', 'TIFF'],
  [0, 'MM\0*', 'TIFF'],
]

function pictureFormat(head: ByteReader): string | null {
  return PICTURE_MAGIC.find(([at, magic]) => head.is(at, magic))?.[2] ?? null
}

function nameOf(place: FilePlace): string {
  return place.kind === 'path' ? place.path : `a clip of ${place.bytes.length} bytes`
}

/** Opens a file for each use, so that an unread clip holds nothing open. */
function bytesOf(place: FilePlace): ByteSource {
  if (place.kind === 'bytes') return bytesInMemory(place.bytes)
  const { path } = place
  return {
    open(use) {
      const file = openSync(path, 'r')
      try {
        return use({
          size: fstatSync(file).size,
          read(at, length) {
            const buffer = new Uint8Array(length)
            return buffer.subarray(0, readSync(file, buffer, 0, length, at))
          },
        })
      } finally {
        closeSync(file)
      }
    },
    async readLater(at, length, signal) {
      signal?.throwIfAborted()
      const file = await open(path)
      try {
        const buffer = new Uint8Array(length)
        const { bytesRead } = await file.read(buffer, 0, length, at)
        return buffer.subarray(0, bytesRead)
      } finally {
        await file.close()
      }
    },
  }
}

const TEMPORARY = join(tmpdir(), 'llava-clip-')

/** A file for ffmpeg, which cannot read backwards in a pipe: that of bytes exists only while it is lent. */
function lender(place: FilePlace): () => Promise<LentFile> {
  const name = nameOf(place)
  if (place.kind === 'path') {
    return async () => ({ path: place.path, name, [Symbol.asyncDispose]: async () => {} })
  }
  const { bytes } = place
  return async () => {
    const folder = await mkdtemp(TEMPORARY).catch((cause) => notStored(bytes, cause))
    const remove = () => rm(folder, { recursive: true, force: true })
    const path = join(folder, 'clip')
    try {
      await writeFile(path, bytes, { mode: 0o600 })
    } catch (cause) {
      await remove()
      return notStored(bytes, cause)
    }
    return { path, name, [Symbol.asyncDispose]: remove }
  }
}

function infoOfBytes(place: Extract<FilePlace, { kind: 'bytes' }>): ClipInfo {
  const { bytes } = place
  const folder = orNotStored(bytes, () => mkdtempSync(TEMPORARY))
  try {
    const path = join(folder, 'clip')
    orNotStored(bytes, () => writeFileSync(path, bytes, { mode: 0o600 }))
    return ffmpegClipInfo({ path, name: nameOf(place) })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function orNotStored<T>(bytes: Uint8Array, write: () => T): T {
  try {
    return write()
  } catch (cause) {
    return notStored(bytes, cause)
  }
}

/** The folder is not named: who sent the clip may be a stranger to this machine. */
function notStored({ length }: Uint8Array, cause: unknown): never {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
  const todo = isDiskFull(code) ? 'free some space there' : 'check its permissions'
  throw new CapacityError(
    'CAPACITY_DISK',
    `video: expected room for a clip of ${length} bytes in the folder for temporary files, it cannot be written (${code}); ${todo}, or name another in TMPDIR.`,
    { cause },
  )
}
