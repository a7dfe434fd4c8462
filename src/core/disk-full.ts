const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** Whether the system's code says that the disk, its quota or the limit of a file's size is reached. */
export function isDiskFull(code: string): boolean {
  return FULL.includes(code)
}
