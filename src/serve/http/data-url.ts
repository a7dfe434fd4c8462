/** The bytes of a base64 `data:` URL (RFC 2397), decoded in pieces: a large one must not hold up the streams of others. */
import { InputError } from '../../core/errors.ts'

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
  const length = url.length - comma - 1
  const padding = url.endsWith('==') ? 2 : url.endsWith('=') ? 1 : 0
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
    const piece = url.slice(comma + 1 + at, comma + 1 + at + PIECE)
    decodePiece(piece, bytes.subarray((at / 4) * 3), path)
    if (piece.length === PIECE) await new Promise((resolve) => setTimeout(resolve, 0))
  }
  return bytes
}

/** `data:video/mp4;codecs=…;base64` and the like are much shorter. */
const LONGEST_HEAD = 256

function decodePiece(piece: string, bytes: Uint8Array, path: string): void {
  if (!/^[a-z0-9+/]*={0,2}$/i.test(piece)) throw notBase64(path)
  const decoded = atob(piece)
  if (decoded.length > bytes.length) throw notBase64(path) // a padding in the middle
  for (let i = 0; i < decoded.length; i++) bytes[i] = decoded.charCodeAt(i)
}

function notBase64(path: string): InputError {
  return new InputError(
    'INPUT_MEDIA_URL',
    `${path}: expected padded base64 after the comma of the data: URL, there is something else.`,
  )
}
