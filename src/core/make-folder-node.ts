/**
 * Makes a folder and those above it. Node's own `recursive` never returns where the system says ENOENT below a folder that
 * exists, as `/proc` does (nodejs/node `MKDirpSync`); here that is the error it is.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Rejects with the system's error where one of them cannot be made, or is a file. */
export async function makeFolder(path: string): Promise<void> {
  for (const folder of missingFolders(path)) await mkdir(folder).catch(unlessMade(folder))
}

export function makeFolderSync(path: string): void {
  for (const folder of missingFolders(path)) {
    try {
      mkdirSync(folder)
    } catch (error) {
      unlessMade(folder)(error)
    }
  }
}

/** From the top, and the folder itself where it is no folder, so that making it says so. */
function missingFolders(path: string): string[] {
  const folder = resolve(path)
  if (isFolder(folder)) return []
  const missing = [folder]
  for (let above = dirname(folder); !existsSync(above); above = dirname(above)) missing.push(above)
  return missing.reverse()
}

/** Another process may have made it meanwhile. */
function unlessMade(folder: string): (error: unknown) => void {
  return (error) => {
    if (!isFolder(folder)) throw error
  }
}

/** A folder, or a link to one. */
export const isFolder = (path: string) =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
