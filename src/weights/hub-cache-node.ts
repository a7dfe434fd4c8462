/**
 * The Hugging Face cache on disk, in the layout that Python's huggingface_hub shares:
 *
 *   models--ORG--NAME/refs/REVISION            the commit, as text
 *   models--ORG--NAME/snapshots/COMMIT/FILE    a link to …
 *   models--ORG--NAME/blobs/HASH               sha256 for large files, git's sha1 for small ones
 */
import { copyFile, link, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

import { makeFolder } from '../core/make-folder-node.ts'
import { missingFiles, repositoryFolder } from './hub.ts'

const COMMIT = /^[0-9a-f]{40}$/

export class CachedRepository {
  readonly folder: string

  constructor(cacheDir: string, id: string) {
    this.folder = join(cacheDir, repositoryFolder(id))
  }

  /** The commit that the cache knows for a revision. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '')
    const commit = text.trim()
    return COMMIT.test(commit) ? commit : undefined
  }

  async remember(revision: string, commit: string): Promise<void> {
    if (revision === commit) return
    const file = join(this.folder, 'refs', revision)
    await makeFolder(dirname(file))
    await writeFile(file, commit)
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit)
  }

  blob(hash: string): string {
    return join(this.folder, 'blobs', hash)
  }

  /** What a snapshot lacks to be loaded; undefined if the snapshot is not there at all. */
  async missing(commit: string, allow?: readonly string[]): Promise<string[] | undefined> {
    const folder = this.snapshot(commit)
    const entries = await readdir(folder, { recursive: true }).catch(() => undefined)
    if (entries === undefined) return undefined
    const names: string[] = []
    // Links to blobs that are gone do not count.
    for (const name of entries)
      if (await exists(join(folder, name))) names.push(name.replaceAll('\\', '/'))
    const indexes = new Map<string, unknown>()
    for (const name of names.filter((name) => /^[^/]*\.index\.json$/.test(name))) {
      indexes.set(name, await readJson(join(folder, name)))
    }
    return missingFiles(names, indexes, allow)
  }

  async has(commit: string, path: string): Promise<boolean> {
    return exists(join(this.snapshot(commit), path))
  }

  /** Makes `path` of a snapshot stand for a blob: a link, or a copy where links are not allowed (Windows). */
  async point(commit: string, path: string, hash: string): Promise<void> {
    const pointer = join(this.snapshot(commit), path)
    await makeFolder(dirname(pointer))
    const target = relative(dirname(pointer), this.blob(hash))
    if (await exists(pointer)) return
    // A link whose blob was deleted is in the way.
    await rm(pointer, { force: true })
    try {
      await symlink(target, pointer)
    } catch (error) {
      if (await exists(pointer)) return
      if (errorCode(error) === 'EEXIST') throw error
      await link(this.blob(hash), pointer).catch(() => copyFile(this.blob(hash), pointer))
    }
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined
  }
}
