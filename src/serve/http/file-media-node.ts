/** Pictures and clips from below one folder of this machine. */
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, InputError } from '../../core/errors.ts'
import type { MediaReader } from './media.ts'

/**
 * What was a file when its path was followed must not have become a link since; and a pipe, which nobody may ever write
 * into, must not be waited for.
 */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Reads `file:` URLs whose file, links followed, lies in `root`. Throws ConfigError where there is no such folder. */
export async function fileMedia(root: string): Promise<MediaReader> {
  const real = await realpath(root).catch(() => {
    throw new ConfigError('CONFIG_MEDIA_ROOT', `mediaRoot: there is no folder ${root}.`)
  })
  const folder = real.endsWith(sep) ? real : real + sep
  return async (url, { maxBytes, signal }) => {
    const path = await realPath(url)
    if (path === null || !path.startsWith(folder)) throw notThere()
    const file = await open(path, FLAGS).catch(() => null)
    if (!file) throw notThere()
    try {
      const about = await file.stat()
      if (!about.isFile()) throw notThere()
      if (about.size > maxBytes) {
        throw new InputError(
          'INPUT_MEDIA_TOO_LARGE',
          `media: at most ${maxBytes} bytes are taken, the file has ${about.size}.`,
        )
      }
      return new Uint8Array(await file.readFile({ signal }))
    } finally {
      await file.close()
    }
  }
}

async function realPath(url: URL): Promise<string | null> {
  try {
    // Of another host, or with a slash or a null byte hidden in its path: no path of ours.
    return await realpath(fileURLToPath(url))
  } catch {
    return null
  }
}

/** One answer for what is not there and for what is elsewhere: nobody learns which files this machine has. */
function notThere(): InputError {
  return new InputError('INPUT_MEDIA_FILE', "media: there is no such file in the server's folder.")
}
