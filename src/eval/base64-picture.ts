/**
 * Pictures that stand in a table as text: base64, as VLMEvalKit's tables and JSON exports have them, or a `data:` URL.
 *
 * Base64 of either alphabet, RFC 4648 §4 and §5: `-` and `_` are `+` and `/` where it has to stand in a URL.
 */
import { decodeBase64 } from '../core/decode-base64.ts'
import { InputError } from '../core/errors.ts'
import type { LazyPicture } from './question.ts'

/** The picture that a text is, decoded when it is read; null of a file's name. What cannot be decoded is the fault of one question. */
export function base64Picture(text: string): LazyPicture | null {
  const base64 = text.replace(DATA_URL, '')
  if (base64.length === text.length && !isBase64(text)) return null
  return async () => {
    try {
      return decodeBase64(base64.replaceAll('-', '+').replaceAll('_', '/'))
    } catch (cause) {
      throw undecodable(text, cause)
    }
  }
}

const DATA_URL = /^\s*data:[^,]*;base64,/i

/** Of PNG, JPEG, GIF, WebP, TIFF and BMP, whose size says too little: of that the zeros behind it. */
const BEGINNING = /^\s*(?:iVBORw0KGgo|[/_]9j[/_]|R0lGOD|UklGR|SUkqA|TU0AK|Qk[0-3][\w+/-]{5}AAAA)/

/** No part of a path is longer. */
const LONGEST_NAME = 255

/** No path is longer. */
const LONGEST_PATH = 4096

/** A name's ending has a dot, which base64 has not: only a long text may hold what is no base64, and be a damaged picture. */
function isBase64(text: string): boolean {
  if (text.length > LONGEST_PATH) return true
  const isWhole = /^[\w+/=\s-]+$/.test(text)
  const isLong = text.length > LONGEST_NAME
  return BEGINNING.test(text) ? isLong || isWhole : isLong && isWhole
}

function undecodable(text: string, cause: unknown): InputError {
  return new InputError(
    'INPUT_QUESTIONS_PICTURE',
    `eval: the picture in a question's row should be base64, ${text.length} characters came that cannot be decoded ("${text.slice(0, 20)}…"); take the row from the dataset again.`,
    { cause },
  )
}
