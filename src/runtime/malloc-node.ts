/**
 * glibc's malloc gives threads heaps of their own: what one thread gave back, threads in other heaps do not get. A process that
 * starts and ends threads for weeks grows by that. Source: mallopt(3), M_ARENA_MAX.
 */
import koffi from 'koffi'

const M_ARENA_MAX = -8
const HEAPS = 2

/** Before threads are started. False where the C library has no such setting: not glibc, or not Linux. */
export function shareMallocHeaps(): boolean {
  if (process.platform !== 'linux') return false
  try {
    return koffi.load(null).func('mallopt', 'int', ['int', 'int'])(M_ARENA_MAX, HEAPS) === 1
  } catch {
    return false
  }
}
