/**
 * Folders that appear complete or not at all: written beside their place, flushed, then renamed to it.
 *
 * A folder that is there already is set aside first, since no rename replaces a folder that is not empty; whoever reads
 * after a crash between the two renames finds it there (`completeFolder`).
 */
import { randomUUID } from 'node:crypto'
import { copyFile, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../core/make-folder-node.ts'
import { checkReplaced, type FolderKind, type Replaced } from './check-replaced-node.ts'
import { refusedWrite } from './refused-write.ts'

/**
 * Lets `write` fill a temporary folder and puts it at `path`. Whatever `write` throws passes through and nothing is left;
 * throws CheckpointError where the disk refuses, and, before anything is written, where `path` holds what is not to be
 * replaced.
 */
export async function writeFolderAtomically(
  path: string,
  write: (folder: string) => Promise<void>,
  { kind, replaces = 'alike' }: { readonly kind: FolderKind; readonly replaces?: Replaced },
): Promise<void> {
  const target = resolve(path)
  await checkReplaced(target, { kind, replaces })
  const temporary = `${target}.${randomUUID()}.tmp`
  try {
    await makeFolder(temporary).catch(refused(target))
    await write(temporary)
    // Writing takes minutes, in which others use the folder.
    await checkReplaced(target, { kind, replaces })
    await syncFolder(temporary)
    await moveInto(temporary, target).catch(refused(target))
  } catch (error) {
    // Where even that fails, what failed first says more.
    await rm(temporary, { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}

/**
 * The folder to read for `path`: itself, or the one that was set aside when a replacement was cut short. Undefined where
 * there is neither.
 */
export async function completeFolder(path: string): Promise<string | undefined> {
  const target = resolve(path)
  if (await isFolder(target)) return target
  const names = await namesIn(dirname(target))
  const aside = names.filter((name) => isAside(name, basename(target)))
  return aside.length === 0 ? undefined : join(dirname(target), aside.sort().at(-1) as string)
}

/** A folder inside the temporary one. */
export async function makeSubfolder(path: string): Promise<void> {
  await makeFolder(path).catch(refused(path))
}

/** Copies a file and flushes it. */
export async function copyFileInto(source: string, folder: string): Promise<void> {
  const target = join(folder, basename(source))
  await copyFile(source, target).catch(refused(target))
  await sync(target)
}

async function moveInto(temporary: string, target: string): Promise<void> {
  const aside = `${target}.${Date.now()}.old`
  const isThere = await isFolder(target)
  if (isThere) await rename(target, aside)
  await rename(temporary, target)
  await syncFolder(dirname(target))
  const names = await readdir(dirname(target))
  for (const name of names.filter((candidate) => isAside(candidate, basename(target)))) {
    await rm(join(dirname(target), name), { recursive: true, force: true })
  }
}

function isAside(name: string, target: string): boolean {
  return name.startsWith(`${target}.`) && /^\d+\.old$/.test(name.slice(target.length + 1))
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** Where a folder cannot be opened, as on Windows, its entries are flushed by the system alone. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform !== 'win32') await sync(path)
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function refused(path: string): (cause: unknown) => never {
  return refusedWrite(path, { where: 'weights', untouched: 'what was there before is untouched' })
}
