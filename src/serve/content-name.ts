/** Names that only equal bytes or samples have. */
import type { ImagePixels } from '../preprocess/image-source.ts'

export async function contentName(source: Uint8Array | ImagePixels): Promise<string> {
  if (!(source instanceof Uint8Array)) {
    return `${source.width}x${source.height} ${await contentName(source.data)}`
  }
  if (source.length <= PIECE) return sha256(source)
  const pieces: string[] = []
  for (let at = 0; at < source.length; at += PIECE) {
    pieces.push(await sha256(source.subarray(at, at + PIECE)))
  }
  return `${pieces.length} pieces ${await sha256(pieces.join(' '))}`
}

/** What is hashed is copied first, while everybody waits: of a long clip a few milliseconds at a time. */
const PIECE = 8 << 20

/** In hex, computed off this thread. */
export async function sha256(data: Uint8Array | Float32Array | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  // Shared memory is not taken.
  const own = bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice()
  const digest = await crypto.subtle.digest('SHA-256', own as ArrayBufferView<ArrayBuffer>)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
