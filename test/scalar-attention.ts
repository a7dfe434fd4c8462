/** Causal attention as the formula says it, number by number: what fused operators are compared with. */

export type ScalarHeads = {
  /** [T, N·H] */
  readonly q: Float32Array
  /** [S, K·H], the last T rows belonging to q's */
  readonly k: Float32Array
  readonly v: Float32Array
}

export type ScalarShape = {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  /** Query i sees the keys of positions (i − slidingWindow, i]; null sees all before. */
  readonly slidingWindow?: number | null
  readonly isCausal?: boolean
}

/** softmax(q kᵀ / √H) v [T, N·H], in float64. Query head n reads key head ⌊nK/N⌋. */
export function scalarAttention({ q, k, v }: ScalarHeads, shape: ScalarShape): Float32Array {
  const { numHeads, numKvHeads, headDim, slidingWindow = null, isCausal = true } = shape
  const [width, kvWidth] = [numHeads * headDim, numKvHeads * headDim]
  const [length, keys] = [q.length / width, k.length / kvWidth]
  const result = new Float32Array(q.length)
  for (let t = 0; t < length; t++) {
    const position = keys - length + t
    const isSeen = (s: number) =>
      !isCausal || (s <= position && (slidingWindow === null || s > position - slidingWindow))
    for (let n = 0; n < numHeads; n++) {
      const kvHead = Math.floor((n * numKvHeads) / numHeads)
      const query = q.subarray(t * width + n * headDim, t * width + (n + 1) * headDim)
      const scores = Array.from({ length: keys }, (_, s) =>
        isSeen(s) ? dot(query, k, s * kvWidth + kvHead * headDim) / Math.sqrt(headDim) : -Infinity,
      )
      const largest = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - largest))
      const total = weights.reduce((a, b) => a + b, 0)
      for (let h = 0; h < headDim; h++) {
        result[t * width + n * headDim + h] = weights.reduce(
          (sum, weight, s) => sum + (weight / total) * v[s * kvWidth + kvHead * headDim + h]!,
          0,
        )
      }
    }
  }
  return result
}

function dot(a: Float32Array, b: Float32Array, from: number): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[from + i]!
  return sum
}

/** Rotates the halves of each head of x [T, heads·H] by its position, in float64. Source: arXiv:2104.09864. */
export function scalarRotary(
  x: Float32Array,
  shape: { readonly headDim: number; readonly heads: number; readonly theta: number },
  firstPosition = 0,
): Float32Array {
  const { headDim, heads, theta } = shape
  const result = new Float32Array(x.length)
  const half = headDim / 2
  for (let head = 0; head * headDim < x.length; head++) {
    const position = firstPosition + Math.floor(head / heads)
    for (let i = 0; i < half; i++) {
      const angle = position * theta ** (-i / half)
      const [a, b] = [x[head * headDim + i]!, x[head * headDim + half + i]!]
      result[head * headDim + i] = a * Math.cos(angle) - b * Math.sin(angle)
      result[head * headDim + half + i] = b * Math.cos(angle) + a * Math.sin(angle)
    }
  }
  return result
}
