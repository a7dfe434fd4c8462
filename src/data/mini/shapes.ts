/** The shapes of drawn scenes: names that a child knows, and their outlines. */

/** Whole pixels or parts of them: left, top, right, bottom. */
export type Box = readonly [number, number, number, number]

export type ShapeKind =
  | 'circle'
  | 'square'
  | 'triangle'
  | 'star'
  | 'heart'
  | 'diamond'
  | 'cross'
  | 'moon'

/** Outline in the square from −1 to 1, and the box it fills there. */
type Outline = { readonly path: string; readonly box: Box }

const OUTLINES: Readonly<Record<ShapeKind, Outline>> = {
  circle: {
    path: 'M-1 0A1 1 0 1 1 1 0A1 1 0 1 1 -1 0Z',
    box: [-1, -1, 1, 1],
  },
  square: { path: 'M-.9 -.9H.9V.9H-.9Z', box: [-0.9, -0.9, 0.9, 0.9] },
  triangle: { path: 'M0 -.9L1 .85H-1Z', box: [-1, -0.9, 1, 0.85] },
  star: { path: starPath(), box: [-0.951, -1, 0.951, 0.809] },
  heart: {
    path: 'M0 .95L-.85 .05A.5 .5 0 0 1 0 -.55A.5 .5 0 0 1 .85 .05Z',
    box: [-0.945, -0.77, 0.945, 0.95],
  },
  diamond: { path: 'M0 -1L.72 0L0 1L-.72 0Z', box: [-0.72, -1, 0.72, 1] },
  cross: {
    path: 'M-.3 -.95H.3V-.3H.95V.3H.3V.95H-.3V.3H-.95V-.3H-.3Z',
    box: [-0.95, -0.95, 0.95, 0.95],
  },
  moon: {
    path: 'M.35 -.95A1 1 0 1 0 .35 .95A.95 .95 0 0 1 .35 -.95Z',
    box: [-0.962, -1, 0.35, 1],
  },
}

export const SHAPE_KINDS = Object.keys(OUTLINES) as readonly ShapeKind[]

export type PlacedOutline = {
  readonly kind: ShapeKind
  readonly x: number
  readonly y: number
  /** Half the side of the square that the outline is drawn in. */
  readonly radius: number
}

export function shapeSvg({ kind, x, y, radius }: PlacedOutline, fill: string): string {
  const place = `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${radius.toFixed(2)})`
  return `<path transform="${place}" d="${OUTLINES[kind].path}" fill="${fill}"/>`
}

export function shapeBox({ kind, x, y, radius }: PlacedOutline): Box {
  const [left, top, right, bottom] = OUTLINES[kind].box
  return [x + radius * left, y + radius * top, x + radius * right, y + radius * bottom]
}

export function pluralOf(noun: string): string {
  return noun === 'cross' ? 'crosses' : `${noun}s`
}

function starPath(): string {
  const points = Array.from({ length: 10 }, (_, i) => {
    const [angle, radius] = [(Math.PI * i) / 5, i % 2 === 0 ? 1 : 0.42]
    return `${(radius * Math.sin(angle)).toFixed(4)} ${(-radius * Math.cos(angle)).toFixed(4)}`
  })
  return `M${points.join('L')}Z`
}
