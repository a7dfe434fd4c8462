/** The text that a file's bytes are, and what a file is told that has none. */
import { constants } from 'node:buffer'
import { InputError } from '../core/errors.ts'

/** Bytes: V8 has no longer string. */
export const LARGEST_TEXT = constants.MAX_STRING_LENGTH

/** Throws InputError for what is no UTF-8; of a piece of a file the last character may come with the next. */
export function decodeUtf8(
  bytes: Uint8Array,
  path: string,
  { decoder = new TextDecoder('utf-8', { fatal: true }), isPiece = false } = {},
): string {
  if (bytes.length > LARGEST_TEXT) throw tooLarge(path, bytes.length)
  try {
    return decoder.decode(bytes, { stream: isPiece })
  } catch (cause) {
    throw new InputError(
      'INPUT_ANSWERS_BROKEN',
      `eval: ${path} should be UTF-8 text; save it so.`,
      { cause },
    )
  }
}

/** `bytes` is null where so many came that nobody counted. */
export function tooLarge(path: string, bytes: number | null): InputError {
  return new InputError(
    'INPUT_FILE_TOO_LARGE',
    `eval: ${path} should have at most ${LARGEST_TEXT} bytes of text, it has ${bytes ?? 'more'}; take the same set as Parquet files or, unpacked, as .tsv or .csv, whose pictures may be of any size, or a part of it.`,
  )
}
