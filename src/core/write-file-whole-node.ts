/** Files that are there whole or as they were, however a write ends. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolderSync } from './make-folder-node.ts'

/** Makes the folders above it. Throws the system's error with the file's `path`. */
export function writeFileWhole(path: string, content: string | Uint8Array): void {
  makeFolderSync(dirname(path))
  const draft = `${path}.${process.pid}.tmp`
  const file = openSync(draft, 'w')
  try {
    writeAll(file, content)
    fsyncSync(file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw withPath(error, path)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}

/** The system may take less than it is given. */
export function writeAll(file: number, content: string | Uint8Array): void {
  const bytes = Buffer.from(content)
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
}

/** What fails at an open file does not say which. */
export function withPath(error: unknown, path: string): unknown {
  return error instanceof Error ? Object.assign(error, { path }) : error
}
