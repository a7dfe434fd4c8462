/** Reading a picture file's bytes without ever reading past them. */
import { InputError } from '../core/errors.ts'

export class ByteReader {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.bytes.length
  }

  has(at: number, count: number): boolean {
    return at >= 0 && at + count <= this.bytes.length
  }

  u8(at: number): number {
    this.#need(at, 1)
    return this.#view.getUint8(at)
  }

  u16(at: number, isLittle: boolean): number {
    this.#need(at, 2)
    return this.#view.getUint16(at, isLittle)
  }

  u32(at: number, isLittle: boolean): number {
    this.#need(at, 4)
    return this.#view.getUint32(at, isLittle)
  }

  /** A 64-bit offset; one that no file can have becomes too large a number, which `has` then refuses. */
  u64(at: number, isLittle: boolean): number {
    this.#need(at, 8)
    return Number(this.#view.getBigUint64(at, isLittle))
  }

  /** A number of 0, 1, 2, 4 or 8 bytes. */
  uint(at: number, size: number, isLittle: boolean): number {
    if (size === 8) return this.u64(at, isLittle)
    if (size === 4) return this.u32(at, isLittle)
    if (size === 2) return this.u16(at, isLittle)
    return size === 1 ? this.u8(at) : 0
  }

  /** Whether the characters of `text` stand at `at`. */
  is(at: number, text: string): boolean {
    if (!this.has(at, text.length)) return false
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[at + i] !== text.charCodeAt(i)) return false
    }
    return true
  }

  #need(at: number, count: number): void {
    if (!this.has(at, count)) throw unreadable('the file ends early')
  }
}

/** The error of a file that is no picture, or not a whole one. */
export function unreadable(reason: string, options?: ErrorOptions): InputError {
  return new InputError(
    'INPUT_IMAGE_UNREADABLE',
    `readImage: expected a whole PNG, JPEG, WebP, GIF, TIFF, AVIF, BMP or PNM picture, but ${reason}.`,
    options,
  )
}
