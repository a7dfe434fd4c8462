/** Bar, line and pie charts with few and large parts, so that a tower of 224 pixels can see what is asked. */
import { CHART_FONT, lineSvg } from './lettering.ts'
import type { Lots } from './lots.ts'
import { cssColor, shadeOf, type Rgb } from './palette.ts'
import { SIDE, svgPage } from './rasterise.ts'

export type ChartKind = 'bar' | 'line' | 'pie'

export type Part = {
  /** A capital letter under the bar or point; of a slice, its colour is its name. */
  readonly name: string
  readonly color: string
  /** Bars and points: 1 to 9, as written above them. Slices: tenths of the whole. */
  readonly value: number
}

export type Chart = { readonly kind: ChartKind; readonly parts: readonly Part[] }

const COLORS = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'brown', 'gray']

/** All values differ, so that there is one largest and one smallest. */
export function drawChart(kind: ChartKind, lots: Lots): Chart {
  const count = kind === 'line' ? lots.integer(4, 5) : lots.integer(2, 5)
  const values =
    kind === 'pie' ? tenths(count, lots) : lots.sample([1, 2, 3, 4, 5, 6, 7, 8, 9], count)
  const colors = lots.sample(COLORS, count)
  const line = lots.pick(COLORS.filter((color) => color !== 'yellow'))
  const parts = values.map((value, i) => ({
    name: kind === 'pie' ? (colors[i] as string) : 'ABCDE'.charAt(i),
    color: kind === 'line' ? line : (colors[i] as string),
    value,
  }))
  return { kind, parts }
}

export function chartSvg(chart: Chart, lots: Lots): string {
  const background = lots.pick<Rgb>([
    [255, 255, 255],
    [246, 246, 250],
    [255, 250, 238],
  ])
  return svgPage(DRAWINGS[chart.kind](chart.parts, lots), background)
}

/** The names below bars and points, in parts of the page; slices have none. */
export function namePlaces({ kind, parts }: Chart): readonly (readonly [x: number, y: number])[] {
  if (kind === 'pie') return []
  return parts.map((_, i) => [middleX(parts, i) / SIDE, NAME_Y / SIDE])
}

/** The tops of bars, and points, in parts of the page; slices have none. */
export function markPlaces({ kind, parts }: Chart): readonly (readonly [x: number, y: number])[] {
  if (kind === 'pie') return []
  const heightOf = kind === 'bar' ? barHeight : pointHeight
  return parts.map((part, i) => [middleX(parts, i) / SIDE, (BASE - heightOf(part)) / SIDE])
}

/** Different shares of ten, each at least one, whose largest is clear. */
function tenths(count: number, lots: Lots): number[] {
  for (;;) {
    const cuts = lots.sample([1, 2, 3, 4, 5, 6, 7, 8, 9], count - 1).toSorted((a, b) => a - b)
    const shares = [...cuts, 10].map((cut, i) => cut - (cuts[i - 1] ?? 0))
    const [least, next] = shares.toSorted((a, b) => a - b) as [number, number]
    const [second, most] = shares.toSorted((a, b) => a - b).slice(-2) as [number, number]
    if (most > second && next > least) return shares
  }
}

const DRAWINGS: Readonly<Record<ChartKind, (parts: readonly Part[], lots: Lots) => string>> = {
  bar: barChart,
  line: lineChart,
  pie: pieChart,
}

/** The plot's rim, in pixels: room for names below and numbers above. */
const [LEFT, TOP, BASE] = [18, 34, 190]
const STEP = (BASE - TOP) / 9
const TEXT_SIZE = 22
const NAME_Y = BASE + 17

function slotOf(parts: readonly Part[]): number {
  return (SIDE - LEFT - 8) / parts.length
}

function middleX(parts: readonly Part[], i: number): number {
  return LEFT + slotOf(parts) * (i + 0.5)
}

function barHeight({ value }: Part): number {
  return value * STEP
}

/** One step of room below the lowest point, for the number under it. */
function pointHeight({ value }: Part): number {
  return STEP + (value * (BASE - STEP - TOP)) / 9
}

function barChart(parts: readonly Part[], lots: Lots): string {
  const width = Math.min(46, slotOf(parts) * 0.66)
  const bars = parts.map((part, i) => {
    const { name, color, value } = part
    const [x, height] = [middleX(parts, i), barHeight(part)]
    const bar = `<rect x="${(x - width / 2).toFixed(1)}" y="${(BASE - height).toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${cssColor(shadeOf(color, lots))}"/>`
    return bar + label(name, x, NAME_Y) + label(String(value), x, BASE - height - 14)
  })
  return axes() + bars.join('')
}

function lineChart(parts: readonly Part[], lots: Lots): string {
  const at = parts.map((part, i) => [middleX(parts, i), BASE - pointHeight(part)] as const)
  const fill = cssColor(shadeOf(parts[0]?.color ?? 'blue', lots))
  const path = at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
  const marks = at.map(([x, y], i) => {
    const dot = `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="6" fill="${fill}"/>`
    const { name, value } = parts[i] as Part
    return (
      dot + label(name, x, NAME_Y) + label(String(value), x, isValley(parts, i) ? y + 19 : y - 19)
    )
  })
  return `${axes()}<polyline points="${path}" fill="none" stroke="${fill}" stroke-width="4"/>${marks.join('')}`
}

/** Lower than its neighbours: the line comes from above, so the number stands below. */
function isValley(parts: readonly Part[], i: number): boolean {
  const own = parts[i]?.value ?? 0
  return (parts[i - 1]?.value ?? 10) > own && (parts[i + 1]?.value ?? 10) > own
}

function pieChart(parts: readonly Part[], lots: Lots): string {
  const radius = lots.uniform(76, 98)
  const [cx, cy] = [SIDE / 2 + lots.uniform(-10, 10), SIDE / 2 + lots.uniform(-10, 10)]
  let turned = lots.uniform(0, 2 * Math.PI)
  const slices = parts.map(({ color, value }) => {
    const point = (angle: number) =>
      `${(cx + radius * Math.cos(angle)).toFixed(2)} ${(cy + radius * Math.sin(angle)).toFixed(2)}`
    const angle = (2 * Math.PI * value) / 10
    const [from, to] = [point(turned), point(turned + angle)]
    turned += angle
    const path = `M${cx.toFixed(2)} ${cy.toFixed(2)}L${from}A${radius.toFixed(2)} ${radius.toFixed(2)} 0 ${angle > Math.PI ? 1 : 0} 1 ${to}Z`
    return `<path d="${path}" fill="${cssColor(shadeOf(color, lots))}" stroke="white" stroke-width="2"/>`
  })
  return slices.join('')
}

function axes(): string {
  return `<path d="M${LEFT - 6} 14V${BASE}H${SIDE - 6}" fill="none" stroke="black" stroke-width="2"/>`
}

function label(text: string, x: number, y: number): string {
  return lineSvg({ text, font: CHART_FONT, size: TEXT_SIZE, color: 'black', x, y })
}
