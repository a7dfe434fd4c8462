/** Lines of text in SVG, in the DejaVu families, sized by an estimate of their width. */
import type { Lots } from './lots.ts'

export type Font = { readonly family: string; readonly isBold: boolean; readonly factor: number }

/** `factor`: how much wider than the estimate for the plain sans face the letters run. */
const FONTS: readonly Font[] = [
  { family: 'DejaVu Sans', isBold: false, factor: 1 },
  { family: 'DejaVu Sans', isBold: true, factor: 1.13 },
  { family: 'DejaVu Serif', isBold: false, factor: 1.05 },
  { family: 'DejaVu Serif', isBold: true, factor: 1.18 },
  { family: 'DejaVu Sans Mono', isBold: true, factor: 1.04 },
  { family: 'DejaVu Sans Condensed', isBold: true, factor: 1.02 },
]

export const CHART_FONT = FONTS[1] as Font

export function drawFont(lots: Lots): Font {
  return lots.pick(FONTS)
}

export type Line = {
  readonly text: string
  readonly font: Font
  readonly size: number
  readonly color: string
  /** Middle of the line. */
  readonly x: number
  readonly y: number
  readonly anchor?: 'middle' | 'start' | 'end'
}

export function lineSvg({ text, font, size, color, x, y, anchor = 'middle' }: Line): string {
  const face = `font-family="${font.family}" font-weight="${font.isBold ? 'bold' : 'normal'}"`
  // Capitals of DejaVu are 0.73 of the size high; half of that below the middle is the base line.
  const place = `x="${x.toFixed(1)}" y="${(y + 0.365 * size).toFixed(1)}" text-anchor="${anchor}"`
  return `<text ${place} ${face} font-size="${size.toFixed(1)}" fill="${color}">${escapeXml(text)}</text>`
}

/** The largest size up to `most` at which the text is at most `width` pixels wide. */
export function fitSize(
  text: string,
  font: Font,
  { most, width }: { readonly most: number; readonly width: number },
): number {
  return Math.min(most, width / emWidth(text, font))
}

/** An upper bound of the width in parts of the size. */
export function emWidth(text: string, { family, factor }: Font): number {
  if (family === 'DejaVu Sans Mono') return 0.61 * text.length
  return [...text].reduce((sum, letter) => sum + letterWidth(letter), 0) * factor
}

function letterWidth(letter: string): number {
  if (/[mwMW@]/.test(letter)) return 0.99
  if (/[iljI.,:']/.test(letter)) return 0.36
  if (/[ftr]/.test(letter)) return 0.44
  return /[A-Z]/.test(letter) ? 0.78 : 0.64
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
