/**
 * What a request names as a picture or clip, as bytes.
 *
 * Nothing but bytes goes on to the model: to the library a text is a path, and paths of the server are nobody's business.
 * `data:` URLs are read; `https:` and `file:` ones only by the functions that the server was given for them.
 */
import { InputError } from '../../core/errors.ts'
import { schemeOf } from '../../preprocess/image-source.ts'
import { probeImage, type ImageHeader } from '../../preprocess/probe-image.ts'
import { aboutMedium } from '../about-medium.ts'
import { isFramesUrl } from '../remote/media-url.ts'
import { MOST_FRAMES } from '../remote/sampled-frames.ts'
import { readDataUrl, readFramesUrl } from './data-url.ts'
import { notePath } from './media-paths.ts'

/** Fetches or reads what a URL names, within its own limits. */
export type MediaReader = (
  url: URL,
  options: { readonly maxBytes: number; readonly signal: AbortSignal },
) => Promise<Uint8Array>

export type MediaReaders = {
  /** Null: this server fetches nothing. */
  readonly remote: MediaReader | null
  /** Null: this server reads no files. */
  readonly file: MediaReader | null
}

/** A film, or the files of frames without a clock. */
export type Clip = Uint8Array | readonly Uint8Array[]

export type MediaLimits = {
  readonly maxMedia: number
  readonly maxMediaBytes: number
  readonly maxPixels: number
}

export type RequestMediaParts = {
  readonly readers: MediaReaders
  readonly limits: MediaLimits
  readonly signal: AbortSignal
  /** Told of each picture by its header. */
  readonly onPicture: (header: ImageHeader, path: string) => void
}

/** Reads the media of one request and adds them up. */
export class RequestMedia {
  readonly #readers: MediaReaders
  readonly #limits: MediaLimits
  readonly #signal: AbortSignal
  readonly #onPicture: RequestMediaParts['onPicture']
  #count = 0
  #pixels = 0

  constructor({ readers, limits, signal, onPicture }: RequestMediaParts) {
    this.#readers = readers
    this.#limits = limits
    this.#signal = signal
    this.#onPicture = onPicture
  }

  /** A picture, checked by its header before anybody decodes it. */
  picture(url: string, path: string): Promise<Uint8Array> {
    return noting(path, this.#picture(url, path))
  }

  /** A film's bytes; or the files of its frames, each checked as a picture is. */
  clip(url: string, path: string): Promise<Clip> {
    return noting<Clip>(path, isFramesUrl(url) ? this.#frames(url, path) : this.#bytes(url, path))
  }

  /** Whatever a file is. */
  file(url: string, path: string): Promise<Uint8Array> {
    return noting(path, this.#bytes(url, path))
  }

  async #picture(url: string, path: string): Promise<Uint8Array> {
    const bytes = await this.#bytes(url, path)
    const header = probeImage(bytes)
    this.#addPixels(header, path)
    this.#onPicture(header, path)
    return bytes
  }

  async #frames(url: string, path: string): Promise<readonly Uint8Array[]> {
    this.#countOne(path)
    const limits = { maxBytes: this.#limits.maxMediaBytes, maxFrames: MOST_FRAMES }
    const frames = await readFramesUrl(url, limits, path)
    for (const frame of frames) {
      this.#addPixels(probeImage(frame), path)
      notePath(frame, path)
    }
    return frames
  }

  #addPixels({ width, height }: ImageHeader, path: string): void {
    this.#pixels += width * height
    if (this.#pixels <= this.#limits.maxPixels) return
    throw new InputError(
      'INPUT_IMAGE_TOO_LARGE',
      `${path}: the pictures of a request may have ${this.#limits.maxPixels} pixels, with this one they have ${this.#pixels}; send smaller ones.`,
    )
  }

  async #bytes(url: string, path: string): Promise<Uint8Array> {
    this.#countOne(path)
    const { maxMediaBytes } = this.#limits
    const scheme = schemeOf(url)
    if (scheme === 'data') return readDataUrl(url, maxMediaBytes, path)
    const reader = readerOf(scheme, this.#readers, path)
    if (!URL.canParse(url)) throw badUrl(path)
    return reader(new URL(url), { maxBytes: maxMediaBytes, signal: this.#signal })
  }

  #countOne(path: string): void {
    const { maxMedia } = this.#limits
    if (++this.#count <= maxMedia) return
    throw new InputError(
      'INPUT_MEDIA_COUNT',
      `${path}: a request may have ${maxMedia} pictures and clips, more came; send fewer.`,
    )
  }
}

/** The bytes, of which it is known where they stood; so it is of what fails to become some. */
async function noting<M extends object>(path: string, reading: Promise<M>): Promise<M> {
  const url = {}
  notePath(url, path)
  const bytes = await aboutMedium(url, reading)
  notePath(bytes, path)
  return bytes
}

function readerOf(scheme: string | undefined, readers: MediaReaders, path: string): MediaReader {
  if (scheme === 'https' || scheme === 'http') {
    if (readers.remote) return readers.remote
    throw new InputError(
      'INPUT_MEDIA_REMOTE',
      `${path}: this server fetches nothing; send the bytes as a data: URL, or start it with --allow-media-host.`,
    )
  }
  if (scheme === 'file') {
    if (readers.file) return readers.file
    throw new InputError(
      'INPUT_MEDIA_FILE',
      `${path}: this server reads no files; send the bytes as a data: URL, or start it with --media-root.`,
    )
  }
  throw badUrl(path)
}

function badUrl(path: string): InputError {
  return new InputError(
    'INPUT_MEDIA_URL',
    `${path} should be a URL of the form data:image/png;base64,…, something else came.`,
  )
}
