/**
 * Rows made of other rows by index maps, many maps at once: the numbers that `combineRows` of a graph reads.
 *
 * Source rows are numbered through a whole batch; the newline row is the one behind them.
 */
import { NEWLINE_ROW, type RowMap } from '../sequence/arrange-image-tokens.ts'

/** How rows come out of others: each a copy, or several weighted, or the largest of several. */
export type GatherForm = {
  readonly combine: RowMap['combine']
  /** Sources of a row; 1 for copies. */
  readonly taps: number
}

export type RowGather = {
  readonly form: GatherForm
  /** M */
  readonly rows: number
  /** int64[M, taps] */
  readonly indices: BigInt64Array
  /** float32[M, taps]; null unless rows are sums. */
  readonly shares: Float32Array | null
  /** Whether some row is the newline row. */
  readonly hasNewline: boolean
}

/** A map and the number of the row that its own row 0 is. */
export type PlacedMap = { readonly map: RowMap; readonly firstRow: number }

/** One gather of all maps, in order, in the most general of their forms. */
export function gatherRows(maps: readonly PlacedMap[], newlineRow: number): RowGather {
  const kinds = new Set(maps.map(({ map }) => map.combine))
  if (kinds.has('sum') && kinds.has('max')) {
    throw new Error('internal: sums and maxima of rows cannot be one gather')
  }
  const combine = kinds.has('sum') ? 'sum' : kinds.has('max') ? 'max' : 'copy'
  const taps = Math.max(...maps.map(({ map }) => map.taps))
  const rows = maps.reduce((sum, { map }) => sum + map.rows, 0)
  const indices = new BigInt64Array(rows * taps)
  const shares = combine === 'sum' ? new Float32Array(rows * taps) : null
  let [at, hasNewline] = [0, false]
  for (const { map, firstRow } of maps) {
    for (let row = 0; row < map.rows; row++) {
      for (let tap = 0; tap < taps; tap++, at++) {
        // Room for more sources than a row has is filled with its last one: the largest of several stays the same.
        const index = map.indices[row * map.taps + Math.min(tap, map.taps - 1)] as number
        hasNewline ||= index === NEWLINE_ROW
        indices[at] = BigInt(index === NEWLINE_ROW ? newlineRow : firstRow + index)
        if (shares) shares[at] = shareOf(map, row, tap)
      }
    }
  }
  return { form: { combine, taps }, rows, indices, shares, hasNewline }
}

function shareOf({ weights, taps }: RowMap, row: number, tap: number): number {
  if (weights && tap < taps) return weights[row * taps + tap] as number
  return tap === 0 && !weights ? 1 : 0
}

/** The map of all of `count` rows as they are. */
export function wholeMap(count: number): RowMap {
  const indices = Int32Array.from({ length: count }, (_, i) => i)
  return { rows: count, taps: 1, indices, weights: null, combine: 'copy' }
}

/** First `inner` for each of several equal parts of the source, [P] rows to [k], then `outer` over all of those. */
export function composeMaps(inner: RowMap, outer: RowMap, partRows: number): RowMap {
  const { taps } = inner
  const indices = new Int32Array(outer.rows * taps)
  const weights = inner.weights ? new Float32Array(indices.length) : null
  outer.indices.forEach((index, row) => {
    const isNewline = index === NEWLINE_ROW
    const [part, cell] = [Math.floor(index / inner.rows), index % inner.rows]
    for (let tap = 0; tap < taps; tap++) {
      const from = part * partRows + (inner.indices[cell * taps + tap] as number)
      indices[row * taps + tap] = isNewline ? NEWLINE_ROW : from
      if (!weights || !inner.weights) continue
      const share = isNewline ? Number(tap === 0) : (inner.weights[cell * taps + tap] as number)
      weights[row * taps + tap] = share
    }
  })
  return { rows: outer.rows, taps, indices, weights, combine: inner.combine }
}
