/**
 * Pictures and clips that questions name, in the folder where they are.
 *
 * Datasets name a clip without its ending, or by a folder that only its authors have (`NExTVideo`, `all_test`, `val2014`), and people
 * unpack archives where they like. What does not lie at its name is therefore looked for by its last part in everything below the
 * folder, or below the folder of its own that its name says, where that is there. What could be another's is not taken: of several files of one
 * name none, and where questions name several files alike but for their folders (`1/image.png`, `2/image.png`) only what shares
 * more folders with this name than with any of the others.
 */
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve, sep } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { Picture } from './question.ts'
import { sharePaths } from './share-paths.ts'

const PICTURES = /^\.(?:jpe?g|png|webp|gif|bmp|tiff?)$/i
const CLIPS = /^\.(?:mp4|webm|mkv|avi|mov|m4v|y4m)$/i

export class MediaFolder {
  readonly #folder: string
  readonly #isNamed: boolean
  /** By what files share that may stand for one another; made when the first name is not where it says. */
  #index: ReadonlyMap<string, readonly string[]> | null = null
  /** The names that share a last part, by it. */
  readonly #rivals: ReadonlyMap<string, readonly string[]>
  /** Which files are whose of them, by the same; made when one of them is looked for. */
  readonly #shares = new Map<string, ReadonlyMap<string, readonly string[]>>()

  /** `names` are those of all questions, asked or not. */
  constructor(folder: string | undefined, names: Iterable<string> = []) {
    this.#folder = resolve(folder ?? '.')
    this.#isNamed = folder !== undefined
    this.#rivals = byKey(new Set(names))
  }

  /** Where the file lies, a folder of frames included; null where there is none, or several that it could be. */
  find(name: string): string | null {
    const path = resolve(this.#folder, name)
    if (isThere(path)) return path
    const home = `${this.#homeOf(path)}${sep}`
    const own = this.#filesOf(name).filter((one) => one.startsWith(home))
    const [found, ...others] = own
    return others.length === 0 ? (found ?? null) : null
  }

  /** The folder that the name says, where it is there. */
  #homeOf(path: string): string {
    const own = dirname(path)
    return own.startsWith(`${this.#folder}${sep}`) && isThere(own) ? own : this.#folder
  }

  /** Below the folder the files that this name could mean, and no other. */
  #filesOf(name: string): readonly string[] {
    this.#index ??= this.#isNamed ? indexOf(this.#folder) : new Map()
    const key = keyOf(name)
    const paths = this.#index.get(key) ?? this.#index.get(cocoKey(name)) ?? []
    const rivals = this.#rivals.get(key) ?? []
    const below = (path: string) => path.slice(this.#folder.length)
    const share = (names: readonly string[]) => {
      const whole = new Map(paths.map((path) => [below(path), path]))
      const shares = sharePaths(names, [...whole.keys()])
      return new Map(
        [...shares].map(([one, own]) => [one, own.map((path) => whole.get(path) ?? path)]),
      )
    }
    const known = this.#shares.get(key) ?? share(rivals)
    this.#shares.set(key, known)
    // A name that no question has is looked for beside those that they have.
    return known.get(name) ?? share([...rivals, name]).get(name) ?? []
  }

  /** Throws InputError where there is no such file. */
  path(name: string): string {
    const path = this.find(name)
    if (path !== null) return path
    throw new InputError(
      'INPUT_PICTURE_MISSING',
      `eval: there should be one file ${basename(name).slice(0, MOST_SHOWN)} at ${resolve(this.#folder, name).slice(0, MOST_SHOWN)} or anywhere below ${this.#folder}, there is none, or more than one.`,
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

/** Whatever a table has for a name: what no file system takes for one (too long, a null character) is nowhere. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(code)) return false
    throw error
  }
}

/** Of a path, in characters. */
const MOST_SHOWN = 255

function byKey(names: Iterable<string>): Map<string, string[]> {
  const map = new Map<string, string[]>()
  for (const name of names) put(map, keyOf(name), name)
  return map
}

function put(map: Map<string, string[]>, key: string, one: string): void {
  const list = map.get(key)
  if (list) list.push(one)
  else map.set(key, [one])
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
        put(index, key, path)
        const number = cocoKey(path)
        if (number !== key) put(index, number, path)
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
