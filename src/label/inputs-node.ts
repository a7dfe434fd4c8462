/** What `INPUT` names: a folder, pictures, a manifest, Parquet files or tar shards, opened far enough to know which. */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { expandPaths } from '../data/expand-paths.ts'
import { readAt } from '../data/tar-members.ts'
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
  const stat = statSync(name, { throwIfNoEntry: false })
  if (!stat) {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `label: there is nothing at ${name}; check the path.`,
    )
  }
  if (stat.isDirectory()) return 'folder'
  const kind = KINDS.find(([, pattern]) => pattern.test(name))?.[0]
  if (kind) return kind
  if (mediaTypeOf(name)) return 'file'
  const isPacked = /\.tar\.\w+$/i.test(name)
  throw new InputError(
    'INPUT_LABEL_KIND',
    isPacked
      ? `label: a shard should be a .tar or .tar.gz, ${name} is packed in another way; unpack it once (unzstd, unxz).`
      : `label: an input should be a folder, pictures, .jsonl, .json, .csv, .tsv, .parquet, .tar or .tar.gz, ${name} came; name one of these.`,
  )
}

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
