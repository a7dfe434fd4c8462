/** Bytes of a clip that can be read anywhere: a file's, of which only what is asked for is ever in memory, or those in memory. */
import { unreadable } from './byte-reader.ts'

export type RandomBytes = {
  readonly size: number
  /** Fewer than `length` only at the end. */
  read(at: number, length: number): Uint8Array
}

/** Opens the bytes whenever some are read, so that nothing stays open in between. */
export type OpenBytes = <T>(use: (bytes: RandomBytes) => T) => T

/** Where bytes come from: a few while the caller waits, frames without holding others up. */
export type ByteSource = {
  readonly open: OpenBytes
  readLater(at: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
}

export function bytesInMemory(bytes: Uint8Array): ByteSource {
  const read = (at: number, length: number) => bytes.subarray(at, at + length)
  return {
    open: (use) => use({ size: bytes.length, read }),
    readLater: async (at, length) => read(at, length),
  }
}

const WINDOW_BYTES = 1 << 17

/** Single bytes in a file's order, read a window at a time. Throws InputError INPUT_IMAGE_UNREADABLE past the end. */
export class WindowReader {
  readonly #bytes: RandomBytes
  #window: Uint8Array = new Uint8Array(0)
  #start = 0

  constructor(bytes: RandomBytes) {
    this.#bytes = bytes
  }

  get length(): number {
    return this.#bytes.size
  }

  u8(at: number): number {
    const inside = this.#window[at - this.#start]
    if (inside !== undefined) return inside
    this.#window = this.#bytes.read(at, WINDOW_BYTES)
    this.#start = at
    const [first] = this.#window
    if (first === undefined) throw unreadable('the file ends early')
    return first
  }

  /** Little-endian. */
  u16(at: number): number {
    return this.u8(at) | (this.u8(at + 1) << 8)
  }

  /** Copied, so that a window is not kept for a few bytes of it. */
  copy(at: number, length: number): Uint8Array {
    const bytes = this.#bytes.read(at, length)
    if (bytes.length < length) throw unreadable('the file ends early')
    return bytes.slice()
  }
}
