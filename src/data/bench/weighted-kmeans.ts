/**
 * k-means where points weigh differently: centres are drawn to what weighs most.
 *
 *   minimise Σ_i w_i ‖x_i − c_{a(i)}‖²
 *
 * Begun by k-means++ with the same weights, then Lloyd's steps until no point changes its centre. The same seed gives the same
 * clusters. Source: Arthur and Vassilvitskii, "k-means++" (SODA 2007); Lloyd, IEEE Trans. Inf. Theory 28 (1982).
 */
import type { Rng } from '../../core/rng.ts'

export type Clusters = {
  readonly centres: readonly Float64Array[]
  /** The centre of each point. */
  readonly assigned: Int32Array
  /** Squared distance of each point to it. */
  readonly distances: Float64Array
}

const MOST_STEPS = 50

/** points [n][D]; `weights` from 0. Fewer distinct points than `k` give fewer clusters. */
export function weightedKMeans(
  points: readonly Float32Array[],
  weights: readonly number[],
  { k, rng }: { readonly k: number; readonly rng: Rng },
): Clusters {
  let centres = firstCentres(points, weights, { k, rng })
  let assigned = new Int32Array(points.length).fill(-1)
  let distances = new Float64Array(points.length)
  for (let step = 0; step < MOST_STEPS; step++) {
    const next = assign(points, centres)
    const isSame = next.assigned.every((centre, i) => centre === assigned[i])
    assigned = next.assigned
    distances = next.distances
    if (isSame) break
    centres = meanCentres(points, weights, { assigned, centres })
  }
  return { centres, assigned, distances }
}

function firstCentres(
  points: readonly Float32Array[],
  weights: readonly number[],
  { k, rng }: { readonly k: number; readonly rng: Rng },
): Float64Array[] {
  const centres: Float64Array[] = []
  const nearest = new Float64Array(points.length).fill(Number.POSITIVE_INFINITY)
  while (centres.length < Math.min(k, points.length)) {
    const chances = points.map((_, i) => {
      const distance = centres.length === 0 ? 1 : (nearest[i] as number)
      return distance * weightOf(weights, i)
    })
    const i = draw(chances, rng)
    if (i === null) break
    const centre = Float64Array.from(points[i] as Float32Array)
    centres.push(centre)
    points.forEach((point, j) => {
      nearest[j] = Math.min(nearest[j] as number, squaredDistance(point, centre))
    })
  }
  return centres
}

/** A point that weighs nothing is still a point. */
function weightOf(weights: readonly number[], i: number): number {
  return Math.max(1e-3, weights[i] ?? 1)
}

/** By chance; null where nothing has one. */
function draw(chances: readonly number[], rng: Rng): number | null {
  const total = chances.reduce((sum, chance) => sum + chance, 0)
  if (!(total > 0)) return null
  let left = rng.uniform() * total
  let last = 0
  for (const [i, chance] of chances.entries()) {
    if (chance <= 0) continue
    last = i
    left -= chance
    if (left < 0) return i
  }
  return last
}

function assign(points: readonly Float32Array[], centres: readonly Float64Array[]) {
  const assigned = new Int32Array(points.length)
  const distances = new Float64Array(points.length)
  points.forEach((point, i) => {
    let best = Number.POSITIVE_INFINITY
    centres.forEach((centre, c) => {
      const distance = squaredDistance(point, centre)
      if (distance >= best) return
      best = distance
      assigned[i] = c
    })
    distances[i] = best
  })
  return { assigned, distances }
}

/** A centre that lost its points stays where it is. */
function meanCentres(
  points: readonly Float32Array[],
  weights: readonly number[],
  {
    assigned,
    centres,
  }: { readonly assigned: Int32Array; readonly centres: readonly Float64Array[] },
): Float64Array[] {
  const sums = centres.map((centre) => new Float64Array(centre.length))
  const totals = new Float64Array(centres.length)
  points.forEach((point, i) => {
    const c = assigned[i] as number
    const weight = weightOf(weights, i)
    const sum = sums[c] as Float64Array
    totals[c] = (totals[c] as number) + weight
    for (let d = 0; d < point.length; d++) {
      sum[d] = (sum[d] as number) + weight * (point[d] as number)
    }
  })
  return sums.map((sum, c) => {
    const total = totals[c] as number
    return total > 0 ? sum.map((value) => value / total) : (centres[c] as Float64Array)
  })
}

export function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let d = 0; d < a.length; d++) sum += ((a[d] as number) - (b[d] as number)) ** 2
  return sum
}
