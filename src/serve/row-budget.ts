/** How many rows the memory for keys and values has room for, by what they are expected to need. */
import type { ScheduledSequence } from './scheduled-sequence.ts'

/** A row and how many positions it has. */
export type RowLength = { readonly sequence: ScheduledSequence; readonly length: number }

/** Tokens that an answer is expected to have, however many it may have. */
const EXPECTED_TOKENS = 256
/** The same for one that has more already. */
const EXPECTED_FURTHER = 64

export class RowBudget {
  readonly #kvBytes: number
  readonly #bytesOf: (length: number) => number

  /** `bytesOf`: memory that a sequence of so many positions takes. */
  constructor(kvBytes: number, bytesOf: (length: number) => number) {
    this.#kvBytes = kvBytes
    this.#bytesOf = bytesOf
  }

  /** How many further rows with the prompt of `sequence` there is room for beside `rows`. */
  roomFor(sequence: ScheduledSequence, rows: readonly RowLength[]): number {
    const taken = rows.reduce((sum, row) => sum + this.#expectedBytes(row), 0)
    const length = sequence.prompt.keys.length + sequence.lost
    const each = this.#expectedBytes({ sequence, length })
    return Math.max(0, Math.floor((this.#kvBytes - taken) / each))
  }

  /** Whether the next position of each of several rows is too much. */
  isExceeded(rows: readonly RowLength[]): boolean {
    const filled = rows.reduce((sum, { length }) => sum + this.#bytesOf(length + 1), 0)
    return rows.length > 1 && filled > this.#kvBytes
  }

  #expectedBytes({ sequence, length }: RowLength): number {
    const expected = Math.max(sequence.lengthWith(EXPECTED_TOKENS), length + EXPECTED_FURTHER)
    return this.#bytesOf(Math.min(expected, sequence.lengthWith(Infinity)))
  }
}
