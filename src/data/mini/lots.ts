/** Seeded draws for the builders: every builder and every split has a stream of its own, named by a text. */
import { Rng } from '../../core/rng.ts'

export class Lots {
  readonly #name: string
  readonly #rng: Rng

  constructor(name: string) {
    this.#name = name
    this.#rng = new Rng(hashText(name))
  }

  /** A stream that does not depend on how much was drawn from this one. */
  fork(name: string): Lots {
    return new Lots(`${this.#name}/${name}`)
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.#rng.uniform()
  }

  /** A whole number, both ends included. */
  integer(low: number, high: number): number {
    return low + this.#rng.integer(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.#rng.uniform() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.#rng.integer(items.length)] as T
  }

  shuffle<T>(items: readonly T[]): T[] {
    return this.#rng.permutation(items.length).map((i) => items[i] as T)
  }

  /** `count` different items, all of them where there are not so many. */
  sample<T>(items: readonly T[], count: number): T[] {
    return this.shuffle(items).slice(0, count)
  }

  /** Draws every item once before any comes again, so that long runs are balanced exactly. */
  deck<T>(items: readonly T[]): () => T {
    let rest: T[] = []
    return () => {
      if (rest.length === 0) rest = this.shuffle(items)
      return rest.pop() as T
    }
  }
}

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}
