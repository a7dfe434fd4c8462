/**
 * Which samples an epoch shows when sources have weights: each source its share, whatever its size.
 *
 * The first LLaVA takes its three kinds of answers in equal parts this way. A source is an endless row of random orders of
 * its samples, and every epoch takes the next piece of it: a large source is not cut down to one part for ever, a small one
 * repeats only when it is used up.
 */
import { Rng } from '../core/rng.ts'

export type WeightedSamples = {
  readonly samples: ArrayLike<number>
  /** All have one, or none. */
  readonly weight: number | null
}

/** As many samples as there are in all, source after source; without weights each of them once. */
export function drawEpoch(
  sources: readonly WeightedSamples[],
  epoch: number,
  seed: number,
): Int32Array {
  const filled = sources.filter(({ samples }) => samples.length > 0)
  const drawn = new Int32Array(filled.reduce((sum, { samples }) => sum + samples.length, 0))
  const isWeighted = filled.some(({ weight }) => weight !== null)
  const shares = isWeighted ? sharesOf(filled, drawn.length) : []
  let at = 0
  for (const [i, { samples }] of filled.entries()) {
    const share = shares[i] ?? samples.length
    const order = isWeighted ? endlessOrder(samples.length, mixSeeds(seed, i)) : (k: number) => k
    const first = isWeighted ? epoch * share : 0
    for (let k = 0; k < share; k++) drawn[at++] = samples[order(first + k)] as number
  }
  return drawn
}

/** `total` in parts as the weights say, by the largest remainders. */
function sharesOf(sources: readonly WeightedSamples[], total: number): number[] {
  const sum = sources.reduce((all, { weight }) => all + (weight ?? 0), 0)
  const exact = sources.map(({ weight }) => (total * (weight ?? 0)) / sum)
  const shares = exact.map(Math.floor)
  const rest = total - shares.reduce((all, share) => all + share, 0)
  const byRemainder = exact
    .map((value, i) => ({ i, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder)
  for (const { i } of byRemainder.slice(0, rest)) shares[i] = (shares[i] as number) + 1
  return shares
}

/** Place k of random orders of [0, length), one after another. */
function endlessOrder(length: number, seed: number): (place: number) => number {
  let [lap, order]: [number, readonly number[]] = [-1, []]
  return (place) => {
    const wanted = Math.floor(place / length)
    if (wanted !== lap) {
      lap = wanted
      order = new Rng(mixSeeds(seed, lap)).permutation(length)
    }
    return order[place % length] as number
  }
}

/** Another stream of numbers for each pair. Source of the constants: MurmurHash3's finaliser. */
export function mixSeeds(seed: number, part: number): number {
  let mixed = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b) ^ Math.imul(part + 1, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
