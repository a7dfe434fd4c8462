/** A file or folder that cannot be written, told with its reason. */
import { isDiskFull } from '../core/disk-full.ts'
import { CheckpointError } from '../core/errors.ts'

/** Throws for what was tried at `path`; `where` begins the message, `untouched` ends it with what is still whole. */
export function refusedWrite(
  path: string,
  { where, untouched }: { readonly where: string; readonly untouched: string },
): (cause: unknown) => never {
  return (cause) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    const isFull = isDiskFull(code)
    const advice = isFull
      ? 'free some space'
      : (ADVICE[code] ?? 'check the folder and its permissions')
    throw new CheckpointError(
      isFull ? 'CHECKPOINT_DISK_FULL' : 'CHECKPOINT_UNWRITABLE',
      `${where}: expected to write ${path}, it cannot be written (${code}); ${advice}, ${untouched}.`,
      { cause },
    )
  }
}

/** By the system's code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOTDIR: 'name a folder, a part of the path is a file',
}
