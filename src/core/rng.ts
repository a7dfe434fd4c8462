/**
 * A small seeded generator, so that sampling, shuffles and initial weights repeat.
 *
 * xoshiro128** seeded by splitmix32. Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * ACM TOMS 47 (2021). The state is four integers, so that it can be stored in a checkpoint.
 */
export type RngState = readonly [number, number, number, number]

export class Rng {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number | RngState) {
    if (typeof seed === 'number') {
      const next = splitmix32(seed)
      ;[this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next()]
    } else {
      ;[this.#a, this.#b, this.#c, this.#d] = seed
    }
  }

  get state(): RngState {
    return [this.#a, this.#b, this.#c, this.#d]
  }

  /** A uniform integer in [0, 2^32). */
  nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = rotateLeft(this.#d, 11)
    return result
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.nextUint32() >>> 5) * 67108864 + (this.nextUint32() >>> 6)) / 9007199254740992
  }

  /** A uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound)
  }

  /** A standard normal number (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }

  /** A random order of [0, count) (Fisher and Yates). */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      ;[order[i], order[j]] = [order[j] as number, order[i] as number]
    }
    return order
  }
}

function splitmix32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return z ^ (z >>> 15)
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
