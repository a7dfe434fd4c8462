/** Scenes put into words: names of shapes, groups and places. */
import type { Region } from '../record.ts'
import type { Scene, SceneShape } from './scene.ts'
import { SIDE } from './rasterise.ts'
import { pluralOf, type Box } from './shapes.ts'
import { capitalise, joinList, withArticle } from './turn.ts'

export const NUMBER_WORDS: readonly string[] = [
  'no',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
]

export function nameOf({ kind, color }: Pick<SceneShape, 'kind' | 'color'>): string {
  return `${color} ${kind}`
}

/** One sentence: `Two red circles and a blue star.` Groups come in the order of reading. */
export function captionOf(scene: Scene): string {
  const counts = new Map<string, SceneShape[]>()
  for (const shape of inReadingOrder(scene.shapes)) {
    counts.set(nameOf(shape), [...(counts.get(nameOf(shape)) ?? []), shape])
  }
  const groups = [...counts.values()].map((group) => {
    const [first] = group as [SceneShape, ...SceneShape[]]
    if (group.length === 1) return withArticle(nameOf(first))
    return `${NUMBER_WORDS[group.length]} ${first.color} ${pluralOf(first.kind)}`
  })
  return `${capitalise(joinList(groups))}.`
}

/** `five shapes` */
export function totalOf({ shapes }: Scene): string {
  return `${NUMBER_WORDS[shapes.length]} ${shapes.length === 1 ? 'shape' : 'shapes'}`
}

/** The middle of every shape, with its size if that is plain, its name, and where it is: `large red circle top north left`. */
export function regionsOf({ shapes }: Scene): Region[] {
  return shapes.map((shape) => {
    const at = middleOf(shape.box)
    const size = shape.size ? [shape.size] : []
    return { at, says: [...size, nameOf(shape), placeWords(at)].join(' ') }
  })
}

/**
 * The middle of every shape, with its name, how many have its colour, and how many its kind; of these two one is a number
 * and the other an ordinal, so that one row can say both: `red circle three second`.
 *
 * For scenes that were drawn to be counted: in others both are one, and a tower that says so is nearly always right.
 */
export function countsOf({ shapes }: Scene): Region[] {
  return shapes.map((shape) => {
    const colored = shapes.filter(({ color }) => color === shape.color).length
    const alike = shapes.filter(({ kind }) => kind === shape.kind).length
    const says = [nameOf(shape), NUMBER_WORDS[colored], ORDINALS[alike]].join(' ')
    return { at: middleOf(shape.box), says }
  })
}

const ORDINALS = 'no first second third fourth fifth sixth seventh eighth ninth'.split(' ')

/** Where a point lies among sevenths of the picture, in words that no other use has: `bottom south center`. */
export function placeWords([x, y]: Region['at']): string {
  const word = (part: number, words: readonly string[]) => words[Math.floor(part * words.length)]
  return `${word(y, DOWN)} ${word(x, ACROSS)}`
}

const DOWN = ['top north', 'top north', 'top', 'middle', 'bottom', 'bottom south', 'bottom south']
const ACROSS = ['left west', 'left west', 'left', 'center', 'right', 'right east', 'right east']

function middleOf([x1, y1, x2, y2]: Box): readonly [number, number] {
  return [(x1 + x2) / 2 / SIDE, (y1 + y2) / 2 / SIDE]
}

export function inReadingOrder(shapes: readonly SceneShape[]): SceneShape[] {
  const row = ({ y }: SceneShape) => Math.floor((y * 3) / SIDE)
  return shapes.toSorted((a, b) => row(a) - row(b) || a.x - b.x)
}

/** Corners begin this far from the middle lines, and the middle ends this near to it, in pixels. */
const CORNER = 34
const MIDDLE = 22

/** Where the shape is, undefined where two names would do. */
export function placeOf({ x, y }: Pick<SceneShape, 'x' | 'y'>): string | undefined {
  const [dx, dy] = [x - SIDE / 2, y - SIDE / 2]
  if (Math.abs(dx) <= MIDDLE && Math.abs(dy) <= MIDDLE) return 'center'
  if (Math.abs(dx) < CORNER || Math.abs(dy) < CORNER) return undefined
  return `${dy < 0 ? 'top' : 'bottom'} ${dx < 0 ? 'left' : 'right'}`
}

/** `[x1, y1, x2, y2]` in parts of the side, two decimals: the form that the family was trained on. */
export function boxText(box: Box, side = SIDE): string {
  return `[${box.map((value) => (value / side).toFixed(2)).join(', ')}]`
}
