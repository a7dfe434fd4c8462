/** The bytes of a base64 `data:` URL (RFC 2397) or of a list of frames in one, decoded in pieces: a large one must not hold up the streams of others. */
import { decodeBase64 } from '../../core/decode-base64.ts'
import { InputError } from '../../core/errors.ts'
import { FRAMES_HEAD } from '../remote/media-url.ts'

/** A multiple of four characters, decoded in about a millisecond. */
const PIECE = 1 << 19

/** Throws InputError for other URLs, for other characters than base64's, and for more than `maxBytes`. */
export async function readDataUrl(
  url: string,
  maxBytes: number,
  path: string,
): Promise<Uint8Array> {
  const comma = url.indexOf(',')
  if (comma < 0 || !/^data:[^,]*;base64$/i.test(url.slice(0, Math.min(comma, LONGEST_HEAD)))) {
    throw new InputError(
      'INPUT_MEDIA_URL',
      `${path} should be a data: URL of the form data:image/png;base64,…, this one has other parts.`,
    )
  }
  return decode(url.slice(comma + 1), maxBytes, path)
}

export type FrameLimits = { readonly maxBytes: number; readonly maxFrames: number }

/** Files of frames, `maxBytes` together: vLLM's form, of which the head was recognised by `isFramesUrl`. Throws as `readDataUrl`. */
export async function readFramesUrl(
  url: string,
  { maxBytes, maxFrames }: FrameLimits,
  path: string,
): Promise<Uint8Array[]> {
  // One more than may be: a list of a million commas is not made into a million texts.
  const texts = url.slice(FRAMES_HEAD.length).split(',', maxFrames + 1)
  if (texts.length > maxFrames) {
    throw new InputError(
      'INPUT_MEDIA_COUNT',
      `${path}: a clip may have ${maxFrames} frames, more came; send fewer.`,
    )
  }
  const frames: Uint8Array[] = []
  let left = maxBytes
  for (const text of texts) {
    const bytes = await decode(text, left, path)
    left -= bytes.length
    frames.push(bytes)
  }
  return frames
}

async function decode(text: string, maxBytes: number, path: string): Promise<Uint8Array> {
  const { length } = text
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const size = (length / 4) * 3 - padding
  if (length % 4 !== 0) throw notBase64(path)
  if (size > maxBytes) {
    throw new InputError(
      'INPUT_MEDIA_TOO_LARGE',
      `${path}: at most ${maxBytes} bytes are taken, it has ${size}; make it smaller.`,
    )
  }
  const bytes = new Uint8Array(size)
  for (let at = 0; at < length; at += PIECE) {
    const piece = text.slice(at, at + PIECE)
    decodePiece(piece, bytes.subarray((at / 4) * 3), path)
    if (piece.length === PIECE) await new Promise((resolve) => setTimeout(resolve, 0))
  }
  return bytes
}

/** `data:video/mp4;codecs=…;base64` and the like are much shorter. */
const LONGEST_HEAD = 256

function decodePiece(piece: string, bytes: Uint8Array, path: string): void {
  if (!/^[a-z0-9+/]*={0,2}$/i.test(piece)) throw notBase64(path)
  const decoded = decodeBase64(piece)
  if (decoded.length > bytes.length) throw notBase64(path) // a padding in the middle
  bytes.set(decoded)
}

function notBase64(path: string): InputError {
  return new InputError(
    'INPUT_MEDIA_URL',
    `${path}: expected padded base64 after the comma of the data: URL, there is something else.`,
  )
}
