/**
 * Prints of pictures, each made once: of a file on the disk also over runs, where a file to keep them in is named.
 */
import { stat } from 'node:fs/promises'
import { KeptLines } from './kept-lines.ts'
import { picturePrint, type PicturePrint } from './picture-print.ts'
import type { Picture } from './record.ts'

export class PrintStore {
  readonly #lines: KeptLines<PicturePrint | null> | null
  /** Begun in this run, so that two records with one picture decode it once. */
  readonly #begun = new Map<string, Promise<PicturePrint | null>>()

  constructor(path: string | null = null) {
    this.#lines = path === null ? null : new KeptLines(path)
  }

  /** Null for what is no picture, or not there. */
  print(picture: Picture): Promise<PicturePrint | null> {
    if (typeof picture !== 'string') return picturePrint(picture).catch(() => null)
    const begun = this.#begun.get(picture)
    if (begun) return begun
    const made = this.#file(picture)
    this.#begun.set(picture, made)
    return made
  }

  async #file(path: string): Promise<PicturePrint | null> {
    const found = await stat(path).catch(() => null)
    if (!found?.isFile()) return null
    const make = () => picturePrint(path).catch(() => null)
    const key = `${path}|${found.size}|${Math.trunc(found.mtimeMs)}`
    return this.#lines ? this.#lines.get(key, make) : make()
  }
}
