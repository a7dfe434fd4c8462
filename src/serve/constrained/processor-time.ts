/**
 * Limits of time on machines that have none: a thread that waits for a processor is not slow.
 *
 * What a thread alone has computed Node 20 does not tell, what all of a process have together it does; so a thread may have
 * had less than is counted, and never more.
 */

/** So many times its limit is as long as anything may take, whatever others do on the machine. */
const MOST_TIMES = 4

/** How long `limitMs` go on after so much time on the clock and on processors; 0: they are over. */
export function leftOf(
  limitMs: number,
  { clockMs, processorMs }: { readonly clockMs: number; readonly processorMs: number },
): number {
  if (clockMs >= MOST_TIMES * limitMs) return 0
  return Math.max(0, limitMs - Math.min(clockMs, processorMs))
}
