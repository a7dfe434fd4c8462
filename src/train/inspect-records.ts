/**
 * Every record is looked at before the first step: what cannot be learnt from goes into quarantine with its reason, what
 * can is measured. Nothing is replaced, and too many faults stop the run.
 */
import { ConfigError, InputError } from '../core/errors.ts'
import { RecordFault, type FaultReason } from '../data/record-fault.ts'
import type { SampleLength } from './recipe/batches.ts'

export type QuarantinedRecord = {
  readonly where: string
  readonly reason: FaultReason
  readonly message: string
}

export type Inspection = {
  /** Of each record; null in quarantine. */
  readonly lengths: readonly (SampleLength | null)[]
  readonly quarantined: readonly QuarantinedRecord[]
}

export type InspectOptions = {
  readonly count: number
  readonly whereOf: (index: number) => string
  /** Throws InputError for a record that cannot be learnt from. */
  readonly measure: (index: number) => Promise<SampleLength>
  readonly onProgress: (done: number, total: number) => void
  readonly signal: AbortSignal | undefined
}

/** Records that are looked at together. */
const TOGETHER = 8

export async function inspectRecords(options: InspectOptions): Promise<Inspection> {
  const { count, signal, onProgress } = options
  const lengths = Array.from({ length: count }, (): SampleLength | null => null)
  const faults = new Map<number, QuarantinedRecord>()
  let [next, done] = [0, 0]
  const work = async () => {
    while (next < count) {
      signal?.throwIfAborted()
      const index = next++
      const found = await inspectOne(index, options)
      if ('reason' in found) faults.set(index, found)
      else lengths[index] = found
      onProgress(++done, count)
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, work))
  const sorted = [...faults].sort(([a], [b]) => a - b)
  return { lengths, quarantined: sorted.map(([, fault]) => fault) }
}

async function inspectOne(
  index: number,
  { measure, whereOf }: InspectOptions,
): Promise<SampleLength | QuarantinedRecord> {
  try {
    return await measure(index)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { where: whereOf(index), reason: reasonOf(error), message: error.message }
  }
}

/** Codes of the rooms that look at a record, by their beginning. */
const REASONS: readonly (readonly [string, FaultReason])[] = [
  ['INPUT_IMAGE_PLACES', 'places'],
  ['INPUT_IMAGE_MISSING', 'picture-missing'],
  ['INPUT_IMAGE', 'picture-broken'],
  ['INPUT_CONVERSATION_ORDER', 'order'],
  ['INPUT_CONVERSATION', 'structure'],
  ['INPUT_VIDEO_PLACES', 'places'],
  ['INPUT_VIDEO_MISSING', 'clip-missing'],
  ['INPUT_VIDEO', 'clip-broken'],
  ['INPUT_TOO_LONG', 'too-long'],
]

function reasonOf(error: InputError): FaultReason {
  if (error instanceof RecordFault) return error.reason
  return REASONS.find(([code]) => error.code.startsWith(code))?.[1] ?? 'labels'
}

/** Throws ConfigError where more than `threshold`, a part of the records, are in quarantine, with counts by reason. */
export function checkQuarantine({ lengths, quarantined }: Inspection, threshold: number): void {
  const isEmpty = quarantined.length === lengths.length
  if (quarantined.length <= threshold * lengths.length && !isEmpty) return
  const counts = new Map<FaultReason, number>()
  for (const { reason } of quarantined) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const shown = [...counts].sort(([, a], [, b]) => b - a).map(([reason, n]) => `${reason} ${n}`)
  const [first] = quarantined
  throw new ConfigError(
    'CONFIG_QUARANTINE',
    `quarantine: expected at most ${formatPercent(threshold)} of ${lengths.length} records, ${quarantined.length} came (${shown.join(', ')}), the first at ${first?.where}: ${first?.message} Mend the data or raise quarantine.threshold.`,
  )
}

function formatPercent(part: number): string {
  return `${Number((100 * part).toPrecision(3))} %`
}
