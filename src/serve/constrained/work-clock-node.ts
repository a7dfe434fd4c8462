import { leftOf } from './processor-time.ts'

/** Starts now; tells how much of a limit is left after the work since. */
export function workClock(): (limitMs: number) => number {
  const [start, used] = [performance.now(), process.cpuUsage()]
  return (limitMs) => {
    const { user, system } = process.cpuUsage(used)
    const spent = { clockMs: performance.now() - start, processorMs: (user + system) / 1000 }
    return leftOf(limitMs, spent)
  }
}
