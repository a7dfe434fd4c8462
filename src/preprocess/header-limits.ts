/**
 * How much of a picture's file is looked at while its header is read: on the thread that serves, before any limit of
 * pixels, so that no file may take more than a few milliseconds there. Real ones have a small part of it.
 */

/** Chunks, segments, blocks or entries one behind another. */
export const MOST_PARTS = 2 ** 14

/** Blocks of at most 255 bytes that a GIF's comments and other extensions have together. */
export const MOST_GIF_BLOCKS = 2 ** 20

/** Bytes of Exif, of XMP, of a comment: an editor's list of all pictures that went into one can be long. */
export const MOST_METADATA = 2 ** 20

/** Bytes of a deflated text, which is unpacked bit by bit. */
export const MOST_UNPACKED = 2 ** 17

/** Parts of metadata one behind another, without what is too much of them. */
export function joinMetadata(parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  const whole = new Uint8Array(Math.min(size, MOST_METADATA))
  let at = 0
  for (const part of parts) {
    if (at === whole.length) break
    const data = part.subarray(0, whole.length - at)
    whole.set(data, at)
    at += data.length
  }
  return whole
}
