/** The path that a `file:` URL means on this machine. */
import { fileURLToPath } from 'node:url'
import { InputError } from '../core/errors.ts'

/** Throws InputError INPUT_FILE_URL for the URL of another host, and for one whose path no file can have. */
export function pathOfUrl(where: string, url: string | URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new InputError(
      'INPUT_FILE_URL',
      `${where}: expected a file: URL of this machine, as file:///folder/name, ${String(url).slice(0, 120)} came; give the file's path.`,
      { cause },
    )
  }
}
