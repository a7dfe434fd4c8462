/** Which picture files of a data set hold the same bytes: the same question asked twice, or test pictures among training. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Picture } from './record.ts'

export type PictureCounts = {
  /** Files that are there, and pictures inside files. One that several records name counts once. */
  readonly pictures: number
  /** Names of those that are equal to the byte. */
  readonly duplicates: readonly (readonly string[])[]
}

export class PictureCensus {
  readonly #paths = new Set<string>()
  /** Pictures inside files, by hash; what is read there is not read again. */
  readonly #inside = new Map<string, string[]>()

  /** `where` names the record of a picture that has no path. */
  add(picture: Picture, where: string): void {
    if (typeof picture === 'string') {
      this.#paths.add(picture)
      return
    }
    const hash = createHash('sha256').update(picture).digest('hex')
    this.#inside.set(hash, [...(this.#inside.get(hash) ?? []), where])
  }

  /** Reads only files that have a like in size. What cannot be read has no like. */
  async count(
    onProgress: (done: number, total: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<PictureCounts> {
    const groups = new Map(this.#inside)
    const bySize = await this.#bySize()
    // Pictures inside files are hashed anyway, so any file may be like one of them.
    const least = this.#inside.size > 0 ? 1 : 2
    const files = bySize.filter((paths) => paths.length >= least).flat()
    for (const [i, path] of files.entries()) {
      signal?.throwIfAborted()
      const hash = await hashFile(path)
      groups.set(hash, [...(groups.get(hash) ?? []), path])
      onProgress(i + 1, files.length)
    }
    const inside = [...this.#inside.values()].reduce((sum, names) => sum + names.length, 0)
    return {
      pictures: bySize.flat().length + inside,
      duplicates: [...groups.values()].filter((names) => names.length > 1),
    }
  }

  /** The files that are there, those of one size together. */
  async #bySize(): Promise<string[][]> {
    const bySize = new Map<number, string[]>()
    for (const path of this.#paths) {
      const found = await stat(path).catch(() => null)
      if (found?.isFile()) bySize.set(found.size, [...(bySize.get(found.size) ?? []), path])
    }
    return [...bySize.values()]
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
