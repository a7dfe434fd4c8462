/**
 * Which samples an epoch shows when sources have weights: each source its share, whatever its size.
 *
 * The first LLaVA takes its three kinds of answers in equal parts this way. A source is an endless row of random orders of
 * its samples, and every epoch takes the next piece of it: a large source is not cut down to one part for ever, a small one
 * repeats only when it is used up.
 */
import { Rng } from '../core/rng.ts'

/** Samples [start, start + length) of one source. */
export type WeightedSource = {
  readonly start: number
  readonly length: number
  readonly weight: number | null
}

/** As many samples as there are in all, source after source; without weights each of them once. */
export function drawEpoch(
  sources: readonly WeightedSource[],
  epoch: number,
  seed: number,
): Int32Array {
  const filled = sources.filter(({ length }) => length > 0)
  const total = filled.reduce((sum, { length }) => sum + length, 0)
  if (filled.every(({ weight }) => weight === null)) {
    return Int32Array.from(filled.flatMap(({ start, length }) => range(start, length)))
  }
  const drawn = new Int32Array(total)
  let at = 0
  for (const [i, share] of sharesOf(filled, total).entries()) {
    const { start, length } = filled[i] as WeightedSource
    const order = endlessOrder(length, mixSeeds(seed, i))
    for (let k = 0; k < share; k++) drawn[at++] = start + order(epoch * share + k)
  }
  return drawn
}

/** `total` in parts as the weights say, by the largest remainders. */
function sharesOf(sources: readonly WeightedSource[], total: number): number[] {
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

function range(start: number, length: number): number[] {
  return Array.from({ length }, (_, i) => start + i)
}
