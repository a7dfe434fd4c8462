/**
 * Numbers between two bounds, as rules of a grammar that writes them digit by digit.
 *
 * XGrammar 0.1.27 has ranges of its own, and they let numbers out of the range and texts that are no JSON through: `1.9` for
 * 0 to 1, `0x5` for 0.5 to 0.75, `-` for integers from -5.
 *
 * A state is how many digits are written and whether they are so far those of the lower bound, those of the upper one, or
 * neither: then any digit may follow.
 */

export type Bound = { readonly value: number; readonly isOpen: boolean }

export type NumberRange = {
  readonly isInteger: boolean
  readonly least: Bound | null
  readonly most: Bound | null
}

/** Digits before the point of a number without a bound on that side, and behind the point beyond those of the bounds. */
const MOST_DIGITS = 15
const MORE_DECIMALS = 6

/** Bounds from here on are beyond what is written: a number has fewer digits anyway. */
const BEYOND = 10 ** MOST_DIGITS

/** The body of a rule for a number without bounds: what every reader of JSON takes for a finite one. */
export const ANY_NUMBER = `"-"? ("0" | [1-9] [0-9]{0,${MOST_DIGITS - 1}}) ("." [0-9]{1,${MOST_DIGITS}})? ([eE] [+-]? [0-9]{1,2})?`

/** The same of a whole number. */
export const ANY_INTEGER = `"0" | "-"? [1-9] [0-9]{0,${MOST_DIGITS - 1}}`

/** The rules of which the first, called `name`, is the number; null where none lies between the bounds that can be written. */
export function numberRules(name: string, range: NumberRange): string[] | null {
  if ((range.least?.value ?? 0) >= BEYOND || (range.most?.value ?? 0) <= -BEYOND) return null
  const { least, most } = range.isInteger ? ofIntegers(withinReach(range)) : withinReach(range)
  const rules: string[] = []
  const magnitudes = (from: Bound, to: Bound | null) =>
    new MagnitudeRules(name, { from, to, isInteger: range.isInteger, rules }).start()
  const zero = { value: 0, isOpen: false }
  const isBelowZero = most !== null && most.value < 0
  const isAboveZero = least !== null && least.value >= 0
  const positive = isBelowZero ? null : magnitudes(isAboveZero ? least : zero, most)
  const negative = isAboveZero
    ? null
    : magnitudes(
        isBelowZero ? { ...most, value: -most.value } : { value: 0, isOpen: true },
        least && { ...least, value: -least.value },
      )
  const ways = [positive, negative && `"-" ${negative}`].filter((way) => way !== null)
  return ways.length === 0 ? null : [`${name} ::= ${ways.join(' | ')}`, ...rules]
}

/** Without the bounds that no number reaches. */
function withinReach({ isInteger, least, most }: NumberRange): NumberRange {
  return {
    isInteger,
    least: least && least.value > -BEYOND ? least : null,
    most: most && most.value < BEYOND ? most : null,
  }
}

/** The same integers between bounds that are integers. */
function ofIntegers({ least, most }: NumberRange): Pick<NumberRange, 'least' | 'most'> {
  const closed = (value: number) => ({ value: value + 0, isOpen: false })
  return {
    least: least && closed(least.isOpen ? Math.floor(least.value) + 1 : Math.ceil(least.value)),
    most: most && closed(most.isOpen ? Math.ceil(most.value) - 1 : Math.floor(most.value)),
  }
}

/** Digits of a number of no sign, without zeros at either end but a single one before the point. */
type Decimal = { readonly whole: string; readonly decimals: string; readonly isOpen: boolean }

/** JavaScript's shortest digits of the number, without its exponent. */
function decimalOf({ value, isOpen }: Bound): Decimal {
  const [, first = '', rest = '', exponent = '0'] =
    /^(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential()) ?? []
  const point = Number(exponent) + 1
  const digits = `${'0'.repeat(Math.max(0, 1 - point))}${first}${rest}`
  const places = Math.max(1, point)
  const whole = digits.slice(0, places).padEnd(places, '0')
  return { whole, decimals: digits.slice(places).replace(/0+$/, ''), isOpen }
}

/** Whether the digits are still those of the lower and of the upper bound. */
type Edges = { readonly low: boolean; readonly high: boolean }
const FREE: Edges = { low: false, high: false }

class MagnitudeRules {
  readonly #name: string
  readonly #isInteger: boolean
  readonly #from: Decimal
  readonly #to: Decimal | null
  readonly #rules: string[]
  readonly #made = new Map<string, string | null>()
  readonly #mostDecimals: number

  constructor(
    name: string,
    {
      from,
      to,
      isInteger,
      rules,
    }: { from: Bound; to: Bound | null; isInteger: boolean; rules: string[] },
  ) {
    this.#name = name
    this.#isInteger = isInteger
    this.#rules = rules
    this.#from = decimalOf(from)
    this.#to = to && decimalOf(to)
    this.#mostDecimals =
      Math.max(this.#from.decimals.length, this.#to?.decimals.length ?? 0) + MORE_DECIMALS
  }

  start(): string | null {
    const shortest = this.#from.whole.length
    const longest = this.#to?.whole.length ?? MOST_DIGITS
    const lengths = Array.from(
      { length: Math.max(0, longest - shortest + 1) },
      (_, i) => shortest + i,
    )
    return this.#oneOf('start', () =>
      lengths.map((length) =>
        this.#whole(0, length, {
          low: length === shortest,
          high: this.#to !== null && length === longest,
        }),
      ),
    )
  }

  /** The digits from `at` on of `length` before the point, and what follows them. */
  #whole(at: number, length: number, edges: Edges): string | null {
    if (at === length) return this.#behindWhole(edges)
    return this.#oneOf(`whole ${at} ${length} ${edges.low} ${edges.high}`, () =>
      this.#digit(at === 0 && length > 1 ? 1 : 0, edges, {
        least: this.#from.whole[at],
        most: this.#to?.whole[at],
        next: (after) => this.#whole(at + 1, length, after),
      }),
    )
  }

  #behindWhole(edges: Edges): string | null {
    return this.#oneOf(`point ${edges.low} ${edges.high}`, () => [
      this.#mayEnd(0, edges) ? '""' : null,
      this.#isInteger ? null : followed('"."', this.#decimal(0, edges)),
    ])
  }

  /** The decimal in place `at`, and those behind it. */
  #decimal(at: number, edges: Edges): string | null {
    if (at === this.#mostDecimals) return null
    return this.#oneOf(`decimal ${at} ${edges.low} ${edges.high}`, () =>
      this.#digit(0, edges, {
        least: this.#from.decimals[at] ?? '0',
        most: this.#to?.decimals[at] ?? '0',
        next: (after) =>
          this.#oneOf(`behind ${at} ${after.low} ${after.high}`, () => [
            this.#mayEnd(at + 1, after) ? '""' : null,
            this.#decimal(at + 1, after),
          ]),
      }),
    )
  }

  /** Whether a number with so many decimals is in the range. */
  #mayEnd(decimals: number, { low, high }: Edges): boolean {
    const { from, to } = { from: this.#from, to: this.#to }
    const isEnough = !low || (decimals >= from.decimals.length && !from.isOpen)
    const isLittle = !high || to === null || decimals < to.decimals.length || !to.isOpen
    return isEnough && isLittle
  }

  /** One digit: that of the lower bound, those between, that of the upper bound, each with what may follow it. */
  #digit(
    smallest: number,
    { low, high }: Edges,
    {
      least,
      most,
      next,
    }: {
      least?: string | undefined
      most?: string | undefined
      next: (after: Edges) => string | null
    },
  ): (string | null)[] {
    const from = low ? Number(least) : smallest
    const to = high ? Number(most) : 9
    if (from > to) return []
    if (from === to) return [followed(`"${from}"`, next({ low, high }))]
    const [first, last] = [low ? from + 1 : from, high ? to - 1 : to]
    return [
      low ? followed(`"${from}"`, next({ low, high: false })) : null,
      first <= last ? followed(`[${first}-${last}]`, next(FREE)) : null,
      high ? followed(`"${to}"`, next({ low: false, high })) : null,
    ]
  }

  /** A rule of its own for a state, made once; null where nothing can be written from there. */
  #oneOf(state: string, ways: () => readonly (string | null)[]): string | null {
    const before = this.#made.get(state)
    if (before !== undefined) return before
    const open = ways().filter((way) => way !== null)
    const name = open.length === 0 ? null : `${this.#name}_${this.#rules.length}`
    if (name !== null) this.#rules.push(`${name} ::= ${open.join(' | ')}`)
    this.#made.set(state, name)
    return name
  }
}

function followed(digit: string, rest: string | null): string | null {
  return rest === null ? null : `${digit} ${rest}`
}
