/** Reads little-endian fields one after the other out of a file, through windows, and never past its end. */
import { CheckpointError } from '../core/errors.ts'
import type { FileBytes } from './file-bytes.ts'

const WINDOW = 1 << 20

export class ByteCursor {
  readonly #file: FileBytes
  #window: DataView = new DataView(new ArrayBuffer(0))
  #windowStart = 0
  #at = 0

  constructor(file: FileBytes) {
    this.#file = file
  }

  get offset(): number {
    return this.#at
  }

  get remaining(): number {
    return this.#file.size - this.#at
  }

  uint8(): number {
    const at = this.#take(1)
    return this.#window.getUint8(at)
  }

  int8(): number {
    const at = this.#take(1)
    return this.#window.getInt8(at)
  }

  uint16(): number {
    const at = this.#take(2)
    return this.#window.getUint16(at, true)
  }

  int16(): number {
    const at = this.#take(2)
    return this.#window.getInt16(at, true)
  }

  uint32(): number {
    const at = this.#take(4)
    return this.#window.getUint32(at, true)
  }

  int32(): number {
    const at = this.#take(4)
    return this.#window.getInt32(at, true)
  }

  float32(): number {
    const at = this.#take(4)
    return this.#window.getFloat32(at, true)
  }

  float64(): number {
    const at = this.#take(8)
    return this.#window.getFloat64(at, true)
  }

  uint64(): bigint {
    const at = this.#take(8)
    return this.#window.getBigUint64(at, true)
  }

  int64(): bigint {
    const at = this.#take(8)
    return this.#window.getBigInt64(at, true)
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length)
    return new Uint8Array(this.#window.buffer, this.#window.byteOffset + start, length)
  }

  /**
   * A count of things that take at least `minBytes` each, read as 64 bits. Throws CheckpointError if the rest of the
   * file cannot hold them, so that a caller may make room for as many.
   */
  count(what: string, minBytes: number): number {
    const claimed = this.uint64()
    if (claimed * BigInt(minBytes) > BigInt(this.remaining)) {
      throw new CheckpointError(
        'CHECKPOINT_LYING_COUNT',
        `weights: ${this.#file.name} claims ${claimed} ${what} with ${this.remaining} bytes left; the file is damaged or truncated.`,
      )
    }
    return Number(claimed)
  }

  /** Moves over `length` bytes and returns where they begin in the window. */
  #take(length: number): number {
    const end = this.#windowStart + this.#window.byteLength
    if (this.#at + length > end) {
      // Asking for what is needed even past the end lets the file itself say what is missing.
      const bytes = this.#file.bytes(this.#at, Math.max(length, Math.min(WINDOW, this.remaining)))
      this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      this.#windowStart = this.#at
    }
    const start = this.#at - this.#windowStart
    this.#at += length
    return start
  }
}
