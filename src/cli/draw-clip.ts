/** The frames that are taken of a clip, drawn as the tower sees them, with their times and tokens. */
import type { RgbImage } from '../preprocess/index.ts'
import { partLines, sumOf, type TokenPart } from '../preprocess/token-parts.ts'
import { drawing, picture, rect, roomFor, text } from './drawing.ts'

const MARGIN = 16
const LINE = 18
const FRAME = 150
const COLUMNS = 6

export type DrawnFrame = {
  readonly image: RgbImage
  readonly frame: number
  readonly time: number
  readonly tokens: number
}

/** An SVG. */
export async function drawClip(
  title: string,
  frames: AsyncIterable<DrawnFrame>,
  parts: readonly TokenPart[],
): Promise<string> {
  const elements = [text([MARGIN, MARGIN + 4], title, 'title')]
  let count = 0
  for await (const drawn of frames) elements.push(...(await frameElements(drawn, count++)))
  const columns = Math.min(COLUMNS, count)
  const rows = Math.ceil(count / COLUMNS)
  const bottom = MARGIN + LINE + rows * cellHeight()
  const facts = [...partLines(parts), `together: ${sumOf(parts)} tokens`]
  elements.push(...facts.map((words, i) => text([MARGIN, bottom + (i + 1) * LINE], words)))
  const words = Math.max(roomFor([title], 'title'), roomFor(facts)) + 2 * MARGIN
  const width = Math.max(MARGIN + columns * (FRAME + MARGIN), words)
  return drawing(width, bottom + (facts.length + 1) * LINE, elements)
}

async function frameElements(drawn: DrawnFrame, index: number): Promise<string[]> {
  const left = MARGIN + (index % COLUMNS) * (FRAME + MARGIN)
  const top = MARGIN + LINE + Math.floor(index / COLUMNS) * cellHeight()
  const region = { left, top, width: FRAME, height: FRAME }
  return [
    await picture(drawn.image, region),
    rect(region, { fill: 'none', stroke: '#d33', 'stroke-width': 1 }),
    text([left, top + FRAME + LINE - 4], `frame ${drawn.frame} at ${drawn.time.toFixed(2)} s`),
    text([left, top + FRAME + 2 * LINE - 6], `${drawn.tokens} tokens`, 'small'),
  ]
}

function cellHeight(): number {
  return FRAME + 2 * LINE + MARGIN / 2
}
