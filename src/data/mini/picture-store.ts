/** Where the pictures of a data set go: each once, and none of the test's among those trained on. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import type { Picture } from './builder.ts'

export type Split = 'train' | 'test'

export class PictureStore {
  readonly #assets: string
  readonly #out: string
  /** Content to split and path. */
  readonly #seen = new Map<string, { readonly split: Split; readonly path: string }>()

  constructor(assets: string, out: string) {
    this.#assets = assets
    this.#out = out
  }

  /** The path below the output folder; undefined if the other split has this very picture. `name` names made ones. */
  add(picture: Picture, split: Split, name: string): string | undefined {
    const bytes = 'file' in picture ? this.#read(picture.file) : picture.bytes
    const hash = createHash('sha256').update(bytes).digest('hex')
    const seen = this.#seen.get(hash)
    if (seen !== undefined) return seen.split === split ? seen.path : undefined
    const path = `images/${'file' in picture ? picture.file : `${name}.${picture.extension}`}`
    mkdirSync(dirname(join(this.#out, path)), { recursive: true })
    writeFileSync(join(this.#out, path), bytes)
    this.#seen.set(hash, { split, path })
    return path
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
