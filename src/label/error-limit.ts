/** How many errors stop a run: so many, or a share of what is done. */
import { CapacityError, InputError } from '../core/errors.ts'

export type ErrorLimit = { readonly kind: 'count' | 'share'; readonly most: number }

/** A share is looked at from so many items on: of three, one is a third. */
const FEWEST = 50

/** `25` or `5%`. Throws InputError. */
export function parseErrorLimit(given: number | string): ErrorLimit {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(String(given).trim()) ?? []
  const value = Number(digits)
  const isRight = percent === '%' ? value <= 100 : Number.isInteger(value)
  if (digits !== undefined && isRight) {
    return percent === '%' ? { kind: 'share', most: value / 100 } : { kind: 'count', most: value }
  }
  throw new InputError(
    'INPUT_OPTION',
    `label: maxErrors should be a number of items such as 25 or a share such as 5%, ${JSON.stringify(given)} came.`,
  )
}

export class ErrorCount {
  readonly #limit: ErrorLimit
  readonly #byCode = new Map<string, number>()
  #done = 0
  #failed = 0
  #last = ''

  constructor(limit: ErrorLimit) {
    this.#limit = limit
  }

  get byCode(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#byCode].sort(([, a], [, b]) => b - a))
  }

  /** One item more, with its errors. Throws CapacityError where they are too many now. */
  add(errors: readonly { readonly code: string; readonly message: string }[]): void {
    this.#done++
    if (errors.length === 0) return
    this.#failed++
    for (const { code, message } of errors) {
      this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1)
      this.#last = message
    }
    const { kind, most } = this.#limit
    const isOver =
      kind === 'count'
        ? this.#failed > most
        : this.#done >= FEWEST && this.#failed > most * this.#done
    if (!isOver) return
    throw new CapacityError(
      'CAPACITY_LABEL_ERRORS',
      `label: ${kind === 'count' ? `at most ${most}` : `at most ${100 * most} %`} of the items may fail, ${this.#failed} of ${this.#done} did (${this.#words}; the last one: ${this.#last}); mend that and run the same command with --resume, or raise --max-errors.`,
    )
  }

  get #words(): string {
    return Object.entries(this.byCode)
      .slice(0, 3)
      .map(([code, count]) => `${code} ${count}`)
      .join(', ')
  }
}
