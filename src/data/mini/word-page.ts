/** Pages with one or two lines of large letters. */
import { letterMiddles } from './letter-widths.ts'
import { drawFont, emWidth, fitSize, lineSvg, type Font } from './lettering.ts'
import type { Lexicon } from './lexicon.ts'
import type { Lots } from './lots.ts'
import { cssColor, drawBackground, inksOn, shadeOf } from './palette.ts'
import { rasterise, SIDE, svgPage } from './rasterise.ts'
import { capitalise } from './turn.ts'

/** A line on the page: what is written, and in which colour. */
export type Written = {
  readonly text: string
  readonly color: string
  /** Its middle, in parts of the page. */
  readonly at: readonly [x: number, y: number]
  /** The middles of its letters, likewise. */
  readonly letters: readonly (readonly [x: number, y: number])[]
}
export type Page = { readonly lines: readonly Written[]; readonly svg: string }

/** What to write: mostly one word, else two, or a number. */
export function drawTexts(lots: Lots, lexicon: Lexicon): string[] {
  const sort = lots.pick(['word', 'word', 'word', 'two', 'number'] as const)
  if (sort === 'number') return [drawNumber(lots)]
  const texts = [lexicon.next()]
  for (let second = ''; sort === 'two' && texts.length < 2;) {
    second = lexicon.next()
    if (second !== texts[0]) texts.push(second)
  }
  return texts.map((text) => setCase(text, lots))
}

export function drawNumber(lots: Lots): string {
  const digits = lots.integer(1, 4)
  return String(
    digits === 1 ? lots.integer(0, 9) : lots.integer(10 ** (digits - 1), 10 ** digits - 1),
  )
}

/** As written, with a capital, or all capitals. A single letter is a capital: by itself, c may as well be C. */
export function setCase(text: string, lots: Lots): string {
  if (text.length === 1) return text.toUpperCase()
  const how = lots.pick(['lower', 'lower', 'capital', 'upper'] as const)
  if (how === 'lower') return text
  return how === 'upper' ? text.toUpperCase() : capitalise(text)
}

/** The texts one under the other, each somewhere in its share of the page. */
export function drawPage(lots: Lots, texts: readonly string[]): Page {
  const background = drawBackground(lots)
  const colors = inksOn(background)
  const font = drawFont(lots)
  const inks = lots.sample(colors, texts.length)
  const lines = texts.map((text, i) => {
    const band = SIDE / texts.length
    return writeLine({ text, font, color: inks[i] as string, top: band * i, band }, lots)
  })
  const written = texts.map((text, i) => {
    const { x, y, letters } = lines[i] as DrawnLine
    const place = (middle: number) => [middle / SIDE, y / SIDE] as const
    return { text, color: inks[i] as string, at: place(x), letters: letters.map(place) }
  })
  return { lines: written, svg: svgPage(lines.map(({ svg }) => svg).join(''), background) }
}

/** Pixels left free at both sides. */
const MARGIN = 8

type LineWish = {
  readonly text: string
  readonly font: Font
  readonly color: string
  readonly top: number
  readonly band: number
}

type DrawnLine = {
  readonly svg: string
  readonly x: number
  readonly y: number
  readonly letters: readonly number[]
}

function writeLine({ text, font, color, top, band }: LineWish, lots: Lots): DrawnLine {
  const most = lots.uniform(38, Math.min(84, band * 0.7))
  const size = fitSize(text, font, { most, width: SIDE - 2 * MARGIN })
  const edge = MARGIN + (emWidth(text, font) * size) / 2
  const x = lots.uniform(edge, SIDE - edge)
  const y = lots.uniform(top + size * 0.6, top + band - size * 0.6)
  const svg = lineSvg({ text, font, size, color: cssColor(shadeOf(color, lots)), x, y })
  return { svg, x, y, letters: letterMiddles(text, { font, size, x }) }
}

export async function pagePicture({ svg }: Page) {
  return { bytes: await rasterise(svg), extension: 'png' } as const
}
