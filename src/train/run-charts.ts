/** Curves of a run as SVG. */
import type { TopLevelSpec } from 'vega-lite'

export type Curve = {
  readonly title: string
  readonly points: readonly CurvePoint[]
  /** For what spans several powers of ten. */
  readonly isLogarithmic?: boolean
}

export type CurvePoint = {
  readonly step: number
  readonly value: number
  /** Which line it belongs to. */
  readonly line: string
}

const WIDTH = 640
const HEIGHT = 220

export async function curveSvg({ title, points, isLogarithmic = false }: Curve): Promise<string> {
  const scale = isLogarithmic ? { type: 'log' as const } : { zero: false }
  const spec: TopLevelSpec = {
    data: { values: [...points] },
    width: WIDTH,
    height: HEIGHT,
    mark: { type: 'line', strokeWidth: 1.5, point: points.length < 20 },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: 'step' },
      y: { field: 'value', type: 'quantitative', title, scale },
      color: { field: 'line', type: 'nominal', title: null },
    },
  }
  const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')])
  const view = new vega.View(vega.parse(lite.compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
