/** Files that are waited for no longer than it takes to read them. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** A pipe would be waited for until somebody writes into it, and no signal ends that. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Throws the system's error, and an Error for what is no file. */
export async function readFileWhole(path: string | URL): Promise<Uint8Array> {
  const file = await open(path, FLAGS)
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${String(path)} is no file`)
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}
