/**
 * One file of a hub repository into the cache: resumed where an earlier try stopped, checked, and renamed when whole.
 *
 * The bytes go to `HASH.incomplete`, as Python's huggingface_hub names it. A process takes such a file over by renaming
 * it, so that two never write to one.
 */
import { createHash, randomUUID, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { isDiskFull } from '../core/disk-full.ts'
import { CheckpointError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { streamChunks } from '../core/stream-chunks.ts'
import { errorCode, exists } from './hub-cache-node.ts'

/** A file of a repository as the hub lists it: large ones are known by their sha256, small ones by git's hash of the blob. */
export type HubFile = { readonly path: string; readonly size: number; readonly hash: string }

export type Download = {
  readonly file: HubFile
  /** Where the file is to lie. */
  readonly blob: string
  /** The bytes from `offset` on. */
  open(offset: number): Promise<ReadableStream<Uint8Array>>
  /** Called with the number of bytes that have come; negative when they had to be thrown away. */
  onBytes(count: number): void
  /** Waits before try `attempt` (1, 2, …) that follows one without progress. */
  wait(attempt: number): Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Throws CheckpointError when the connection keeps failing, the file is not what the hub says it is, or the disk is full. */
export async function downloadBlob(download: Download): Promise<void> {
  const { blob, file } = download
  if (await exists(blob)) return download.onBytes(file.size)
  await makeFolder(dirname(blob))
  const partial = await claimPartial(blob)
  try {
    await receive(download, partial)
    if ((await contentHash(partial, file)) !== file.hash) {
      // What an earlier try left may be at fault: once more from the start.
      download.onBytes(-file.size)
      await rm(partial)
      await receive(download, partial)
      await refuseCorrupt(partial, file)
    }
    await rename(partial, blob)
  } catch (error) {
    if (await exists(partial)) await rename(partial, `${blob}.incomplete`)
    throw explainWrite(download, error)
  }
}

// A process that is downloading writes far more often.
const ABANDONED_MS = 10 * 60 * 1000

/** A name of our own for the partial file, which holds what an earlier try left of it, if there is something. */
async function claimPartial(blob: string): Promise<string> {
  const own = `${blob}.${randomUUID()}.incomplete`
  const left = (await readdir(dirname(blob))).filter(
    (name) => name.startsWith(`${basename(blob)}.`) && name.endsWith('.incomplete'),
  )
  for (const name of left) {
    const path = join(dirname(blob), name)
    const found = await stat(path).catch(() => undefined)
    const isFree =
      name === `${basename(blob)}.incomplete` ||
      (found && Date.now() - found.mtimeMs > ABANDONED_MS)
    if (!found || !isFree) continue
    const isOurs = await rename(path, own).then(
      () => true,
      () => false,
    )
    if (isOurs) break
  }
  return own
}

/** Tries in a row that bring nothing before it is given up. */
const MAX_TRIES = 5

/** Appends to `partial` until it is complete, over as many connections as it takes while each brings something. */
async function receive(download: Download, partial: string): Promise<void> {
  const { file, signal } = download
  const target = await open(partial, 'a')
  try {
    let offset = (await target.stat()).size
    if (offset > file.size) {
      await target.truncate(0)
      offset = 0
    }
    download.onBytes(offset)
    for (let tries = 1; offset < file.size; tries++) {
      const before = offset
      const failure = await appendStream(download, target, offset)
      offset = (await target.stat()).size
      if (offset > file.size) return
      if (offset > before) tries = 0
      signal?.throwIfAborted()
      if (offset < file.size && tries >= MAX_TRIES) throw unreachable(file, offset, failure)
      if (offset < file.size && tries > 0) await download.wait(tries)
    }
  } finally {
    await target.close()
  }
}

/** Appends what one connection gives; what cut it short is returned, what is final is thrown. */
async function appendStream(
  download: Download,
  target: FileHandle,
  offset: number,
): Promise<unknown> {
  try {
    for await (const chunk of streamChunks(await download.open(offset), download.signal)) {
      await target.appendFile(chunk)
      download.onBytes(chunk.length)
    }
    return undefined
  } catch (error) {
    download.signal?.throwIfAborted()
    const isFinal = error instanceof CheckpointError || isDiskFull(errorCode(error))
    if (isFinal) throw error
    return error
  }
}

function unreachable(file: HubFile, offset: number, cause: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_DOWNLOAD',
    `weights: expected ${file.size} bytes of ${file.path}, ${offset} came before the connection failed for good (${cause instanceof Error ? cause.message : 'it was closed'}); ` +
      'try again, the download goes on where it stopped.',
    { cause },
  )
}

async function refuseCorrupt(partial: string, file: HubFile): Promise<void> {
  const hash = await contentHash(partial, file)
  if (hash === file.hash) return
  await rm(partial)
  throw new CheckpointError(
    'CHECKPOINT_DOWNLOAD_CORRUPT',
    `weights: expected ${file.path} with hash ${file.hash}, a file with ${hash} came twice; nothing of it was kept, try another endpoint or network.`,
  )
}

/** The hash that the hub knows the content by: sha256, or git's sha1 of `blob SIZE\0` and the content. */
async function contentHash(path: string, { hash }: HubFile): Promise<string> {
  let digest: Hash
  if (hash.length === 64) digest = createHash('sha256')
  else digest = createHash('sha1').update(`blob ${(await stat(path)).size}\0`)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 })) {
    digest.update(chunk as Uint8Array)
  }
  return digest.digest('hex')
}

function explainWrite({ file, blob }: Download, cause: unknown): unknown {
  const code = errorCode(cause)
  if (isDiskFull(code)) {
    return new CheckpointError(
      'CHECKPOINT_DISK_FULL',
      `weights: expected room for ${file.path} (${file.size} bytes) in ${dirname(blob)}, the disk or its quota is full; free some space or set another cache folder (HF_HOME).`,
      { cause },
    )
  }
  if (!['EACCES', 'EPERM', 'EROFS'].includes(code)) return cause
  return new CheckpointError(
    'CHECKPOINT_UNWRITABLE',
    `weights: expected to write ${file.path} into ${dirname(blob)}, it cannot be written (${code}); set another cache folder (HF_HOME).`,
    { cause },
  )
}
