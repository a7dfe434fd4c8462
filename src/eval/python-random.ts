/**
 * Python's generator, for scorers whose official script draws: MT19937 as `random.seed(n)` sets it up, and the whole numbers
 * that `random.choice` takes from it.
 *
 * Source: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998); CPython 3.11 Modules/_randommodule.c and Lib/random.py.
 */
const SIZE = 624
const SHIFT = 397

export class PythonRandom {
  readonly #state = new Uint32Array(SIZE)
  #next = SIZE

  /** `seed` is a whole number from 0 to 2³² − 1. */
  constructor(seed: number) {
    const state = this.#state
    fill(state, 19650218)
    for (let k = SIZE, i = 1; k > 0; k--) {
      state[i] = (at(state, i) ^ Math.imul(mixed(state, i), 1664525)) + (seed >>> 0)
      i = advance(state, i)
    }
    for (let k = SIZE - 1, i = 2; k > 0; k--) {
      state[i] = (at(state, i) ^ Math.imul(mixed(state, i), 1566083941)) - i
      i = advance(state, i)
    }
    state[0] = 0x80000000
  }

  /** A uniform whole number below `bound`: `random.choice(options)` is the option of this place. */
  integer(bound: number): number {
    const bits = 32 - Math.clz32(bound)
    let drawn = this.#uint32() >>> (32 - bits)
    while (drawn >= bound) drawn = this.#uint32() >>> (32 - bits)
    return drawn
  }

  #uint32(): number {
    if (this.#next === SIZE) this.#twist()
    let y = at(this.#state, this.#next++)
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  #twist(): void {
    const state = this.#state
    for (let i = 0; i < SIZE; i++) {
      const y = (at(state, i) & 0x80000000) | (at(state, (i + 1) % SIZE) & 0x7fffffff)
      state[i] = at(state, (i + SHIFT) % SIZE) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    }
    this.#next = 0
  }
}

function fill(state: Uint32Array, seed: number): void {
  state[0] = seed
  for (let i = 1; i < SIZE; i++) state[i] = Math.imul(mixed(state, i), 1812433253) + i
}

/** The word before `i` with its high bits folded in. */
function mixed(state: Uint32Array, i: number): number {
  const before = at(state, i - 1)
  return before ^ (before >>> 30)
}

/** The next place; past the end the last word becomes the first. */
function advance(state: Uint32Array, i: number): number {
  if (i + 1 < SIZE) return i + 1
  state[0] = at(state, SIZE - 1)
  return 1
}

function at(state: Uint32Array, i: number): number {
  return state[i] as number
}
