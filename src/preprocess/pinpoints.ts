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
  const isUsable = (point: ImageSize) =>
    isSize(point) && point.width % tileSize === 0 && point.height % tileSize === 0
  const wrong = points.findIndex((point) => !isUsable(point))
  if (points.length > 0 && wrong < 0) return points
  const text = JSON.stringify(value) ?? 'nothing'
  const which = wrong < 0 ? '' : `, of which number ${wrong + 1} is none`
  throw new ConfigError(
    'CONFIG_PINPOINTS',
    `image_grid_pinpoints: expected pairs of multiples of the tile's side ${tileSize}, "(1x1),...,(6x6)" or one of ` +
      `${Object.keys(NAMED).join(', ')}, came ${text.slice(0, 120)}${which}; correct the checkpoint's config.`,
  )
}

function readPoints(value: unknown, tileSize: number, layout: 'original' | 'hf'): ImageSize[] {
  if (typeof value === 'string') {
    const named = Object.hasOwn(NAMED, value) ? NAMED[value] : undefined
    if (named) return named.map(([x, y]) => ({ width: x * tileSize, height: y * tileSize }))
    if (value.includes('x')) return readRange(value, tileSize)
    const pairs = [...value.matchAll(/[[(]\s*(\d+)\s*,\s*(\d+)\s*[\])]/g)]
    return pairs.map((pair) => toSize([Number(pair[1]), Number(pair[2])], layout))
  }
  if (!Array.isArray(value)) return []
  return value.map((pair) => toSize(Array.isArray(pair) ? pair : [], layout))
}

function toSize(pair: readonly unknown[], layout: 'original' | 'hf'): ImageSize {
  const [first, second] = pair.length === 2 ? pair.map(Number) : []
  const [width, height] = layout === 'original' ? [first, second] : [second, first]
  return { width: width ?? NaN, height: height ?? NaN }
}

function readRange(text: string, tileSize: number): ImageSize[] {
  const pairs = [...text.matchAll(/\((\d+)x(\d+)\)/g)]
  const first = pairs.at(0)
  const last = pairs.at(-1)
  if (!first || !last) return []
  const [x0, y0, x1, y1] = [first[1], first[2], last[1], last[2]].map(Number) as number[]
  const points: ImageSize[] = []
  for (let x = x0 as number; x <= Math.min(x1 as number, MAX_SIDE_TILES); x++) {
    for (let y = y0 as number; y <= Math.min(y1 as number, MAX_SIDE_TILES); y++) {
      points.push({ width: x * tileSize, height: y * tileSize })
    }
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
