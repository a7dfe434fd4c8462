/** Where the pictures of a data set go: each once, and none of the test's among those trained on. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import { makeFolderSync } from '../../core/make-folder-node.ts'
import type { Picture } from './builder.ts'

export type Split = 'train' | 'test'
type Place = { readonly split: Split; readonly path: string }

export class PictureStore {
  readonly #assets: string
  readonly #out: string
  /** Content to split and path. */
  readonly #seen = new Map<string, Place>()

  constructor(assets: string, out: string) {
    this.#assets = assets
    this.#out = out
  }

  /** The path below the output folder; undefined if the other split has this very picture. `name` names made ones. */
  add(picture: Picture, split: Split, name: string): string | undefined {
    const bytes = this.#bytesOf(picture)
    const path = `images/${'file' in picture ? picture.file : `${name}.${picture.extension}`}`
    return this.#once([bytes], { split, path }, () => this.#write(path, bytes))
  }

  /** The same of a clip: a folder of its frames. */
  addClip(frames: readonly Picture[], split: Split, name: string): string | undefined {
    const all = frames.map((frame) => this.#bytesOf(frame))
    const path = `images/${name}`
    return this.#once(all, { split, path }, () => {
      for (const [i, bytes] of all.entries()) this.#write(`${path}/${i + 1}.png`, bytes)
    })
  }

  #once(parts: readonly Uint8Array[], place: Place, write: () => void): string | undefined {
    const hash = createHash('sha256')
    for (const bytes of parts) hash.update(bytes)
    const key = hash.digest('hex')
    const seen = this.#seen.get(key)
    if (seen !== undefined) return seen.split === place.split ? seen.path : undefined
    write()
    this.#seen.set(key, place)
    return place.path
  }

  #write(path: string, bytes: Uint8Array): void {
    makeFolderSync(dirname(join(this.#out, path)))
    writeFileSync(join(this.#out, path), bytes)
  }

  #bytesOf(picture: Picture): Uint8Array {
    return 'file' in picture ? this.#read(picture.file) : picture.bytes
  }

  #read(file: string): Uint8Array {
    const path = join(this.#assets, file)
    if (existsSync(path)) return readFileSync(path)
    throw new InputError(
      'INPUT_ASSET_MISSING',
      `data: the picture ${file} should be in ${this.#assets}, but is not; the lists of the source name it, so fetch the source again.`,
    )
  }
}
