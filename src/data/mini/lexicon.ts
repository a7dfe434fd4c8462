/** Which words are drawn: evenly over their lengths, and now and then letters that are no word. */
import type { Lots } from './lots.ts'

/** Draws words evenly over their lengths, and now and then letters that are no word. */
export class Lexicon {
  readonly words: readonly string[]
  readonly #lots: Lots
  readonly #length: () => number
  readonly #decks = new Map<number, () => string>()

  constructor(lots: Lots, words: readonly string[], lengths = LENGTHS) {
    this.words = words
    this.#lots = lots
    this.#length = lots.deck(lengths)
  }

  next(): string {
    const length = this.#length()
    if (length <= 2 || this.#lots.chance(0.07))
      return randomLetters(this.#lots, Math.min(length, 5))
    return this.ofLength(length)
  }

  ofLength(length: number): string {
    let deck = this.#decks.get(length)
    if (deck === undefined) {
      deck = this.#lots.deck(this.words.filter((word) => word.length === length))
      this.#decks.set(length, deck)
    }
    return deck()
  }

  /** Words that are easily taken for `word`: of its length, most letters alike first. */
  similar(word: string, count: number): string[] {
    const pool = this.words.filter((other) => other.length === word.length && other !== word)
    const alike = (other: string) => [...other].filter((letter, i) => letter === word[i]).length
    const some = this.#lots.sample(pool, 60).toSorted((a, b) => alike(b) - alike(a))
    while (some.length < count) {
      const made = randomLetters(this.#lots, word.length)
      if (made !== word && !some.includes(made)) some.push(made)
    }
    return some.slice(0, count)
  }
}

const LENGTHS: readonly number[] = [1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 8]
export const TEST_LENGTHS: readonly number[] = [3, 4, 5, 6]

/** Letters that no font here makes look like others: neither l nor i. */
function randomLetters(lots: Lots, length: number): string {
  return Array.from({ length }, () => lots.pick([...'abcdefghjkmnopqrstuvwxyz'])).join('')
}
