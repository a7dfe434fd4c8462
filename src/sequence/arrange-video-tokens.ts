/**
 * A clip's token accounting as index maps: one pools the rows of a frame, one puts the pooled frames and newline rows in
 * order.
 *
 * They are two because a frame is pooled as soon as it is encoded, so that a long clip never lies in memory unpooled, and
 * because some models pool what the tower gives and others what the projector gives.
 */
import type { VideoTokenConfig, VideoTokens } from '../preprocess/video-tokens.ts'
import { NEWLINE_ROW, neighbours, type RowMap } from './arrange-image-tokens.ts'

export type VideoRowMaps = {
  /** [P] rows of one frame to [k²]; null: all of them, as they are. */
  readonly pool: RowMap | null
  /** [F·k²] rows of all frames, one after another, to [R]. */
  readonly rows: RowMap
}

export function arrangeVideoTokens(tokens: VideoTokens, config: VideoTokenConfig): VideoRowMaps {
  return { pool: poolFrame(tokens, config), rows: orderFrames(tokens) }
}

function orderFrames({ tokens, frames, frameRows, side, newline }: VideoTokens): RowMap {
  const indices = new Int32Array(tokens).fill(NEWLINE_ROW)
  const run = newline === 'rows' ? (side ?? frameRows) : frameRows
  const step = newline === 'rows' || newline === 'frames' ? run + 1 : run
  for (let row = 0; row < frames * frameRows; row++) {
    indices[Math.floor(row / run) * step + (row % run)] = row
  }
  return { rows: tokens, taps: 1, indices, weights: null, combine: 'copy' }
}

function poolFrame({ side }: VideoTokens, config: VideoTokenConfig): RowMap | null {
  const { pooling, patchesPerSide } = config
  if (pooling.mode === 'none' || side === null) return null
  if (pooling.mode === 'bilinear') return interpolate(patchesPerSide, side)
  return poolSquares(patchesPerSide, side, pooling)
}

/** Cell (x, y) is the average or maximum of patches [x·s, x·s + s) × [y·s, y·s + s). */
function poolSquares(
  patchesPerSide: number,
  side: number,
  { mode, stride }: { readonly mode: 'average' | 'max'; readonly stride: number },
): RowMap {
  const taps = stride * stride
  const indices = Int32Array.from({ length: side * side * taps }, (_, i) => {
    const [cell, tap] = [Math.floor(i / taps), i % taps]
    const x = (cell % side) * stride + (tap % stride)
    const y = Math.floor(cell / side) * stride + Math.floor(tap / stride)
    return y * patchesPerSide + x
  })
  const rows = side * side
  if (mode === 'max') return { rows, taps, indices, weights: null, combine: 'max' }
  return {
    rows,
    taps,
    indices,
    weights: new Float32Array(rows * taps).fill(1 / taps),
    combine: 'sum',
  }
}

function interpolate(from: number, to: number): RowMap {
  const rows = to * to
  const indices = new Int32Array(rows * 4)
  const weights = new Float32Array(rows * 4)
  for (let y = 0; y < to; y++) {
    const [top, bottom, alongY] = neighbours(y, from, to)
    for (let x = 0; x < to; x++) {
      const [left, right, alongX] = neighbours(x, from, to)
      const at = (y * to + x) * 4
      indices.set(
        [top, bottom].flatMap((row) => [row * from + left, row * from + right]),
        at,
      )
      weights.set(
        [1 - alongY, alongY].flatMap((part) => [part * (1 - alongX), part * alongX]),
        at,
      )
    }
  }
  return { rows, taps: 4, indices, weights, combine: 'sum' }
}
