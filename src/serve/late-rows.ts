/**
 * Rows that cannot choose yet, because what their forms allow is still being found out, and the rows beside them.
 *
 * A row that is late sits the next step out: its last position is forgotten and computed again, which gives the same
 * numbers, while the others go on. So nobody waits for another's form for long, and the event loop waits for none.
 */
import { isInTime } from '../core/in-time.ts'
import type { ScheduledSequence } from './scheduled-sequence.ts'

/** Once for each token: mostly it is a matter of less, and a step in vain takes longer. */
const GRACE_MS = 5
/** Where nobody else goes on: so long may whoever comes have to wait. */
const PAUSE_MS = 100

/** Which of the rows can choose; one that is held does so in a jump. */
export async function readyRows(rows: readonly ScheduledSequence[]): Promise<boolean[]> {
  const newlyLate = waitsOf(rows.filter(({ isLate }) => !isLate))
  if (newlyLate.length > 0) await isInTime(Promise.all(newlyLate), GRACE_MS)
  const late = waitsOf(rows)
  if (late.length === rows.length) await isInTime(Promise.race(late), PAUSE_MS)
  return rows.map((row) => row.ready() === null && !row.isHeld)
}

/** Whether one can choose, within so many ms. */
export async function isReady(row: ScheduledSequence, ms: number): Promise<boolean> {
  const wait = row.ready()
  if (wait && ms > 0) await isInTime(wait, ms)
  return row.ready() === null
}

function waitsOf(rows: readonly ScheduledSequence[]): Promise<void>[] {
  return rows.map((row) => row.ready()).filter((wait) => wait !== null)
}
