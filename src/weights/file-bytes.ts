/**
 * Random access to the bytes of one file: what every reader in this room asks of the platform.
 *
 * Readers check a length against `size` before they ask for it, so a lying header costs an error and no memory.
 */
import { CheckpointError } from '../core/errors.ts'

export type FileBytes = {
  /** The file's name without its folder, for messages. */
  readonly name: string
  readonly size: number
  /**
   * The bytes [offset, offset + length), read-only: a view of mapped memory where the platform maps files, else a copy.
   * A mapped view stays readable for as long as something refers to it. Throws CheckpointError past the end of the file or after close.
   */
  bytes(offset: number, length: number): Uint8Array
  /** Says that the bytes [offset, offset + length) will not be read soon; their memory may be dropped. */
  release(offset: number, length: number): void
  close(): void
}

/** A file that is already in memory: fetched, generated or made up by a test. */
export function memoryBytes(name: string, content: Uint8Array): FileBytes {
  let isOpen = true
  return {
    name,
    size: content.length,
    bytes(offset, length) {
      checkRange({ name, size: content.length, isOpen }, offset, length)
      return content.subarray(offset, offset + length)
    },
    release() {},
    close() {
      isOpen = false
    },
  }
}

/** Throws unless [offset, offset + length) lies in an open file of `size` bytes. */
export function checkRange(
  file: { name: string; size: number; isOpen: boolean },
  offset: number,
  length: number,
): void {
  if (!file.isOpen) {
    throw new CheckpointError(
      'CHECKPOINT_CLOSED',
      `weights: ${file.name} was read after it was closed; read what you need before closing its source.`,
    )
  }
  const isWhole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (!isWhole || offset < 0 || length < 0 || offset > file.size - length) {
    throw new CheckpointError(
      'CHECKPOINT_TRUNCATED',
      `weights: ${file.name} has ${file.size} bytes but bytes ${offset} to ${offset + length} are needed; ` +
        'the file is damaged or was not copied completely.',
    )
  }
}
