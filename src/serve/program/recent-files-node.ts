/** Bytes of files that were read lately: branches of a program send the same picture, and it is read once for them all. */
import { stat } from 'node:fs/promises'
import { readFileWhole } from '../../core/read-file-whole-node.ts'

/** Of a file as it was then. */
type Kept = { readonly stamp: string; readonly size: number; readonly bytes: Promise<Uint8Array> }

const MOST_BYTES = 2 ** 26

export class RecentFiles {
  readonly #mostBytes: number
  readonly #kept = new Map<string, Kept>()

  /** So many bytes are kept at most, and the file that was wanted last whatever its size. */
  constructor(mostBytes = MOST_BYTES) {
    this.#mostBytes = mostBytes
  }

  /** The file as it is now. Throws what reading throws. */
  async read(path: string | URL): Promise<Uint8Array> {
    const { size, mtimeMs, ctimeMs, ino } = await stat(path)
    const [name, stamp] = [String(path), `${size} ${mtimeMs} ${ctimeMs} ${ino}`]
    const before = this.#kept.get(name)
    const kept = before?.stamp === stamp ? before : { stamp, size, bytes: readFileWhole(path) }
    // Where it stands says when it was wanted.
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    this.#forgetOldest()
    try {
      return await kept.bytes
    } catch (error) {
      if (this.#kept.get(name) === kept) this.#kept.delete(name)
      throw error
    }
  }

  #forgetOldest(): void {
    let bytes = [...this.#kept.values()].reduce((sum, { size }) => sum + size, 0)
    for (const [name, { size }] of this.#kept) {
      if (bytes <= this.#mostBytes || this.#kept.size === 1) return
      this.#kept.delete(name)
      bytes -= size
    }
  }
}
