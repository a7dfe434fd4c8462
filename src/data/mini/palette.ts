/** Colours with names that nobody confuses, and backgrounds on which they are seen. */
import type { Lots } from './lots.ts'

export type Rgb = readonly [number, number, number]

const COLORS: Readonly<Record<string, Rgb>> = {
  red: [222, 28, 28],
  orange: [255, 134, 0],
  yellow: [255, 222, 10],
  green: [24, 150, 54],
  blue: [28, 84, 226],
  purple: [126, 40, 178],
  pink: [255, 128, 196],
  brown: [126, 70, 28],
  black: [12, 12, 12],
  gray: [136, 136, 136],
  white: [252, 252, 252],
}

export const COLOR_NAMES: readonly string[] = Object.keys(COLORS)

/** Backgrounds: white half of the time, else a pale tint, black or a dark blue. */
const BACKGROUNDS: readonly Rgb[] = [
  [255, 255, 255],
  [255, 255, 255],
  [255, 255, 255],
  [255, 255, 255],
  [238, 240, 245],
  [250, 243, 224],
  [224, 240, 226],
  [222, 234, 250],
  [16, 16, 18],
  [14, 18, 44],
]

/** Distance in RGB below which two colours are hard to tell apart at a glance. */
const LEAST_CONTRAST = 100

export function drawBackground(lots: Lots): Rgb {
  return lots.pick(BACKGROUNDS)
}

/** The names of the colours that stand out from the background. */
export function colorsOn(background: Rgb): string[] {
  return COLOR_NAMES.filter((name) => distance(COLORS[name] as Rgb, background) >= LEAST_CONTRAST)
}

/** Difference of lightness, of 255, from which thin strokes are read with ease. */
const LEAST_LIGHTNESS = 64

/** The names of the colours that letters are read in. */
export function inksOn(background: Rgb): string[] {
  return COLOR_NAMES.filter(
    (name) => Math.abs(lightness(COLORS[name] as Rgb) - lightness(background)) >= LEAST_LIGHTNESS,
  )
}

/** One shade of the colour: the same name, never quite the same number. */
export function shadeOf(name: string, lots: Lots): Rgb {
  const [r, g, b] = COLORS[name] as Rgb
  const vary = (value: number) => Math.min(255, Math.max(0, value + lots.integer(-10, 10)))
  return [vary(r), vary(g), vary(b)]
}

export function cssColor([r, g, b]: Rgb): string {
  return `rgb(${r},${g},${b})`
}

/** Luma of ITU-R BT.601. */
function lightness([r, g, b]: Rgb): number {
  return 0.299 * r + 0.587 * g + 0.114 * b
}

function distance(a: Rgb, b: Rgb): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}
