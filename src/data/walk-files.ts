/** The files of a folder and all below it, one after another: a folder of millions is never held as a list. */
import type { Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Paths below `root` with slashes, folder by folder, in the order of the disk. Links to files count as files; links to
 * folders are not followed, since they may lead in a circle. Names that begin with a dot are left out.
 */
export async function* walkFiles(root: string, below = ''): AsyncGenerator<string> {
  for await (const entry of await opendir(join(root, below), { bufferSize: 256 })) {
    if (entry.name.startsWith('.')) continue
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) yield* walkFiles(root, name)
    else if (await isFile(entry, join(root, name))) yield name
  }
}

async function isFile(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile()
  const target = await stat(path).catch(() => null) // A link to nothing is no file.
  return target?.isFile() ?? false
}
