/**
 * Rows that cannot choose yet, because what their forms allow or force is still being found out, and the rows beside them.
 *
 * A row that is late sits the next step out: its last position is forgotten and computed again, which gives the same
 * numbers, while the others go on. So does one that does not know yet whether it is a step that it makes. So nobody waits for
 * another's form for long, and the event loop waits for none.
 */
import { isInTime } from '../core/in-time.ts'
import type { ScheduledSequence } from './scheduled-sequence.ts'

/** Once for each token: mostly it is a matter of less, and a step in vain takes longer. */
const GRACE_MS = 5
/** Once for each token as well: what must come is known in microseconds, and before what may come. */
const AHEAD_MS = 2
/** Where nobody else goes on: so long may whoever comes have to wait. */
const PAUSE_MS = 100

/** Which of the rows can choose from a step; those that are to jump do not. */
export async function readyRows(rows: readonly ScheduledSequence[]): Promise<boolean[]> {
  await grant(
    newlyLate(rows).map((row) => row.wait()),
    GRACE_MS,
  )
  await pause(rows)
  return rows.map((row) => row.jump?.length === 0 && row.wait() === null)
}

/** Gives rows the time in which it is mostly decided what they read at once. */
export async function hearAhead(rows: readonly ScheduledSequence[]): Promise<void> {
  await grant(
    newlyLate(rows).map((row) => row.decided()),
    AHEAD_MS,
  )
}

/** Where no row can go on, waits for one. */
export async function pause(rows: readonly ScheduledSequence[]): Promise<void> {
  const waits = rows.map((row) => row.wait()).filter((wait) => wait !== null)
  if (waits.length === rows.length) await isInTime(Promise.race(waits), PAUSE_MS)
}

/** Whether one can choose, within so many ms. */
export async function isReady(row: ScheduledSequence, ms: number): Promise<boolean> {
  const wait = row.ready()
  if (wait && ms > 0) await isInTime(wait, ms)
  return row.ready() === null
}

function newlyLate(rows: readonly ScheduledSequence[]): ScheduledSequence[] {
  return rows.filter(({ isLate }) => !isLate)
}

async function grant(waits: readonly (Promise<void> | null)[], ms: number): Promise<void> {
  if (waits.some((wait) => wait !== null)) await isInTime(Promise.all(waits), ms)
}
