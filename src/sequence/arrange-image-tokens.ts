/**
 * A picture's token accounting as an index map: which rows of the projector's output become its rows in the prompt.
 *
 * Serving copies rows by the map, training gathers by it in a graph, so both merge alike. Rows of the source are those
 * of all tiles one after another, [I·P]; −1 is the newline row.
 * Source: LLaVA-VL/LLaVA-NeXT `llava/model/llava_arch.py` at df17966, `prepare_inputs_labels_for_multimodal`.
 */
import type { ImageTokens, TokenMap } from '../preprocess/image-tokens.ts'

export const NEWLINE_ROW = -1

/** Row r of the prompt is Σ_j weights[r,j] · source[indices[r,j]], or the maximum over j. */
export type RowMap = {
  /** R */
  readonly rows: number
  /** Sources of each row: 1 for a copy, 4 where the map is interpolated or pooled. */
  readonly taps: number
  /** int32[R, taps] */
  readonly indices: Int32Array
  /** float32[R, taps]; null: every row is a copy or a maximum. */
  readonly weights: Float32Array | null
  readonly combine: 'copy' | 'sum' | 'max'
}

/** P patches of a tile are `patchesPerSide`², or `rowsPerTile` where a tile has other rows (a kept class token). */
export function arrangeImageTokens(
  tokens: ImageTokens,
  {
    patchesPerSide,
    rowsPerTile,
  }: { readonly patchesPerSide: number; readonly rowsPerTile: number },
): RowMap {
  if (tokens.map === null) return plainRows(tokens, rowsPerTile)
  const taps = tokens.map.pooling === 'none' ? 1 : 4
  const writer = new RowWriter(tokens.tokens, taps)
  for (let row = 0; row < tokens.leading; row++) writer.copy(row)
  const cells = new CellIndex(tokens, tokens.map, { patchesPerSide, rowsPerTile })
  MAPS[tokens.map.pooling](cells, writer, tokens.newline === 'rows')
  return writer.finish(tokens.map.pooling)
}

/** Without a map: the leading rows as they come. A tile has as many rows as the tower gives. */
function plainRows(tokens: ImageTokens, rowsPerTile: number): RowMap {
  const count = tokens.tiles * rowsPerTile
  const rows = count + (tokens.newline === 'end' ? 1 : 0)
  const indices = Int32Array.from({ length: rows }, (_, i) => (i < count ? i : NEWLINE_ROW))
  return { rows, taps: 1, indices, weights: null, combine: 'copy' }
}

/** Finds the source row of a cell of the kept map. */
class CellIndex {
  readonly map: TokenMap
  readonly #gridWidth: number
  readonly #side: number
  readonly #rowsPerTile: number

  constructor(
    tokens: ImageTokens,
    map: TokenMap,
    size: { patchesPerSide: number; rowsPerTile: number },
  ) {
    this.map = map
    this.#gridWidth = tokens.grid.width
    this.#side = size.patchesPerSide
    this.#rowsPerTile = size.rowsPerTile
  }

  at(x: number, y: number): number {
    const side = this.#side
    const column = x + this.map.kept.left
    const row = y + this.map.kept.top
    const tile =
      this.map.firstTile + Math.floor(row / side) * this.#gridWidth + Math.floor(column / side)
    return tile * this.#rowsPerTile + (row % side) * side + (column % side)
  }
}

type MapWriter = (cells: CellIndex, writer: RowWriter, isEnded: boolean) => void

/** Writes all cells of a map, row by row, a newline behind each row if it has them. */
const MAPS: { readonly [K in TokenMap['pooling']]: MapWriter } = {
  none(cells, writer, isEnded) {
    const { width, height } = cells.map.size
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) writer.copy(cells.at(x, y))
      if (isEnded) writer.copy(NEWLINE_ROW)
    }
  },
  max(cells, writer, isEnded) {
    const { width, height } = cells.map.size
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let i = 0; i < 4; i++) writer.tap(cells.at(2 * x + (i & 1), 2 * y + (i >> 1)), 1)
      }
      if (isEnded) writer.copy(NEWLINE_ROW)
    }
  },
  bilinear(cells, writer, isEnded) {
    const { kept, size } = cells.map
    const columns = axisNeighbours(kept.width, size.width)
    for (const [top, bottom, alongY] of axisNeighbours(kept.height, size.height)) {
      for (const [left, right, alongX] of columns) {
        writer.tap(cells.at(left, top), (1 - alongX) * (1 - alongY))
        writer.tap(cells.at(right, top), alongX * (1 - alongY))
        writer.tap(cells.at(left, bottom), (1 - alongX) * alongY)
        writer.tap(cells.at(right, bottom), alongX * alongY)
      }
      if (isEnded) writer.copy(NEWLINE_ROW)
    }
  },
}

function axisNeighbours(from: number, to: number): [number, number, number][] {
  return Array.from({ length: to }, (_, i) => neighbours(i, from, to))
}

/**
 * The two cells that output cell `i` lies between, and how far along: corners not aligned, borders repeated.
 * Source: torch `interpolate(mode='bilinear', align_corners=False)`, whose positions are float32.
 */
export function neighbours(i: number, from: number, to: number): [number, number, number] {
  const scale = Math.fround(from / to)
  const position = Math.max(0, Math.fround(Math.fround(scale * Math.fround(i + 0.5)) - 0.5))
  const first = Math.min(Math.floor(position), from - 1)
  return [first, Math.min(first + 1, from - 1), Math.fround(position - first)]
}

class RowWriter {
  readonly #taps: number
  readonly #indices: Int32Array
  readonly #weights: Float32Array
  #next = 0

  constructor(rows: number, taps: number) {
    this.#taps = taps
    this.#indices = new Int32Array(rows * taps)
    this.#weights = new Float32Array(rows * taps)
  }

  /** A row that is one of the source, whatever the others are. */
  copy(index: number): void {
    this.#indices.fill(index, this.#next, this.#next + this.#taps)
    this.#weights[this.#next] = 1
    this.#next += this.#taps
  }

  /** One of the sources of a row. */
  tap(index: number, weight: number): void {
    this.#indices[this.#next] = index
    this.#weights[this.#next] = weight
    this.#next++
  }

  finish(pooling: TokenMap['pooling']): RowMap {
    const combine = { none: 'copy', max: 'max', bilinear: 'sum' } as const
    return {
      rows: this.#next / this.#taps,
      taps: this.#taps,
      indices: this.#indices,
      weights: pooling === 'bilinear' ? this.#weights : null,
      combine: combine[pooling],
    }
  }
}
