/** Pictures and clips that questions name, in the folder where they are. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { Picture } from './question.ts'

export function mediaPath(name: string, folder: string | undefined): string {
  return resolve(folder ?? '.', name)
}

/** As an engine takes it: a path, or bytes; null where the row has none. Throws InputError where there is no such file. */
export async function openPicture(
  picture: Picture,
  folder: string | undefined,
): Promise<string | Uint8Array | null> {
  if (picture instanceof Uint8Array) return picture
  if (typeof picture === 'function') return picture()
  const path = mediaPath(picture, folder)
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path
  throw new InputError('INPUT_PICTURE_MISSING', `eval: there is no picture at ${path}.`)
}
