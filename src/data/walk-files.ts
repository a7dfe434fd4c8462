/** The files of a folder and all below it, one after another: a folder of millions is never held as a list. */
import type { Dirent } from 'node:fs'
import { opendir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { InputError } from '../core/errors.ts'

/**
 * Paths below `root` with slashes, folder by folder, in the order of the disk. Names that begin with a dot are left out.
 * Links are what they lead to: a folder that two links lead to is two folders. Null stands for what cannot be read as a
 * file: pipes and devices, links to nothing, links to a folder that they lie in, and folders below `root` that may not be
 * opened, of which `onClosed` hears.
 */
export async function* walkFiles(
  root: string,
  onClosed: (path: string, reason: string) => void,
): AsyncGenerator<string | null> {
  const real = await realpath(root)
  yield* walkFolder({ path: root, name: '', real, above: [], onClosed })
}

type Folder = {
  readonly path: string
  /** Below the root. */
  readonly name: string
  readonly real: string
  /** Real paths of the folders on the way here that links led away from. */
  readonly above: readonly string[]
  readonly onClosed: (path: string, reason: string) => void
}

async function* walkFolder(folder: Folder): AsyncGenerator<string | null> {
  const entries = await openFolder(folder)
  if (entries === null) yield null
  for await (const entry of entries ?? []) {
    if (entry.name.startsWith('.')) continue
    const found = await lookAt(entry, folder)
    if (found === 'file') yield below(folder, entry)
    else if (found === 'none') yield null
    else yield* walkFolder(found)
  }
}

function below({ name }: Folder, entry: Dirent): string {
  return name === '' ? entry.name : `${name}/${entry.name}`
}

async function lookAt(entry: Dirent, folder: Folder): Promise<Folder | 'file' | 'none'> {
  const [path, name] = [join(folder.path, entry.name), below(folder, entry)]
  if (entry.isDirectory()) return { ...folder, path, name, real: join(folder.real, entry.name) }
  if (!entry.isSymbolicLink()) return entry.isFile() ? 'file' : 'none'
  const target = await stat(path).catch(() => null)
  if (target === null || !target.isDirectory()) return target?.isFile() ? 'file' : 'none'
  const real = await realpath(path)
  const above = [...folder.above, folder.real]
  return above.some((one) => isWithin(one, real)) ? 'none' : { ...folder, path, name, real, above }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}

/** Null where it may not be opened. */
async function openFolder({ path, name, onClosed }: Folder) {
  try {
    return await opendir(path, { bufferSize: 256 })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (name !== '' && (code === 'EACCES' || code === 'EPERM')) {
      onClosed(path, message)
      return null
    }
    if (code !== 'ENOENT') throw cause
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: expected a folder at ${path}, it cannot be found; ${isMangled(path) ? RENAME : 'leave it alone while it is read'}.`,
      { cause },
    )
  }
}

/** Node.js writes so whatever of a name is no UTF-8, and then does not find it. */
export function isMangled(path: string): boolean {
  return path.includes('\u{fffd}')
}

export const RENAME = 'its name is no UTF-8, rename it'
