/** A file or folder that cannot be written, told with its reason. */
import { CheckpointError } from '../core/errors.ts'

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** Whether the system's code says that the disk, its quota or the limit of a file's size is reached. */
export function isDiskFull(code: string): boolean {
  return FULL.includes(code)
}

/** Throws for what was tried at `path`; `where` begins the message, `untouched` ends it with what is still whole. */
export function refusedWrite(
  path: string,
  { where, untouched }: { readonly where: string; readonly untouched: string },
): (cause: unknown) => never {
  return (cause) => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    const isFull = isDiskFull(code)
    throw new CheckpointError(
      isFull ? 'CHECKPOINT_DISK_FULL' : 'CHECKPOINT_UNWRITABLE',
      `${where}: expected to write ${path}, it cannot be written (${code}); ${isFull ? 'free some space' : 'check the folder and its permissions'}, ${untouched}.`,
      { cause },
    )
  }
}
