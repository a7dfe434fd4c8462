/** Drawn scenes: up to nine shapes that do not touch, on a plain background. */
import type { Lots } from './lots.ts'
import { colorsOn, cssColor, drawBackground, shadeOf, type Rgb } from './palette.ts'
import { rasterise, SIDE, svgPage } from './rasterise.ts'
import { SHAPE_KINDS, shapeBox, shapeSvg, type Box, type ShapeKind } from './shapes.ts'

export type Size = 'small' | 'large'

/** What a shape shall be; its place is found. */
export type Wanted = { readonly kind: ShapeKind; readonly color: string; readonly size?: Size }

export type SceneShape = Wanted & {
  readonly x: number
  readonly y: number
  readonly radius: number
  readonly fill: Rgb
  /** In pixels. */
  readonly box: Box
}

export type Scene = { readonly background: Rgb; readonly shapes: readonly SceneShape[] }

/** Radii in pixels. Between `small` and `large` nothing lies, so that nobody has to guess. */
const RADII: Readonly<Record<Size, readonly [number, number]>> = {
  small: [13, 17],
  large: [29, 38],
}

/** Pixels between two boxes, and between a box and the rim. */
const GAP = 5
const TRIES = 400

/** Shapes of one kind each and one colour each: names such as `the star` and `the red one` are clear. */
export function distinctShapes(count: number, colors: readonly string[], lots: Lots): Wanted[] {
  const kinds = lots.sample(SHAPE_KINDS, count)
  const used = lots.sample(colors, count)
  return kinds.map((kind, i) => ({ kind, color: used[i] as string }))
}

/** Finds places for what `choose` wants on a background; again on another one where they do not fit. */
export function drawScene(
  lots: Lots,
  choose: (colors: readonly string[]) => readonly Wanted[],
): Scene {
  for (;;) {
    const background = drawBackground(lots)
    const shapes = placeAll(choose(colorsOn(background)), lots)
    if (shapes !== undefined) return { background, shapes }
  }
}

export function sceneSvg({ background, shapes }: Scene): string {
  return svgPage(shapes.map((one) => shapeSvg(one, cssColor(one.fill))).join(''), background)
}

export async function scenePicture(
  scene: Scene,
): Promise<{ readonly bytes: Uint8Array; readonly extension: 'png' }> {
  return { bytes: await rasterise(sceneSvg(scene)), extension: 'png' }
}

function placeAll(wanted: readonly Wanted[], lots: Lots): SceneShape[] | undefined {
  const placed: SceneShape[] = []
  // Large ones first: small ones find room between them.
  const order = wanted.toSorted((a, b) => Number(b.size === 'large') - Number(a.size === 'large'))
  for (const one of order) {
    const shape = place(one, { placed, count: wanted.length, lots })
    if (shape === undefined) return undefined
    placed.push(shape)
  }
  return lots.shuffle(placed)
}

type Room = { readonly placed: readonly SceneShape[]; readonly count: number; readonly lots: Lots }

function place(wanted: Wanted, { placed, count, lots }: Room): SceneShape | undefined {
  const [least, most] = wanted.size ? RADII[wanted.size] : freeRadii(count)
  const fill = shadeOf(wanted.color, lots)
  for (let i = 0; i < TRIES; i++) {
    const radius = lots.uniform(least, most)
    const edge = radius + GAP
    const [x, y] = [lots.uniform(edge, SIDE - edge), lots.uniform(edge, SIDE - edge)]
    const box = shapeBox({ kind: wanted.kind, x, y, radius })
    if (placed.every((other) => areApart(box, other.box))) {
      return { ...wanted, x, y, radius, fill, box }
    }
  }
  return undefined
}

/** The fewer there are, the larger they may be. */
function freeRadii(count: number): readonly [number, number] {
  if (count === 1) return [26, 80]
  return count <= 3 ? [20, 44] : [16, 27]
}

/** The scene with one of its shapes moved or in another colour. */
export function withShape(
  scene: Scene,
  shape: SceneShape,
  change: Partial<Pick<SceneShape, 'x' | 'y' | 'color' | 'fill'>>,
): Scene {
  const changed = { ...shape, ...change }
  const other = { ...changed, box: shapeBox(changed) }
  return { ...scene, shapes: scene.shapes.map((one) => (one === shape ? other : one)) }
}

/** Whether all shapes are on the page and none touches another. */
export function isClear({ shapes }: Scene): boolean {
  return shapes.every(
    ({ box }, i) =>
      Math.min(box[0], box[1]) >= GAP &&
      Math.max(box[2], box[3]) <= SIDE - GAP &&
      shapes.slice(i + 1).every((other) => areApart(box, other.box)),
  )
}

function areApart(a: Box, b: Box): boolean {
  return a[2] + GAP < b[0] || b[2] + GAP < a[0] || a[3] + GAP < b[1] || b[3] + GAP < a[1]
}
