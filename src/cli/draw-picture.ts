/** How a picture is cut, drawn: the base tile, the picture on its grid of tiles, padding, what is kept, tokens. */
import type {
  ImageProcessor,
  ImageSize,
  ImageTokens,
  Region,
  RgbImage,
} from '../preprocess/index.ts'
import { keptOnSheet, sheetOf, type Sheet, type TileCells } from '../preprocess/picture-sheet.ts'
import { isBaseSilent, partLines, sumOf, type TokenPart } from '../preprocess/token-parts.ts'
import { drawing, line, picture, rect, roomFor, text } from './drawing.ts'

const MARGIN = 16
const LINE = 18
/** Longest side of the drawn sheet, and side of the base tile. */
const SHEET = 720
const BASE = 200
const LEGEND = 200

export type PictureDrawing = {
  readonly title: string
  readonly image: RgbImage
  readonly processor: ImageProcessor
  readonly tokens: ImageTokens
  readonly cells: TileCells
  readonly parts: readonly TokenPart[]
}

/** An SVG. */
export async function drawPicture(parts: PictureDrawing): Promise<string> {
  const { image, tokens, processor } = parts
  const sheet = sheetOf(image, processor, tokens.plan)
  const extent = extentOf(sheet)
  const scale = SHEET / Math.max(extent.width, extent.height)
  const top = MARGIN + 2 * LINE
  const left = MARGIN + (tokens.plan.hasBase ? BASE + 2 * MARGIN : 0)
  const place = placed(scale, { left: left - extent.left * scale, top: top - extent.top * scale })
  const bottom = top + Math.max(extent.height * scale, tokens.plan.hasBase ? BASE : 0)
  const facts = [...partLines(parts.parts), `together: ${sumOf(parts.parts)} tokens`]
  const legendLeft = MARGIN + Math.max(420, roomFor(facts) + MARGIN)
  const elements = [
    text([MARGIN, MARGIN + 4], parts.title, 'title'),
    ...(tokens.plan.hasBase ? await baseTile(parts, top) : []),
    text([left, top - 8], `${gridText(tokens)} of ${sizeText(processor.tile)}`, 'small'),
    ...(await sheetElements(parts, sheet, place)),
    ...facts.map((words, i) => text([MARGIN, bottom + MARGIN + (i + 1) * LINE], words)),
    ...legend(parts, [legendLeft, bottom + MARGIN + LINE]),
  ]
  const width = Math.max(
    left + extent.width * scale + MARGIN,
    legendLeft + LEGEND,
    roomFor([parts.title], 'title') + 2 * MARGIN,
  )
  return drawing(width, bottom + 2 * MARGIN + (Math.max(facts.length, 4) + 1) * LINE, elements)
}

type Place = (region: Region) => Region

function placed(scale: number, origin: { left: number; top: number }): Place {
  return ({ left, top, width, height }) => ({
    left: origin.left + left * scale,
    top: origin.top + top * scale,
    width: width * scale,
    height: height * scale,
  })
}

/** Picture and tiles together. */
function extentOf({ picture: shown, tiles }: Sheet): Region {
  const left = Math.min(0, shown.left)
  const top = Math.min(0, shown.top)
  const right = Math.max(tiles.width, shown.left + shown.width)
  const bottom = Math.max(tiles.height, shown.top + shown.height)
  return { left, top, width: right - left, height: bottom - top }
}

async function sheetElements(
  parts: PictureDrawing,
  { picture: shown, tiles }: Sheet,
  place: Place,
): Promise<string[]> {
  const whole = place({ left: 0, top: 0, ...tiles })
  const kept = keptOnSheet(parts.tokens, parts.processor.tile, parts.cells)
  return [
    rect(whole, { fill: 'url(#padding)' }),
    await picture(parts.image, place(shown)),
    ...cutOff(place(shown), whole),
    ...gridLines(parts.tokens.grid, whole),
    ...(kept === null ? [] : [rect(place(kept), KEPT)]),
  ]
}

const TILE = { fill: 'none', stroke: '#d33', 'stroke-width': 2 }
const KEPT = { fill: 'none', stroke: '#06c', 'stroke-width': 2, 'stroke-dasharray': '8 4' }
const CUT = { fill: '#fff', 'fill-opacity': 0.7 }

/** A veil over what of the picture lies outside of the tiles. */
function cutOff(shown: Region, whole: Region): string[] {
  const [right, bottom] = [whole.left + whole.width, whole.top + whole.height]
  const [shownRight, shownBottom] = [shown.left + shown.width, shown.top + shown.height]
  const sides: Region[] = [
    { ...shown, width: whole.left - shown.left },
    { ...shown, left: right, width: shownRight - right },
    { ...shown, height: whole.top - shown.top },
    { ...shown, top: bottom, height: shownBottom - bottom },
  ]
  return sides
    .filter(({ width, height }) => width > 0.5 && height > 0.5)
    .map((side) => rect(side, CUT))
}

function gridLines({ width: columns, height: rows }: ImageSize, whole: Region): string[] {
  const { left, top, width, height } = whole
  const inner = { stroke: TILE.stroke, 'stroke-width': TILE['stroke-width'] }
  const lines = [rect(whole, TILE)]
  for (let i = 1; i < columns; i++) {
    const x = left + (i * width) / columns
    lines.push(line([x, top], [x, top + height], inner))
  }
  for (let i = 1; i < rows; i++) {
    const y = top + (i * height) / rows
    lines.push(line([left, y], [left + width, y], inner))
  }
  return lines
}

/** The whole picture once more, squashed or on a square of padding. */
async function baseTile(
  { image, processor, tokens }: PictureDrawing,
  top: number,
): Promise<string[]> {
  const { tiling } = processor
  const region: Region = { left: MARGIN, top, width: BASE, height: BASE }
  const isPadded = tiling.kind === 'anyres' && tiling.base === 'pad'
  const scale = BASE / Math.max(image.width, image.height)
  const [width, height] = [image.width * scale, image.height * scale]
  const inner = {
    left: MARGIN + (BASE - width) / 2,
    top: top + (BASE - height) / 2,
    width,
    height,
  }
  const how = isPadded ? 'padded' : 'squashed'
  const silence = isBaseSilent(tokens) ? ', no token' : ''
  return [
    text([MARGIN, top - 8], `base tile, ${how} to ${sizeText(processor.tile)}${silence}`, 'small'),
    rect(region, { fill: 'url(#padding)' }),
    await picture(image, isPadded ? inner : region),
    rect(region, TILE),
  ]
}

function legend(parts: PictureDrawing, [x, y]: readonly [number, number]): string[] {
  const rows: readonly (readonly [Record<string, string | number>, string])[] = [
    [TILE, 'a tile'],
    [{ fill: 'url(#padding)' }, 'padding'],
    ...(keptOnSheet(parts.tokens, parts.processor.tile, parts.cells) === null
      ? []
      : [[KEPT, 'patches that are kept'] as const]),
  ]
  return rows.flatMap(([look, words], i) => [
    rect({ left: x, top: y + i * LINE - 11, width: 20, height: 12 }, look),
    text([x + 28, y + i * LINE], words, 'small'),
  ])
}

function gridText({ grid }: ImageTokens): string {
  const count = grid.width * grid.height
  return count === 1 ? 'one tile' : `${grid.width} × ${grid.height} tiles`
}

function sizeText({ width, height }: ImageSize): string {
  return `${width} × ${height}`
}
