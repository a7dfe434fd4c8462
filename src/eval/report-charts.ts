/** Charts of a report as SVG texts, drawn by Vega-Lite. Loaded when a report is written: nothing else needs it. */
import type { Config, TopLevelSpec } from 'vega-lite'

export type BarRow = {
  readonly category: string
  readonly model: string
  readonly value: number
  readonly low: number
  readonly high: number
  readonly guess: number | null
}

export type StrengthPoint = {
  readonly model: string
  readonly benchmark: string
  readonly strength: number
  readonly score: number
}

const WIDTH = 640

/** To 100, or what passes it: a judge may like an answer more than the reference. */
function scoreScale(rows: readonly BarRow[]) {
  return { title: 'score', scale: { domain: [0, highest(rows)] } }
}

function highest(rows: readonly BarRow[]): number {
  return Math.max(100, ...rows.flatMap(({ value, high }) => [value, high]))
}

/** One bar for each part of a benchmark, its interval across it, a tick where a guess stands. */
export function barChart(
  rows: readonly BarRow[],
  unit: 'percent' | 'points' = 'percent',
): Promise<string> {
  const scale = unit === 'percent' ? scoreScale(rows) : { title: 'points' }
  const y = { field: 'category', type: 'nominal' as const, title: null, sort: null }
  return toSvg({
    data: { values: [...rows] },
    width: WIDTH,
    height: { step: 22 },
    encoding: { y },
    layer: [
      {
        mark: { type: 'bar', color: '#7aa6d8' },
        encoding: { x: { field: 'value', type: 'quantitative', ...scale } },
      },
      {
        mark: { type: 'rule', color: '#24415f' },
        encoding: { x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        transform: [{ filter: 'datum.guess !== null' }],
        mark: { type: 'tick', color: '#c0392b', thickness: 2 },
        encoding: { x: { field: 'guess', type: 'quantitative' } },
      },
    ],
  })
}

/** Benchmarks side by side, a bar for each model. */
export function modelChart(rows: readonly BarRow[]): Promise<string> {
  return toSvg({
    data: { values: [...rows] },
    width: WIDTH,
    mark: 'bar',
    encoding: {
      y: { field: 'category', type: 'nominal', title: null, sort: null },
      yOffset: { field: 'model' },
      x: { field: 'value', type: 'quantitative', ...scoreScale(rows) },
      color: { field: 'model', type: 'nominal' },
    },
  })
}

const RADIUS = 200
const RING = 25

/** Benchmarks around a circle, a closed line for each model; the rim is 100, or the next ring beyond the highest score. */
export function radarChart(rows: readonly BarRow[]): Promise<string> {
  const categories = [...new Set(rows.map(({ category }) => category))]
  const around = (i: number, value: number) => {
    const angle = (2 * Math.PI * i) / categories.length
    return { x: value * Math.sin(angle), y: value * Math.cos(angle), i }
  }
  const circles = Math.ceil(Math.max(100, ...rows.map(({ value }) => value)) / RING)
  const rim = circles * RING
  const levels = Array.from({ length: circles }, (_, k) => (k + 1) * RING)
  const rings = levels.flatMap((ring) => categories.map((_, i) => ({ ring, ...around(i, ring) })))
  const names = categories.map((category, i) => ({ category, ...around(i, 1.16 * rim) }))
  const points = rows.map(({ category, model, value }) => ({
    model,
    category,
    value,
    ...around(categories.indexOf(category), value),
  }))
  const place = (field: 'x' | 'y') => ({
    field,
    type: 'quantitative' as const,
    axis: null,
    scale: { domain: [-1.3 * rim, 1.3 * rim] },
  })
  const encoding = { x: place('x'), y: place('y') }
  const order = { field: 'i', type: 'quantitative' as const }
  return toSvg({
    width: 2 * RADIUS,
    height: 2 * RADIUS,
    config: { view: { stroke: null }, legend: { labelLimit: 0, offset: 60 } },
    layer: [
      {
        data: { values: rings },
        mark: { type: 'line', interpolate: 'linear-closed', color: '#d8dee4', strokeWidth: 1 },
        encoding: { ...encoding, order, detail: { field: 'ring' } },
      },
      {
        data: { values: names },
        mark: { type: 'text', limit: 0 },
        encoding: { ...encoding, text: { field: 'category' } },
      },
      {
        data: { values: points },
        mark: { type: 'line', interpolate: 'linear-closed', strokeWidth: 2, point: true },
        encoding: { ...encoding, order, color: { field: 'model', type: 'nominal' } },
      },
    ],
  })
}

/**
 * A point for each model and benchmark, and a straight line (least squares) through a benchmark's points, where there are three
 * at least and not all above one another.
 */
export function strengthChart(points: readonly StrengthPoint[]): Promise<string> {
  const fitted = new Set(points.map(({ benchmark }) => benchmark).filter(hasLine(points)))
  const x = {
    field: 'strength',
    type: 'quantitative' as const,
    title: 'MMLU',
    scale: { zero: false, padding: 20 },
  }
  const y = {
    field: 'score',
    type: 'quantitative' as const,
    title: 'score',
    scale: { zero: false },
  }
  const color = { field: 'benchmark', type: 'nominal' as const }
  const shape = { field: 'model', type: 'nominal' as const }
  return toSvg({
    data: { values: [...points] },
    width: WIDTH,
    height: 360,
    layer: [
      { mark: { type: 'point', filled: true, size: 80 }, encoding: { x, y, color, shape } },
      {
        data: { values: points.filter(({ benchmark }) => fitted.has(benchmark)) },
        transform: [{ regression: 'score', on: 'strength', groupby: ['benchmark'] }],
        mark: { type: 'line', strokeDash: [4, 4] },
        encoding: { x, y, color },
      },
    ],
  })
}

function hasLine(points: readonly StrengthPoint[]): (benchmark: string) => boolean {
  return (benchmark) => {
    const own = points.filter((point) => point.benchmark === benchmark)
    return own.length >= 3 && new Set(own.map(({ strength }) => strength)).size >= 2
  }
}

/** Names of models and benchmarks are shown whole. */
const CONFIG: Config = { legend: { labelLimit: 0 }, axis: { labelLimit: 320 } }

async function toSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')])
  const view = new vega.View(
    vega.parse(lite.compile({ ...spec, config: { ...CONFIG, ...spec.config } }).spec),
    { renderer: 'none' },
  )
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
