/**
 * glibc's malloc as a process wants it that lives for weeks: memory that was given back is used again, or goes back to the system.
 *
 * By default threads have heaps of their own, and what one thread gave back, threads in other heaps do not get. And blocks as
 * large as any that was ever given back (32 MiB at most) lie in those heaps, where whatever small lies behind them keeps
 * their pages. Source: mallopt(3), M_ARENA_MAX and M_MMAP_THRESHOLD.
 */
import koffi from 'koffi'

const M_MMAP_THRESHOLD = -3
const M_ARENA_MAX = -8
const HEAPS = 2
const LARGE_BYTES = 1 << 20

/** Threads share two heaps; to be called before there are threads. False where the C library has no such setting. */
export function shareMallocHeaps(): boolean {
  return setMalloc(M_ARENA_MAX, HEAPS)
}

/**
 * Blocks of a mebibyte (pictures, bodies, tiles) go back to the system when they are freed. So does what is packed only to be
 * compared with what another session has packed, which would leave holes of its size. False as above.
 */
export function returnLargeBlocks(): boolean {
  return setMalloc(M_MMAP_THRESHOLD, LARGE_BYTES)
}

/** False where this is not glibc, or not Linux. */
function setMalloc(option: number, value: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    return koffi.load(null).func('mallopt', 'int', ['int', 'int'])(option, value) === 1
  } catch {
    return false
  }
}
