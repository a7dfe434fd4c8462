/**
 * A model's id becomes a folder: from the Hugging Face cache if it is there, else downloaded into it.
 *
 * What is in the cache is used as it is, without a word to the network; a branch may have moved on since.
 */
import { statfs } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

import { CheckpointError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { CachedRepository } from './hub-cache-node.ts'
import { connectHub, describe, type HubRepository } from './hub-client-node.ts'
import { downloadBlob, type HubFile } from './hub-download-node.ts'
import { checkModelId, selectFiles, type HubSettings } from './hub.ts'

export type HubEvent = {
  readonly type: 'download'
  readonly file: string
  /** Bytes of all wanted files. */
  readonly done: number
  readonly total: number
}

export type ResolveOptions = HubSettings & {
  /** A branch, tag or commit; `main` if left out. */
  readonly revision?: string
  /** Patterns of the files that are wanted; what loading a model takes if left out. */
  readonly allow?: readonly string[]
  readonly onProgress?: (event: HubEvent) => void
  readonly signal?: AbortSignal
  /** Waits between tries; tests hand in one that does not. */
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

/**
 * The folder that holds the model `id`. Throws InputError for what is no id, CheckpointError when files are missing and
 * cannot be had (it says which, and where they were looked for), the signal's reason when aborted.
 */
export async function resolveModel(id: string, options: ResolveOptions): Promise<string> {
  const revision = options.revision ?? 'main'
  checkModelId(id, revision)
  options.signal?.throwIfAborted()
  const cached = new CachedRepository(options.cacheDir, id)
  const known = await cached.commitOf(revision)
  const missing = known === undefined ? undefined : await cached.missing(known, options.allow)
  if (known && missing?.length === 0) return cached.snapshot(known)
  if (options.offline) {
    throw notCached(
      id,
      cached,
      missing,
      'the network is not to be used (--offline or HF_HUB_OFFLINE)',
    )
  }
  const hub = await connectHub(id, options)
  const snapshot = await readSnapshot(hub, revision).catch((error: unknown) => {
    options.signal?.throwIfAborted()
    if (error instanceof CheckpointError) throw error
    const reason = `${options.endpoint} cannot be reached (${describe(error)})`
    throw notCached(id, cached, missing, reason, error)
  })
  await downloadSnapshot(cached, snapshot, hub, options)
  await cached.remember(revision, snapshot.commit)
  return cached.snapshot(snapshot.commit)
}

type Snapshot = { readonly commit: string; readonly files: ReadonlyMap<string, HubFile> }

async function readSnapshot(hub: HubRepository, revision: string): Promise<Snapshot> {
  const commit = await hub.commitOf(revision)
  return { commit, files: await hub.files(commit) }
}

async function downloadSnapshot(
  cached: CachedRepository,
  { commit, files }: Snapshot,
  hub: HubRepository,
  options: ResolveOptions,
): Promise<void> {
  const wanted = new Set(selectFiles([...files.keys()], options.allow))
  const chosen = [...files.values()].filter(({ path }) => wanted.has(path))
  if (chosen.length === 0) throw nothingWanted(hub.id, [...files.keys()], options)
  await checkRoom(cached, commit, chosen)
  const total = chosen.reduce((sum, { size }) => sum + size, 0)
  let done = 0
  for (const file of chosen) {
    const onBytes = (count: number) => {
      done += count
      options.onProgress?.({ type: 'download', file: file.path, done, total })
    }
    if (await cached.has(commit, file.path)) {
      onBytes(file.size)
      continue
    }
    await downloadBlob({
      file,
      blob: cached.blob(file.hash),
      open: (offset) => hub.open(file, commit, offset),
      onBytes,
      wait: (attempt) =>
        (options.wait ?? sleep)(Math.min(8000, 500 * 2 ** attempt), options.signal),
      signal: options.signal,
    })
    await cached.point(commit, file.path, file.hash)
  }
}

async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal })
}

async function checkRoom(
  cached: CachedRepository,
  commit: string,
  files: readonly HubFile[],
): Promise<void> {
  let needed = 0
  for (const file of files) {
    if (!(await cached.has(commit, file.path))) needed += file.size
  }
  await makeFolder(cached.folder).catch((cause: unknown) => {
    throw new CheckpointError(
      'CHECKPOINT_UNWRITABLE',
      `weights: expected to make ${cached.folder}, it cannot be made (${describe(cause)}); set another cache folder (HF_HOME).`,
      { cause },
    )
  })
  const { bavail, bsize } = await statfs(cached.folder)
  if (bavail * bsize >= needed) return
  throw new CheckpointError(
    'CHECKPOINT_DISK_FULL',
    `weights: the download needs ${needed} bytes in ${cached.folder}, ${bavail * bsize} are free; free some space or set another cache folder (HF_HOME).`,
  )
}

function notCached(
  id: string,
  { folder }: CachedRepository,
  missing: readonly string[] | undefined,
  reason: string,
  cause?: unknown,
): CheckpointError {
  const what = missing ? missing.join(', ') : 'the model'
  return new CheckpointError(
    'CHECKPOINT_NOT_CACHED',
    `weights: expected ${what} of ${id} in ${folder}, ${missing ? 'it is' : 'nothing is'} ${missing ? 'missing' : 'there'}, and ${reason}; ` +
      'download it once with a connection, or give the path of a local folder.',
    { cause },
  )
}

function nothingWanted(
  id: string,
  paths: readonly string[],
  { allow }: ResolveOptions,
): CheckpointError {
  const wanted = allow ? `files that match ${allow.join(', ')}` : 'the files of a model'
  const shown = paths.slice(0, 20).join(', ') || 'no files'
  return new CheckpointError(
    'CHECKPOINT_NOT_FOUND',
    `weights: expected ${wanted} in ${id}, it has ${shown}; is it the right repository?`,
  )
}
