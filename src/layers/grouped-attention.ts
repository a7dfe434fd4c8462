/** Causal attention of whole sequences in operators that have gradients: one mask, or packed samples in blocks. */
import { ShapeError } from '../core/errors.ts'
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'

/** What is added to a hidden score. Finite, so that a row that sees nothing gives numbers. */
const HIDDEN = -1e30

/** Most query rows of one block. */
const BLOCK_ROWS = 160

/** q [B, N, T, H]; k and v [B, K, S, H]. */
type Heads = { readonly q: Value; readonly k: Value; readonly v: Value }

/** softmax(q kᵀ / √H + mask) v [B, N, T, H]; mask, added, broadcasts to [B, N, T, S]. Query head n reads key head ⌊nK/N⌋. */
export function groupedAttention(g: Graph, { q, k, v }: Heads, mask: Value | null): Value {
  return g.op('GroupedAttention', [q, k, v, mask], { scale: 1 / Math.sqrt(q.shape[3] as number) })
}

/**
 * Each of `segments`, lengths that follow one another and fill T, attends causally to itself: [B, N, T, H].
 *
 * Query rows go in blocks, each with the keys up to its last row. Their size is measured: with
 * less, products get too small; with more, too much is computed that is hidden.
 */
export function segmentAttention(
  g: Graph,
  heads: Heads,
  { segments, slidingWindow }: { segments: readonly number[]; slidingWindow: number | null },
): Value {
  const total = segments.reduce((a, b) => a + b, 0)
  if (total !== heads.q.shape[2]) {
    throw new ShapeError(
      'SHAPE_SEGMENTS',
      `${g.name}: segments [${segments}] should fill T, ${heads.q.shape[2]}, but have ${total} positions.`,
    )
  }
  const masks = new Map<string, Value>()
  const parts = attentionBlocks(segments, slidingWindow).map((block) => {
    const { rows, keys } = block
    const geometry = `${rows.end - rows.start} ${keys.end - keys.start} ${rows.start - keys.start}`
    const mask = masks.get(geometry) ?? g.constant(blockMask(block, slidingWindow))
    masks.set(geometry, mask)
    const part = {
      q: sliceRows(g, heads.q, rows),
      k: sliceRows(g, heads.k, keys),
      v: sliceRows(g, heads.v, keys),
    }
    return groupedAttention(g, part, mask)
  })
  return parts.length === 1 ? (parts[0] as Value) : g.op('Concat', parts, { axis: 2 })
}

/**
 * The mask float32[B,1,T,S] of rows whose samples are told by a number: position q sees position k where both have one
 * segment, k's position is not after q's, and is nearer than the window.
 *
 * positions and segments int64[B,T]; segments null is one sample a row. keyPositions int64[B,S] where the queries are a
 * part of the sample, the keys' positions are the queries' otherwise.
 */
export function causalMask(
  g: Graph,
  {
    positions,
    keyPositions = positions,
    segments,
    slidingWindow,
  }: {
    readonly positions: Value
    readonly keyPositions?: Value
    readonly segments: Value | null
    readonly slidingWindow: number | null
  },
): Value {
  const asQuery = (x: Value) => g.op('Unsqueeze', [x], { axes: [1, 3] }) // [B, 1, T, 1]
  const asKey = (x: Value) => g.op('Unsqueeze', [x], { axes: [1, 2] }) // [B, 1, 1, S]
  const [query, key] = [asQuery(positions), asKey(keyPositions)]
  let isSeen = g.op('LessOrEqual', [key, query])
  if (slidingWindow !== null) {
    const window = g.constant(hostTensor('int64', [], BigInt64Array.of(BigInt(slidingWindow))))
    isSeen = g.op('And', [isSeen, g.op('Greater', [key, g.op('Sub', [query, window])])])
  }
  if (segments) {
    isSeen = g.op('And', [isSeen, g.op('Equal', [asQuery(segments), asKey(segments)])])
  }
  return g.op('Where', [isSeen, g.scalar(0), g.scalar(HIDDEN)])
}

/** Positions [start, end). */
type Range = { readonly start: number; readonly end: number }
type Block = { readonly rows: Range; readonly keys: Range }

/** Query rows in order, and for each block the keys that some of its rows sees. */
export function attentionBlocks(
  segments: readonly number[],
  slidingWindow: number | null,
): readonly Block[] {
  let first = 0
  return segments.flatMap((length) => {
    const count = Math.ceil(length / BLOCK_ROWS)
    const bounds = Array.from({ length: count + 1 }, (_, i) => Math.round((i * length) / count))
    const begin = first
    first += length
    return bounds.slice(1).map((bound, i) => {
      const rows = { start: begin + (bounds[i] as number), end: begin + bound }
      const nearest = slidingWindow === null ? begin : rows.start - slidingWindow + 1
      return { rows, keys: { start: Math.max(begin, nearest), end: rows.end } }
    })
  })
}

/** float32[1,1,rows,keys] */
function blockMask({ rows, keys }: Block, slidingWindow: number | null) {
  const [height, width] = [rows.end - rows.start, keys.end - keys.start]
  const data = new Float32Array(height * width)
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const distance = rows.start + i - (keys.start + j)
      const isSeen = distance >= 0 && (slidingWindow === null || distance < slidingWindow)
      data[i * width + j] = isSeen ? 0 : HIDDEN
    }
  }
  return hostTensor('float32', [1, 1, height, width], data)
}

function sliceRows(g: Graph, x: Value, { start, end }: Range): Value {
  if (start === 0 && end === x.shape[2]) return x
  return g.op('Slice', [x], { starts: [start], ends: [end], axes: [2] })
}

/** [B, T, N·H] to [B, N, T, H]. */
export function splitHeads(g: Graph, x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as readonly [Dim, Dim, number]
  const split = g.op('Reshape', [x], { shape: [batch, length, heads, width / heads] })
  return g.op('Transpose', [split], { perm: [0, 2, 1, 3] })
}

/** [B, N, T, H] to [B, T, N·H]. */
export function mergeHeads(g: Graph, x: Value): Value {
  const [batch, heads, length, width] = x.shape as readonly [Dim, number, Dim, number]
  const merged = g.op('Transpose', [x], { perm: [0, 2, 1, 3] })
  return g.op('Reshape', [merged], { shape: [batch, length, heads * width] })
}
