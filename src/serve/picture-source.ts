/**
 * What people give as a picture, as what the preprocessor takes: a file, bytes or RGB samples.
 *
 * Strings are paths, `data:` URLs, `file:` URLs, or `http:` and `https:` URLs; the last are fetched only if the model was
 * loaded with `allowRemote`, because messages often come from somebody else.
 */
import { InputError } from '../core/errors.ts'
import { decodeDataUrl, pixelsToRgb, schemeOf } from '../preprocess/image-source.ts'
import type { RgbImage } from '../preprocess/image.ts'
import type { ImageSource } from './messages.ts'
import { streamChunks } from '../core/stream-chunks.ts'
import { unlessAborted } from './remote/aborted-response.ts'

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

/** The same without fetching: a remote picture stays a URL. Throws InputError for a URL or pixels that make no sense. */
export function resolveLocalPicture(source: ImageSource): ResolvedPicture {
  if (source instanceof Uint8Array || source instanceof Blob) return source
  if (typeof source !== 'string' && !(source instanceof URL)) return pixelsToRgb(source)
  const scheme = schemeOf(source)
  if (scheme === 'data') return decodeDataUrl(String(source), MAX_DATA_BYTES)
  const isUrl = scheme === 'file' || scheme === 'http' || scheme === 'https'
  return isUrl && typeof source === 'string' ? parseUrl(source) : source
}

/** Of a clip; a picture has less. */
const MAX_DATA_BYTES = 1 << 29

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text)
  throw new InputError(
    'INPUT_IMAGE_SOURCE',
    `messages: expected a path or a URL, ${text.slice(0, 80)} is neither.`,
  )
}

const MAX_REMOTE_BYTES = 64 << 20

/** Throws InputError INPUT_IMAGE_REMOTE unless the model may fetch, INPUT_IMAGE_FETCH where it gets nothing. */
export async function fetchRemote(
  url: URL,
  options: ResolveOptions & { readonly what: 'picture' | 'clip'; readonly maxBytes: number },
): Promise<Uint8Array> {
  const { signal = new AbortController().signal, maxBytes } = options
  if (!options.allowRemote) throw remoteRefused(url, options.what)
  try {
    const response = await unlessAborted(fetch(url, { signal }), signal)
    if (response.ok && response.body)
      return await readBody(streamChunks(response.body, signal), url, maxBytes)
    throw unreachable(url, `status ${response.status}`)
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof InputError ? error : unreachable(url, (error as Error).message, error)
  }
}

async function readBody(
  body: AsyncIterable<Uint8Array>,
  url: URL,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
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
