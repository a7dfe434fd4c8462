/**
 * A clip as a server takes it: a film whole, or the frames that are asked for as files.
 *
 * A film goes whole where the server does the asking's part itself: ours knows `frames`, `fps`, `start` and `end`. For
 * others its frames are decoded here. Folders and lists of pictures are sampled here and go as frames.
 */
import { InputError } from '../../core/errors.ts'
import { pathOfUrl } from '../../preprocess/file-path-node.ts'
import { encodeJpeg } from '../../preprocess/encode-jpeg.ts'
import { openClip, unfolded } from '../../preprocess/frames-node.ts'
import { isPictureList, sampleFrames, type ClipSource } from '../../preprocess/frames.ts'
import type { ImageFile, ImagePixels } from '../../preprocess/image-source.ts'
import type { RgbImage } from '../../preprocess/image.ts'
import { probeImage } from '../../preprocess/probe-image.ts'
import type { VideoPart } from '../messages.ts'
import { resolveLocalPicture } from '../picture-source.ts'
import { resolveLocalClip } from '../video-source.ts'
import { encodePng } from './encode-png.ts'
import {
  fieldsFor,
  mostFrames,
  sampledFrames,
  samplingOf,
  type FrameFields,
} from './sampled-frames.ts'
import { takesFrames, type ServerKind } from './server-kind.ts'

export type ClipReceiver = {
  /** Null: not known. */
  readonly kind: ServerKind | null
  /** Reads the file of a film or frame. */
  readonly readFile: (path: string) => Promise<Uint8Array>
}

/** What is sent: a film's bytes, its address, or files of frames; and the fields that go with it. */
export type SentClip = FrameFields & { readonly video: string | Uint8Array | readonly Uint8Array[] }

/**
 * Bytes of a clip's frames that are sent where nobody said how many: in base64 they are half of what our own server reads of
 * a request. And their pixels, of which it takes somewhat more.
 */
const MOST_BYTES = 24 << 20
const MOST_PIXELS = 90_000_000

/** Throws InputError INPUT_ENDPOINT_PART for a clip that cannot be sent, and what reading a film throws. */
export async function sendClip(part: VideoPart, receiver: ClipReceiver): Promise<SentClip> {
  const { kind, readFile } = receiver
  const options = fieldsOf(part)
  const isWhole = takesWhole(options, kind)
  if (isWhole && isAddress(part.video)) return { video: String(part.video), ...options }
  const source = await sourceOf(part)
  if (isPictureList(source) || !isWhole) {
    if (!takesFrames(kind)) throw noClip('frames of one', 'SGLang takes films alone')
    return asClip(
      isPictureList(source) ? pictures(source, options, receiver) : film(source, options, receiver),
    )
  }
  if (source instanceof Blob)
    return { video: new Uint8Array(await source.arrayBuffer()), ...options }
  return {
    video: source instanceof Uint8Array ? source : await readFile(pathOf(source)),
    ...options,
  }
}

/** Whether the server finds the frames of a film that are asked for. Whoever is not known may know how many, as ours does. */
function takesWhole(
  { frames, fps, start, end, forceSample = false }: FrameFields,
  kind: ServerKind | null,
): boolean {
  if (kind === 'llava-ts') return true
  const isOurs = start !== undefined || end !== undefined || forceSample
  return !isOurs && (kind === null || (frames === undefined && fps === undefined))
}

function fieldsOf({ frames, fps, start, end, forceSample }: VideoPart): FrameFields {
  return {
    ...(frames !== undefined && { frames }),
    ...(fps !== undefined && { fps }),
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(forceSample && { forceSample }),
  }
}

function isAddress(video: VideoPart['video']): boolean {
  const isText = typeof video === 'string' || video instanceof URL
  return isText && /^(?:https?|data):/i.test(String(video))
}

async function sourceOf({ video }: VideoPart): Promise<ClipSource> {
  const source = unfolded(resolveLocalClip(video))
  if (!(source instanceof URL) || source.protocol === 'file:') return source
  throw noClip('a part of one at an address', 'give the file, or ask a server of ours')
}

type Sending = Promise<{ readonly frames: readonly Uint8Array[]; readonly fields: FrameFields }>

async function pictures(
  all: readonly (ImageFile | ImagePixels)[],
  options: FrameFields,
  { kind, readFile }: ClipReceiver,
): Sending {
  for (let most = mostFrames(options, kind); ;) {
    const { taken, fields } = sampledFrames(all, options, most)
    const files = await filesOf(taken, readFile)
    const share = shareOf(files)
    if (share <= 1 || taken.length === 1 || options.frames !== undefined) {
      return { frames: files, fields: fieldsFor(fields, options, kind) }
    }
    most = Math.max(1, Math.floor(taken.length / share))
  }
}

/** The frames that the seconds and the options name, decoded. */
async function film(source: ClipSource, options: FrameFields, { kind }: ClipReceiver): Sending {
  const clip = await openClip(source)
  const places = sampleFrames(clip, samplingOf(options, mostFrames(options, kind)))
  const frames: Uint8Array[] = []
  for await (const frame of clip.read(places)) {
    const image = resolveLocalPicture(frame)
    if (isRgb(image)) frames.push(await encoded(image, places.length))
    else throw new Error('internal: a film should be decoded to pixels')
  }
  const asked = options.frames ?? options.fps
  const fields = asked === undefined ? {} : { frames: frames.length }
  return { frames, fields: fieldsFor(fields, {}, kind) }
}

async function filesOf(
  taken: readonly (ImageFile | ImagePixels)[],
  readFile: ClipReceiver['readFile'],
): Promise<Uint8Array[]> {
  const files: Uint8Array[] = []
  for (const one of taken) {
    const file = await fileOf(one, { count: taken.length, readFile })
    // A list from elsewhere may name any file of this machine: what is no picture does not leave it.
    probeImage(file)
    files.push(file)
  }
  return files
}

async function fileOf(
  picture: ImageFile | ImagePixels,
  { count, readFile }: Pick<ClipReceiver, 'readFile'> & { readonly count: number },
): Promise<Uint8Array> {
  const local = resolveLocalPicture(picture)
  if (local instanceof Uint8Array) return local
  if (local instanceof Blob) return new Uint8Array(await local.arrayBuffer())
  if (isRgb(local)) return encoded(local, count)
  if (typeof local === 'string' || local.protocol === 'file:') return readFile(pathOf(local))
  throw noClip('a frame at an address', 'give its file')
}

/** Without loss, unless so many of them would be too large. */
function encoded(image: RgbImage, count: number): Promise<Uint8Array> {
  return image.data.length * count <= MOST_BYTES ? encodePng(image) : encodeJpeg(image)
}

function pathOf(file: string | URL): string {
  return file instanceof URL ? pathOfUrl('video', file) : file
}

function isRgb(source: ReturnType<typeof resolveLocalPicture>): source is RgbImage {
  return typeof source === 'object' && 'data' in source
}

/** How many times what is sent at most they are. */
function shareOf(files: readonly Uint8Array[]): number {
  const sizes = files.map((file) => ({ bytes: file.length, ...probeImage(file) }))
  const bytes = sizes.reduce((sum, one) => sum + one.bytes, 0)
  const pixels = sizes.reduce((sum, { width, height }) => sum + width * height, 0)
  return Math.max(bytes / MOST_BYTES, pixels / MOST_PIXELS)
}

/** What is wrong with a picture or film is wrong with the clip, whoever asks for it. */
async function asClip(sending: Sending): Promise<SentClip> {
  try {
    const { frames, fields } = await sending
    return { video: frames, ...fields }
  } catch (error) {
    if (!(error instanceof InputError) || !/^INPUT_(?:IMAGE|VIDEO)_/.test(error.code)) throw error
    throw new InputError('INPUT_ENDPOINT_PART', error.message, { cause: error })
  }
}

export function noClip(what: string, advice: string): InputError {
  return new InputError(
    'INPUT_ENDPOINT_PART',
    `endpoint: a clip for this server should be one whole film, ${what} came; ${advice}, or ask a local model.`,
  )
}
