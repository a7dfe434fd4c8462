/** What `INPUT` names: a folder, pictures, a manifest, Parquet files or tar shards, opened far enough to know which. */
import { createHash } from 'node:crypto'
import { statSync, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { readCsvRows } from '../data/csv-rows.ts'
import { expandPaths } from '../data/expand-paths.ts'
import { readAt } from '../data/tar-members.ts'
import { Faults } from '../serve/faults.ts'
import { mediaTypeOf, type LabelInput } from './item.ts'

/** Patterns are expanded. Throws InputError for what is not there or of no known kind. */
export function openInputs(given: readonly string[]): LabelInput[] {
  return given.flatMap((pattern) =>
    expandPaths(pattern).map((name) => ({ kind: kindOf(name), name, path: resolve(name) })),
  )
}

const KINDS: readonly (readonly [LabelInput['kind'], RegExp])[] = [
  ['manifest', /\.(?:jsonl?|ndjson|csv|tsv)$/i],
  ['parquet', /\.parquet$/i],
  ['tar', /\.(?:tar|tgz|tar\.gz)$/i],
]

function kindOf(name: string): LabelInput['kind'] {
  const about = aboutOf(name)
  if (about?.isDirectory()) return 'folder'
  const kind = KINDS.find(([, pattern]) => pattern.test(name))?.[0]
  if (kind && about?.isFile()) return kind
  if (kind) {
    throw new InputError(
      'INPUT_LABEL_KIND',
      `label: a table or shard should be a file, ${name} is none; write what comes out of a pipe into one.`,
    )
  }
  if (mediaTypeOf(name)) return 'file'
  const isPacked = /\.tar\.\w+$/i.test(name)
  throw new InputError(
    'INPUT_LABEL_KIND',
    isPacked
      ? `label: a shard should be a .tar or .tar.gz, ${name} is packed in another way; unpack it once (unzstd, unxz).`
      : `label: an input should be a folder, pictures, .jsonl, .json, .csv, .tsv, .parquet, .tar or .tar.gz, ${name} came; name one of these.`,
  )
}

/** Null in a folder that may be listed and not entered, where pictures go by their names: their turn says that they may not be read. */
function aboutOf(name: string): Stats | null {
  try {
    return statSync(name)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EACCES' && mediaTypeOf(name)) return null
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause
    throw new InputError(
      'INPUT_DATA_MISSING',
      `label: there is nothing at ${name}; check the path.`,
      { cause },
    )
  }
}

/** Throws InputError for options that none of the inputs has a use for, and for a folder of media that is none. */
export function checkInputOptions(
  inputs: readonly LabelInput[],
  { media, clipFolders }: { readonly media: string | undefined; readonly clipFolders: boolean },
): void {
  const has = (...kinds: LabelInput['kind'][]) => inputs.some(({ kind }) => kinds.includes(kind))
  const faults = new Faults('label')
  if (clipFolders && !has('folder')) {
    faults.add(CODE, 'clipFolders would do nothing, no input is a folder; leave it out')
  }
  if (media !== undefined && !has('manifest', 'parquet')) {
    faults.add(CODE, 'media would do nothing, no input is a manifest or table; leave it out')
  } else if (media !== undefined && !statSync(media, { throwIfNoEntry: false })?.isDirectory()) {
    faults.mismatch(CODE, 'media', 'a folder', media)
  }
  faults.throwIfAny()
}

/** Throws InputError for a table that has no row, or whose columns cannot be told apart. */
export async function checkTables(inputs: readonly LabelInput[]): Promise<void> {
  for (const { kind, name, path } of inputs) {
    if (kind !== 'manifest' || !/\.[ct]sv$/i.test(name)) continue
    const rows = readCsvRows(path)
    await rows.next()
    await rows.return(undefined)
  }
}

const CODE = 'INPUT_OPTION'
const EDGE_BYTES = 2 ** 16

/**
 * What two runs over the same input have in common, on whatever machine: folders their path, files their name, size and
 * the bytes of both ends. Files are too large to be read for this alone.
 */
export async function inputsFingerprint(inputs: readonly LabelInput[]): Promise<string> {
  const hash = createHash('sha256')
  for (const { kind, name, path } of inputs) {
    hash.update(`${kind} ${kind === 'folder' ? path : name}\n`)
    if (kind === 'folder' || kind === 'file') continue
    const file = await open(path)
    try {
      const { size } = await file.stat()
      hash.update(`${size}\n`)
      hash.update(await readAt(file, 0, Math.min(size, EDGE_BYTES)))
      hash.update(await readAt(file, Math.max(0, size - EDGE_BYTES), Math.min(size, EDGE_BYTES)))
    } finally {
      await file.close()
    }
  }
  return hash.digest('hex')
}
