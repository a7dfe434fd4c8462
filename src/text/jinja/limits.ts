/**
 * Bounds on what one rendering may spend, so that a hostile template ends instead of hanging.
 *
 * Every evaluated node costs a step; an operation over a text or list costs steps for its length as well; whatever makes
 * a value larger than its inputs asks first. A real chat template uses some thousands of steps.
 */
import { fail } from './failure.ts'

export interface TemplateLimits {
  /** Evaluated nodes and 64-character portions of work. */
  readonly steps: number
  /** Characters (or 8-byte elements, counted as 8) of one value, and of the output. */
  readonly characters: number
  /** Nested expressions, blocks and macro calls. */
  readonly depth: number
}

export const DEFAULT_LIMITS: TemplateLimits = { steps: 2_000_000, characters: 1 << 24, depth: 400 }

/** Whole integers a template may make: more bits than any id or count has, too few to stall on. */
const MAX_INTEGER_BITS = 16_384

export class Budget {
  #steps: number
  #characters: number
  #depth: number
  readonly #limits: TemplateLimits

  constructor(limits: TemplateLimits) {
    this.#limits = limits
    this.#steps = limits.steps
    // In total eight times one value's bound: garbage is collected late, and ropes hide their cost.
    this.#characters = limits.characters * 8
    this.#depth = limits.depth
  }

  step(count = 1): void {
    this.#steps -= count
    if (this.#steps < 0) {
      fail('Limit', `it takes more than ${this.#limits.steps} steps (limits.steps)`)
    }
  }

  /** Asks for a value of `count` characters before it is made. */
  allocate(count: number): void {
    this.#characters -= count
    if (count > this.#limits.characters || this.#characters < 0) {
      fail('Limit', `it makes more than ${this.#limits.characters} characters (limits.characters)`)
    }
    this.step(count / 256)
  }

  /** A text of `length` is read from end to end. */
  read(length: number): void {
    this.step(length / 64)
  }

  /** `needle` is looked for in `hay`; the engine's worst case is the product of their lengths. */
  search(hay: string, needle: string): void {
    this.step((hay.length * Math.max(needle.length, 1)) / 64)
  }

  integer(bits: number): void {
    if (bits > MAX_INTEGER_BITS) fail('Limit', `it makes an integer of ${bits} bits`)
  }

  enter(): void {
    if (--this.#depth < 0) {
      fail('Limit', `it nests deeper than ${this.#limits.depth} levels (limits.depth)`)
    }
  }

  leave(): void {
    this.#depth++
  }
}
