/** Where text goes while a template runs: the result itself, or the buffer of a macro or captured body. */
import type { Budget } from './limits.ts'
import { lengthOf } from './python-text.ts'

export class Output {
  readonly #parts: string[] = []
  readonly #budget: Budget
  #length = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Code points so far. */
  get length(): number {
    return this.#length
  }

  write(text: string): void {
    this.#budget.allocate(text.length)
    this.#parts.push(text)
    this.#length += lengthOf(text)
  }

  toString(): string {
    return this.#parts.join('')
  }
}
