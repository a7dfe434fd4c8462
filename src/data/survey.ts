/** All records of a data set looked at, several at a time: who may be learnt from, and who is in quarantine and why. */
import type { DatasetProgress } from './dataset.ts'
import { Quarantine } from './quarantine.ts'
import type { RecordFacts, Verdict } from './check-record.ts'

export type SurveyOptions = {
  /** Records that are looked at: the numbers [0, count). */
  readonly count: number
  readonly whereOf: (index: number) => string
  readonly check: (index: number) => Promise<Verdict>
  readonly onProgress?: (state: DatasetProgress) => void
  readonly signal?: AbortSignal | undefined
}

export type Survey = {
  /** Of each record; null in quarantine. */
  readonly facts: readonly (RecordFacts | null)[]
  readonly quarantine: Quarantine
}

/** Enough to keep disk and decoder busy while another record is waited for. */
const TOGETHER = 8

/** The result does not depend on which record is done first. */
export async function surveyRecords(options: SurveyOptions): Promise<Survey> {
  const { count, check, whereOf, onProgress, signal } = options
  const verdicts = Array.from({ length: count }, (): Verdict | null => null)
  let [next, done] = [0, 0]
  const work = async () => {
    while (next < count) {
      signal?.throwIfAborted()
      const index = next++
      verdicts[index] = await check(index).catch((error: unknown) => {
        // The others begin no further record.
        next = count
        throw error
      })
      onProgress?.({ stage: 'check', done: ++done, total: count, item: '' })
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, work))
  const quarantine = new Quarantine()
  const facts = verdicts.map((verdict, i) => {
    if (verdict?.isUsable) return verdict.facts
    if (verdict)
      quarantine.add({ where: whereOf(i), reason: verdict.reason, message: verdict.message })
    return null
  })
  return { facts, quarantine }
}
