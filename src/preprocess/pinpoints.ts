/**
 * Lists of AnyRes grids in all the ways checkpoints write them.
 *
 *   [[336, 672], …]          pairs: (width, height) in the original layout, (height, width) in transformers'
 *   "[(336, 672), …]"        the same as text
 *   "(1x1),...,(6x6)"        all whole multiples of the tile from the first pair to the last, width outside
 *   "blog2024"               seven grids of the blog post of LLaVA-NeXT, up to four tiles in a row
 *   "1.5-hd"                 the fourteen grids of at most six tiles of LLaVA-1.5-HD
 *
 * Order matters: it decides ties.
 */
import { ConfigError } from '../core/errors.ts'
import { isSize, type ImageSize } from './image.ts'

/** Width and height in tiles. */
const NAMED: { readonly [name: string]: readonly (readonly [number, number])[] } = {
  blog2024: [
    [2, 2],
    [1, 2],
    [1, 3],
    [1, 4],
    [2, 1],
    [3, 1],
    [4, 1],
  ],
  '1.5-hd': gridsUpTo(6),
}

/**
 * The grids as sizes in pixels, in the order that decides ties.
 *
 * tileSize: side of a tile in pixels. Throws ConfigError CONFIG_PINPOINTS for anything that is not such a list.
 */
export function parsePinpoints(
  value: unknown,
  tileSize: number,
  layout: 'original' | 'hf',
): readonly ImageSize[] {
  const points = readPoints(value, tileSize, layout)
  const isUsable = ({ size }: Point) =>
    isSize(size) && size.width % tileSize === 0 && size.height % tileSize === 0
  const wrong = points.findIndex((point) => !isUsable(point))
  if (points.length > 0 && wrong < 0) return points.map(({ size }) => size)
  const text = (JSON.stringify(value) ?? 'nothing').slice(0, 120)
  const which =
    wrong < 0 ? '' : `, of which number ${wrong + 1}, ${points[wrong]?.text.slice(0, 60)}, is none`
  throw new ConfigError(
    'CONFIG_PINPOINTS',
    `image_grid_pinpoints: expected pairs of multiples of the tile's side ${tileSize}, "(1x1),...,(6x6)" of at most ` +
      `${MAX_SIDE_TILES} tiles a side, or one of ${Object.keys(NAMED).join(', ')}, came ${text}${which}; ` +
      `correct the checkpoint's config.`,
  )
}

/** A grid as it was read, NaN where it could not be, and as it is written. */
type Point = { readonly size: ImageSize; readonly text: string }

function readPoints(value: unknown, tileSize: number, layout: 'original' | 'hf'): Point[] {
  if (typeof value === 'string') {
    const named = Object.hasOwn(NAMED, value) ? NAMED[value] : undefined
    if (named) return named.map(([x, y]) => inTiles(x, y, tileSize))
    if (/\dx\d/.test(value)) return readRange(value, tileSize)
    return pieces(value, BRACKETS).map((text) => toPoint(numbersOf(text, PAIR), text, layout))
  }
  if (!Array.isArray(value)) return []
  return value.map((pair) => {
    const isPair = Array.isArray(pair) && pair.every((side) => typeof side === 'number')
    return toPoint(isPair ? (pair as number[]) : [], JSON.stringify(pair) ?? 'nothing', layout)
  })
}

const PAIR = /^[[(]\s*(\d+)\s*,\s*(\d+)\s*,?\s*[\])]$/
const TILES = /^\((\d+)x(\d+)\)$/
/** What is no pair and may stand between them: of a list, and of a range. */
const BRACKETS = /^[\s,[\]()]*$/
const DOTS = /^[\s,.]*$/

/** The pairs of a text one by one, and whatever else is in it that may not be. */
function pieces(text: string, between: RegExp): string[] {
  return text
    .split(/([[(][^[\]()]*[\])])/)
    .map((piece) => piece.trim())
    .filter((piece, i) => i % 2 === 1 || !between.test(piece))
}

function numbersOf(text: string, form: RegExp): number[] {
  return (form.exec(text) ?? []).slice(1).map(Number)
}

function toPoint(pair: readonly number[], text: string, layout: 'original' | 'hf'): Point {
  const [first = NaN, second = NaN] = pair.length === 2 ? pair : []
  const [width, height] = layout === 'original' ? [first, second] : [second, first]
  return { size: { width, height }, text }
}

function inTiles(x: number, y: number, tileSize: number): Point {
  return { size: { width: x * tileSize, height: y * tileSize }, text: `(${x}x${y})` }
}

/** From the first pair to the last, as the original reads it, which passes over what is between. */
function readRange(text: string, tileSize: number): Point[] {
  const corners = pieces(text, DOTS).map((piece) => {
    const [x = NaN, y = NaN] = numbersOf(piece, TILES)
    const isRead = x >= 1 && y >= 1 && x <= MAX_SIDE_TILES && y <= MAX_SIDE_TILES
    return { x, y, point: { ...inTiles(isRead ? x : NaN, y, tileSize), text: piece }, isRead }
  })
  if (corners.some(({ isRead }) => !isRead)) return corners.map(({ point }) => point)
  const [first, last] = [corners.at(0), corners.at(-1)]
  if (!first || !last) return []
  const points: Point[] = []
  for (let x = first.x; x <= last.x; x++) {
    for (let y = first.y; y <= last.y; y++) points.push(inTiles(x, y, tileSize))
  }
  return points
}

/** A range in a hostile config must not become a list of millions. */
const MAX_SIDE_TILES = 64

function gridsUpTo(tiles: number): [number, number][] {
  const grids: [number, number][] = []
  for (let x = 1; x <= tiles; x++) {
    for (let y = 1; x * y <= tiles; y++) grids.push([x, y])
  }
  return grids
}
