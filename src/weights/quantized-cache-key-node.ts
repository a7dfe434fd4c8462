/**
 * The key of a quantised cache: a hash of all bytes of the files that it is made from.
 *
 * Hashing samples would be quicker and would miss an edit between them; a cache must never answer for weights that have
 * changed. So everything is hashed, once: a memo beside the cache keeps each file's hash for as long as its size and its
 * times stay the same (what git's index relies on). Files of the Hugging Face cache are named by their hash already.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, relative } from 'node:path'

import { CheckpointError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { writeFileAtomically } from './node.ts'

export type HashEvent = {
  readonly type: 'hash'
  readonly file: string
  readonly done: number
  readonly total: number
}

export type HashOptions = {
  /** Whatever else the weights' values depend on: the importance they were rounded with, the way parts were joined. */
  readonly salt?: string
  /** Where the hashes of files are kept; without it every call reads every byte. */
  readonly memoFile?: string
  readonly onProgress?: (event: HashEvent) => void
  readonly signal?: AbortSignal
}

/** The key of `files`, in the order given. Throws CheckpointError for a file that cannot be read; the signal's reason when aborted. */
export async function hashFiles(
  files: readonly string[],
  options: HashOptions = {},
): Promise<string> {
  const { memoFile, salt = '' } = options
  const memo = memoFile === undefined ? new Map<string, FileHash>() : await readMemo(memoFile)
  const stamps = await Promise.all(files.map((path) => stampFile(path, memoFile)))
  const isKnown = ({ name, stamp, blobHash }: StampedFile) =>
    blobHash !== undefined || memo.get(name)?.stamp === stamp
  const unknown = stamps.filter((file) => !isKnown(file))
  const progress = { done: 0, total: unknown.reduce((sum, { size }) => sum + size, 0) }
  for (const file of unknown) {
    memo.set(file.name, { stamp: file.stamp, sha256: await hashContent(file, progress, options) })
  }
  if (memoFile !== undefined && unknown.length > 0) await writeMemo(memoFile, memo)
  const hashes = stamps.map(({ name, blobHash }) => blobHash ?? memo.get(name)?.sha256)
  return createHash('sha256')
    .update(JSON.stringify([hashes, salt]))
    .digest('hex')
}

type StampedFile = {
  readonly path: string
  /** The path seen from the memo, so that a folder moved with its cache keeps it. */
  readonly name: string
  readonly size: number
  /** Size and times: equal as long as nobody has written to the file. */
  readonly stamp: string
  /** Known without reading for a file of the Hugging Face cache. */
  readonly blobHash: string | undefined
}

async function stampFile(path: string, memoFile: string | undefined): Promise<StampedFile> {
  try {
    const target = await realpath(path)
    const { size, mtimeNs, ctimeNs } = await stat(target, { bigint: true })
    const isBlob = basename(dirname(target)) === 'blobs' && /^[0-9a-f]{64}$/.test(basename(target))
    return {
      path,
      name: memoFile === undefined ? path : relative(dirname(memoFile), path),
      size: Number(size),
      stamp: `${size} ${mtimeNs} ${ctimeNs}`,
      blobHash: isBlob ? basename(target) : undefined,
    }
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function hashContent(
  file: StampedFile,
  progress: { done: number; readonly total: number },
  { onProgress, signal }: HashOptions,
): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: CHUNK_BYTES, signal })) {
      hash.update(chunk as Uint8Array)
      progress.done += (chunk as Uint8Array).length
      onProgress?.({ type: 'hash', file: file.path, ...progress })
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw unreadable(file.path, error)
  }
  return hash.digest('hex')
}

// A few milliseconds of this thread at a time.
const CHUNK_BYTES = 1 << 22

function unreadable(path: string, cause: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_UNREADABLE',
    `weights: expected a readable file at ${path}, it cannot be read (${cause instanceof Error ? cause.message : String(cause)}); check the path.`,
    { cause },
  )
}

type FileHash = { readonly stamp: string; readonly sha256: string }

/** The memo; empty if there is none or it is not one: then the files are hashed again. */
async function readMemo(memoFile: string): Promise<Map<string, FileHash>> {
  const text = await readFile(memoFile, 'utf8').catch(() => '')
  return parseMemo(text)
}

export function parseMemo(text: string): Map<string, FileHash> {
  const memo = new Map<string, FileHash>()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return memo
  }
  if (!Array.isArray(json)) return memo
  for (const entry of json as unknown[]) {
    if (!Array.isArray(entry) || !entry.every((field) => typeof field === 'string')) continue
    const [name, stamp, sha256] = entry as string[]
    if (name === undefined || stamp === undefined || !/^[0-9a-f]{64}$/.test(sha256 ?? '')) continue
    memo.set(name, { stamp, sha256: sha256 as string })
  }
  return memo
}

async function writeMemo(memoFile: string, memo: ReadonlyMap<string, FileHash>): Promise<void> {
  const entries = [...memo].map(([name, { stamp, sha256 }]) => [name, stamp, sha256])
  const text = new TextEncoder().encode(`${JSON.stringify(entries, null, 1)}\n`)
  try {
    await makeFolder(dirname(memoFile))
    await writeFileAtomically(memoFile, (append) => append(text))
  } catch {
    // A folder that cannot be written costs the time of hashing at every start, nothing else.
  }
}
