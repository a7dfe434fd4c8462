/** Random numbers of one answer: they depend on the request's seed and the answer's number, never on what else runs. */
import { Rng } from '../core/rng.ts'

/**
 * The generator of answer `index` (from 0) of a request with `seed`, any whole number of 53 bits.
 *
 * All bits of seed and index go through the finaliser of MurmurHash3 one after another, so that neighbouring seeds and
 * answers share nothing.
 */
export function sampleRng(seed: number, index: number): Rng {
  const low = seed | 0
  const high = Math.floor(seed / 2 ** 32) | 0
  return new Rng(mixBits(mixBits(mixBits(low) ^ high) ^ index))
}

/** MurmurHash3's 32-bit finaliser, moved off its fixed point at 0. */
function mixBits(value: number): number {
  let bits = (value + 0x9e3779b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}
