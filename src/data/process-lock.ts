/**
 * A lock that is a file with its owner's process id: for output that one process alone may write. What a process left that
 * has ended is taken over.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'

/** Null: the lock at `path` is ours now; else the living process that has it, which may be this one. */
export function takeLock(path: string): number | null {
  for (;;) {
    try {
      const file = openSync(path, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      return null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = ownerOf(path)
    if (isAlive(owner)) return owner
    const living = removeOf(owner, path)
    if (living !== null) return living
  }
}

/** Takes away what an ended owner left; where another took it over meanwhile, its lock is put back, and it is returned. */
function removeOf(owner: number, path: string): number | null {
  const aside = `${path}.${randomUUID()}.tmp`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const found = ownerOf(aside)
  if (found !== owner && isAlive(found)) {
    renameSync(aside, path)
    return found
  }
  rmSync(aside, { force: true })
  return null
}

/** Looks at a file without an owner yet, each some milliseconds after the last: it is written right after it is made. */
const LOOKS = 100
const BETWEEN = 5

/** 0: nobody. */
function ownerOf(path: string): number {
  for (let look = 0; look < LOOKS; look++) {
    try {
      const text = readFileSync(path, 'utf8')
      if (text !== '') return Number(text)
    } catch {
      return 0 // It has just been given back.
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BETWEEN)
  }
  return 0
}

function isAlive(id: number): boolean {
  if (!Number.isInteger(id) || id <= 0) return false
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
