/** What a run leaves out, by reason, and when that is too much. */
import { ConfigError } from '../core/errors.ts'
import { FAULT_REASONS, type FaultReason } from './record-fault.ts'

export type QuarantinedRecord = {
  /** `data: instruct.json[17]` */
  readonly where: string
  readonly reason: FaultReason
  readonly message: string
}

/** Part of the records that may be left out. */
export const QUARANTINE_THRESHOLD = 0.01

export class Quarantine {
  readonly #records: QuarantinedRecord[] = []

  get records(): readonly QuarantinedRecord[] {
    return this.#records
  }

  get size(): number {
    return this.#records.length
  }

  add({ where, reason, message }: QuarantinedRecord): void {
    // Readers of rows say themselves where the row is.
    const bare = message.startsWith(`${where}: `) ? message.slice(where.length + 2) : message
    this.#records.push({ where, reason, message: bare })
  }

  /** Of every reason that came, the most frequent first. */
  get counts(): ReadonlyMap<FaultReason, number> {
    const counts = new Map<FaultReason, number>()
    for (const { reason } of this.#records) counts.set(reason, (counts.get(reason) ?? 0) + 1)
    return new Map([...counts].sort(([, a], [, b]) => b - a))
  }

  /** Throws ConfigError CONFIG_QUARANTINE where more than `threshold` of `total` records are here, or all of them. */
  check(total: number, threshold: number = QUARANTINE_THRESHOLD): void {
    const isAll = total > 0 && this.size === total
    if (this.size <= threshold * total && !isAll) return
    const counts = [...this.counts].map(
      ([reason, n]) => `${n} ${reason} (${FAULT_REASONS[reason]})`,
    )
    const [first] = this.#records
    const percent = Number((100 * threshold).toPrecision(3))
    const came = isAll
      ? `expected records to learn from, none of ${total} is usable`
      : `expected at most ${percent} % of ${total} records, ${this.size} came`
    const todo = isAll
      ? 'Mend the data.'
      : 'Mend the data, or raise the threshold if you can do without these records.'
    throw new ConfigError(
      'CONFIG_QUARANTINE',
      `quarantine: ${came}: ${counts.join(', ')}. The first is ${first?.where}: ${first?.message} ${todo}`,
    )
  }
}
