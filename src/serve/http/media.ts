/**
 * What a request names as a picture or clip, as bytes.
 *
 * Nothing but bytes goes on to the model: to the library a text is a path, and paths of the server are nobody's business.
 * `data:` URLs are read; `https:` and `file:` ones only by the functions that the server was given for them.
 */
import { InputError } from '../../core/errors.ts'
import { schemeOf } from '../../preprocess/image-source.ts'
import { probeImage } from '../../preprocess/probe-image.ts'
import { aboutMedium } from '../about-medium.ts'
import { readDataUrl } from './data-url.ts'
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

export type MediaLimits = {
  readonly maxMedia: number
  readonly maxMediaBytes: number
  readonly maxPixels: number
}

/** Reads the media of one request and adds them up. */
export class RequestMedia {
  readonly #readers: MediaReaders
  readonly #limits: MediaLimits
  readonly #signal: AbortSignal
  #count = 0
  #pixels = 0

  constructor(readers: MediaReaders, limits: MediaLimits, signal: AbortSignal) {
    this.#readers = readers
    this.#limits = limits
    this.#signal = signal
  }

  /** A picture, checked by its header before anybody decodes it. */
  picture(url: string, path: string): Promise<Uint8Array> {
    return noting(path, this.#picture(url, path))
  }

  clip(url: string, path: string): Promise<Uint8Array> {
    return noting(path, this.#bytes(url, path))
  }

  async #picture(url: string, path: string): Promise<Uint8Array> {
    const bytes = await this.#bytes(url, path)
    const { width, height } = probeImage(bytes)
    this.#pixels += width * height
    if (this.#pixels <= this.#limits.maxPixels) return bytes
    throw new InputError(
      'INPUT_IMAGE_TOO_LARGE',
      `${path}: the pictures of a request may have ${this.#limits.maxPixels} pixels, with this one they have ${this.#pixels}; send smaller ones.`,
    )
  }

  async #bytes(url: string, path: string): Promise<Uint8Array> {
    const { maxMedia, maxMediaBytes } = this.#limits
    if (++this.#count > maxMedia) {
      throw new InputError(
        'INPUT_MEDIA_COUNT',
        `${path}: a request may have ${maxMedia} pictures and clips, more came; send fewer.`,
      )
    }
    const scheme = schemeOf(url)
    if (scheme === 'data') return readDataUrl(url, maxMediaBytes, path)
    const reader = readerOf(scheme, this.#readers, path)
    if (!URL.canParse(url)) throw badUrl(path)
    return reader(new URL(url), { maxBytes: maxMediaBytes, signal: this.#signal })
  }
}

/** The bytes, of which it is known where they stood; so it is of what fails to become some. */
async function noting(path: string, reading: Promise<Uint8Array>): Promise<Uint8Array> {
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
