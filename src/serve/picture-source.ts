/**
 * What people give as a picture, as what the preprocessor takes: a file, bytes or RGB samples.
 *
 * Strings are paths, `data:` URLs, `file:` URLs, or `http:` and `https:` URLs; the last are fetched only if the model was
 * loaded with `allowRemote`, because messages often come from somebody else.
 */
import { InputError } from '../core/errors.ts'
import type { RgbImage } from '../preprocess/image.ts'
import type { ImagePixels, ImageSource } from './messages.ts'

export type ResolvedPicture = string | URL | Uint8Array | Blob | RgbImage

export type ResolveOptions = {
  readonly allowRemote: boolean
  readonly signal?: AbortSignal | undefined
}

export async function resolvePicture(
  source: ImageSource,
  options: ResolveOptions,
): Promise<ResolvedPicture> {
  const local = resolveLocalPicture(source)
  if (!(local instanceof URL) || local.protocol === 'file:') return local
  return fetchRemote(local, { ...options, what: 'picture', maxBytes: MAX_REMOTE_BYTES })
}

/** The same without fetching: a remote picture stays a URL. */
export function resolveLocalPicture(source: ImageSource): ResolvedPicture {
  if (typeof source === 'string') {
    const url = /^(?:data|file|https?):/i.test(source) ? new URL(source) : null
    return url ? resolveUrl(url) : source
  }
  if (source instanceof URL) return resolveUrl(source)
  if (source instanceof Uint8Array || source instanceof Blob) return source
  return toRgb(source)
}

function resolveUrl(url: URL): Uint8Array | URL {
  return url.protocol === 'data:' ? decodeDataUrl(url.href) : url
}

/** Source: RFC 2397. */
function decodeDataUrl(href: string): Uint8Array {
  const comma = href.indexOf(',')
  const header = href.slice(5, comma)
  const body = href.slice(comma + 1)
  try {
    if (comma < 0) throw new Error('it has no comma')
    const text = /;base64$/i.test(header.trim())
      ? atob(decodeURIComponent(body))
      : decodeURIComponent(body)
    return Uint8Array.from(text, (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new InputError(
      'INPUT_IMAGE_DATA_URL',
      `messages: a data: URL of ${href.length} characters cannot be read (${(cause as Error).message}); write data:image/png;base64,….`,
      { cause },
    )
  }
}

const MAX_REMOTE_BYTES = 64 << 20

/** Throws InputError INPUT_IMAGE_REMOTE unless the model may fetch, INPUT_IMAGE_FETCH where it gets nothing. */
export async function fetchRemote(
  url: URL,
  options: ResolveOptions & { readonly what: 'picture' | 'clip'; readonly maxBytes: number },
): Promise<Uint8Array> {
  const { signal, maxBytes } = options
  if (!options.allowRemote) throw remoteRefused(url, options.what)
  const response = await fetch(url, signal ? { signal } : {}).catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw unreachable(url, (cause as Error).message, cause)
  })
  if (!response.ok || !response.body) throw unreachable(url, `status ${response.status}`)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes) throw unreachable(url, `more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer())
}

function unreachable(url: URL, reason: string, cause?: unknown): InputError {
  return new InputError(
    'INPUT_IMAGE_FETCH',
    `messages: ${url.href} could not be fetched: ${reason}.`,
    {
      cause,
    },
  )
}

function remoteRefused(url: URL, what: string): InputError {
  return new InputError(
    'INPUT_IMAGE_REMOTE',
    `messages: the ${what} is at ${url.origin} and remote ones are off; send its bytes, or load the model with allowRemote.`,
  )
}

/** Grey becomes equal channels, alpha is dropped: as files with those channels are read. */
function toRgb({ data, width, height }: ImagePixels): RgbImage {
  const channels = data.length / (width * height)
  if (channels === 3) return { data, width, height, channels: 3 }
  if (![1, 2, 4].includes(channels)) {
    throw new InputError(
      'INPUT_IMAGE_SHAPE',
      `messages: ${width} × ${height} pixels of 1 to 4 channels need as many samples, data has ${data.length}.`,
    )
  }
  const rgb = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      rgb[3 * i + c] = data[i * channels + (channels === 4 ? c : 0)] as number
    }
  }
  return { data: rgb, width, height, channels: 3 }
}
