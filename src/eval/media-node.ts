/**
 * Pictures and clips that questions name, in the folder where they are.
 *
 * Datasets name a clip without its ending, or by a folder that only its authors have (`NExTVideo`, `all_test`, `val2014`), and people
 * unpack archives where they like. What does not lie at its name is therefore looked for by its last part in everything below the
 * folder, once; of several files of one name none is taken, because one of them would be another's.
 */
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { Picture } from './question.ts'

const PICTURES = /^\.(?:jpe?g|png|webp|gif|bmp|tiff?)$/i
const CLIPS = /^\.(?:mp4|webm|mkv|avi|mov|m4v|y4m)$/i

export class MediaFolder {
  readonly #folder: string
  readonly #isNamed: boolean
  /** By what files share that may stand for one another; made when the first name is not where it says. */
  #index: ReadonlyMap<string, readonly string[]> | null = null

  constructor(folder: string | undefined) {
    this.#folder = resolve(folder ?? '.')
    this.#isNamed = folder !== undefined
  }

  /** Where the file lies, a folder of frames included; null where there is none, or several that it could be. */
  find(name: string): string | null {
    const path = resolve(this.#folder, name)
    if (statSync(path, { throwIfNoEntry: false })) return path
    this.#index ??= this.#isNamed ? indexOf(this.#folder) : new Map()
    const paths = this.#index.get(keyOf(name)) ?? this.#index.get(cocoKey(name)) ?? []
    const [found, ...others] = paths
    return others.length === 0 ? (found ?? null) : null
  }

  /** Throws InputError where there is no such file. */
  path(name: string): string {
    const path = this.find(name)
    if (path !== null) return path
    throw new InputError(
      'INPUT_PICTURE_MISSING',
      `eval: there should be one file ${basename(name)} at ${resolve(this.#folder, name)} or anywhere below ${this.#folder}, there is none, or more than one.`,
    )
  }

  /** What tells a file from another of its name without reading it: bytes, of frames their number; null where there is none. */
  size(name: string): number | null {
    const path = this.find(name)
    if (path === null) return null
    const stat = statSync(path)
    return stat.isDirectory() ? readdirSync(path).length : stat.size
  }

  /** A picture as an engine takes it: a path, or bytes; null where the row has none. Throws InputError where there is no such file. */
  async open(picture: Picture): Promise<string | Uint8Array | null> {
    if (picture instanceof Uint8Array) return picture
    const found = typeof picture === 'function' ? await picture() : picture
    return typeof found === 'string' ? this.path(found) : found
  }
}

/** Every file and folder that a picture or a clip could be. */
function indexOf(folder: string): Map<string, string[]> {
  const index = new Map<string, string[]>()
  const seen = new Set<string>()
  const walk = (place: string) => {
    // A link may lead back up.
    const real = realpathSync(place)
    if (seen.has(real)) return
    seen.add(real)
    for (const entry of readdirSync(place, { withFileTypes: true })) {
      const path = join(place, entry.name)
      const isMedium = PICTURES.test(extname(path)) || CLIPS.test(extname(path))
      const isFolder = entry.isSymbolicLink()
        ? (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)
        : entry.isDirectory()
      if (isMedium || isFolder) {
        const key = keyOf(path)
        index.set(key, [...(index.get(key) ?? []), path])
        const number = cocoKey(path)
        if (number !== key) index.set(number, [...(index.get(number) ?? []), path])
      }
      if (isFolder) walk(path)
    }
  }
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) walk(folder)
  return index
}

/**
 * COCO's pictures have numbers of their own, which its files of 2014 have behind the split: `COCO_val2014_000000441210.jpg`; LLaVA's COCO
 * questions say `000000441210.jpg`.
 */
function cocoKey(path: string): string {
  const key = keyOf(path)
  const number = /^(?:coco_(?:train|val|test)\d{4}_)?(\d{12}\.\w+)$/.exec(key)?.[1]
  return number === undefined ? key : `coco ${number}`
}

/** A picture by its whole name; a clip in any container, or as a folder of frames, without its ending. */
function keyOf(path: string): string {
  const ending = extname(path)
  const name = basename(path, CLIPS.test(ending) ? ending : '')
  return name.toLowerCase()
}
