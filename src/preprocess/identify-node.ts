/** What tells one clip or frame from another without decoding it. */
import { stat } from 'node:fs/promises'
import { pathOfUrl } from './file-path-node.ts'
import { schemeOf } from './image-source.ts'

/** A file that was written so short a time ago may be written again within one tick of the file system's clock. */
const SETTLED_MS = 100

/**
 * A file by its place, size and times: two that are called the same have the same contents. Null where nobody can say: for
 * what is elsewhere, is not there, or may be being written.
 */
export async function identifyFile(file: string | URL): Promise<string | null> {
  const scheme = schemeOf(file)
  if (scheme !== undefined && scheme !== 'file') return null
  const path = scheme === 'file' ? pathOfUrl('readImage', file) : file
  const found = await stat(path, { bigint: true }).catch(() => null)
  if (!found?.isFile()) return null
  const { dev, ino, size, mtimeNs, mtimeMs, ctimeNs } = found
  if (Date.now() - Number(mtimeMs) < SETTLED_MS) return null
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}
