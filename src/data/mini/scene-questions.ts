/**
 * Questions about a drawn scene whose answer is certain. A maker returns undefined where its question would not be clear.
 *
 * Yes/no answers and letters are wanted before the question is made, from balanced decks, so that guessing does not pay.
 */
import type { Lots } from './lots.ts'
import { COLOR_NAMES } from './palette.ts'
import type { Scene, SceneShape } from './scene.ts'
import { boxText, nameOf, NUMBER_WORDS, placeOf } from './scene-words.ts'
import { pluralOf, SHAPE_KINDS, type ShapeKind } from './shapes.ts'
import { capitalise, choiceTurn, verdict, withArticle, type Turn } from './turn.ts'

export type Wishes = {
  readonly lots: Lots
  readonly isTrue: () => boolean
  readonly letter: () => string
}

export type Maker = (scene: Scene, wishes: Wishes) => Turn | undefined

export function color({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const shape = pickUnique(shapes, 'kind', lots)
  if (shape === undefined) return undefined
  return {
    task: 'color',
    question: `What color is the ${shape.kind}?`,
    form: 'word',
    answer: capitalise(shape.color),
    sentence: `The ${shape.kind} is ${shape.color}.`,
  }
}

export function shape({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const one = pickUnique(shapes, 'color', lots)
  if (one === undefined) return undefined
  return {
    task: 'shape',
    question: lots.pick([`What shape is ${one.color}?`, `What is the ${one.color} shape?`]),
    form: 'word',
    answer: capitalise(one.kind),
    sentence: `The ${one.color} shape is ${withArticle(one.kind)}.`,
  }
}

/** The three kinds of absent things of POPE, arXiv:2305.10355 §5.1, for shapes. */
export type Negative = 'random' | 'popular' | 'adversarial'

export function presence(scene: Scene, wishes: Wishes): Turn | undefined {
  const kind = wishes.lots.pick<Negative>(['random', 'adversarial'])
  return presenceOf(scene, wishes, kind)
}

/** Is there a (red) circle? What is absent is anything, or differs from something present by one word. */
export function presenceOf({ shapes }: Scene, wishes: Wishes, negative: Negative): Turn {
  const { lots } = wishes
  const isTrue = wishes.isTrue()
  const present = lots.pick(shapes)
  const isKindOnly = negative !== 'adversarial' && lots.chance(0.4)
  const name = isTrue
    ? shapeName(present, isKindOnly)
    : absentName({ shapes, present, negative, isKindOnly }, lots)
  return verdict('presence', `Is there ${withArticle(name)} in the picture?`, {
    isTrue,
    yes: `there is ${withArticle(name)}`,
    no: `there is no ${name}`,
  })
}

function shapeName(one: Pick<SceneShape, 'kind' | 'color'>, isKindOnly: boolean): string {
  return isKindOnly ? one.kind : nameOf(one)
}

type AbsentWish = {
  readonly shapes: readonly SceneShape[]
  readonly present: SceneShape
  readonly negative: Negative
  readonly isKindOnly: boolean
}

function absentName({ shapes, present, negative, isKindOnly }: AbsentWish, lots: Lots): string {
  const isNear = negative === 'adversarial'
  const keepsKind = lots.chance(0.5)
  const names = new Set(shapes.map((one) => shapeName(one, isKindOnly)))
  for (;;) {
    const kind = isNear && keepsKind ? present.kind : lots.pick(SHAPE_KINDS)
    const color = isNear && !keepsKind ? present.color : lots.pick(COLOR_NAMES)
    const name = shapeName({ kind, color }, isKindOnly)
    if (!names.has(name)) return name
  }
}

export function place({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const clear = shapes.filter(
    (one) => placeOf(one) !== undefined && isUnique(shapes, 'kind', one.kind),
  )
  if (clear.length === 0) return undefined
  const one = lots.pick(clear)
  const where = placeOf(one) as string
  return {
    task: 'position',
    question: `Where is the ${one.kind}?`,
    form: 'word',
    answer: capitalise(where),
    sentence: `The ${one.kind} is ${where === 'center' ? 'in the' : 'at the'} ${where}.`,
  }
}

/** Centres this far apart, in pixels, are beside or above one another without doubt. */
const CLEARLY = 36

export function relation({ shapes }: Scene, { lots, isTrue }: Wishes): Turn | undefined {
  const [a, b] = lots.sample(uniqueKinds(shapes), 2)
  if (a === undefined || b === undefined) return undefined
  const isAcross = Math.abs(a.x - b.x) >= Math.abs(a.y - b.y)
  const gap = isAcross ? a.x - b.x : a.y - b.y
  if (Math.abs(gap) < CLEARLY) return undefined
  const words = isAcross ? ['left of', 'right of'] : ['above', 'below']
  const truth = gap < 0 ? 0 : 1
  const wants = isTrue()
  const said = words[wants ? truth : 1 - truth] as string
  return verdict('relation', `Is the ${a.kind} ${said} the ${b.kind}?`, {
    isTrue: wants,
    yes: `the ${a.kind} is ${said} the ${b.kind}`,
    no: `the ${a.kind} is ${words[truth] as string} the ${b.kind}`,
  })
}

const SIDES = [
  { word: 'on the left', axis: 'x', sign: 1 },
  { word: 'on the right', axis: 'x', sign: -1 },
  { word: 'at the top', axis: 'y', sign: 1 },
  { word: 'at the bottom', axis: 'y', sign: -1 },
] as const

/** Which of two or three shapes is at one side. */
export function outermost({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  if (shapes.length < 2 || uniqueKinds(shapes).length < shapes.length) return undefined
  const { word, axis, sign } = lots.pick(SIDES)
  const order = shapes.toSorted((a, b) => sign * (a[axis] - b[axis]))
  const [first, second] = order as [SceneShape, SceneShape]
  if (Math.abs(first[axis] - second[axis]) < CLEARLY) return undefined
  const how = shapes.length === 2 ? '' : 'furthest '
  return {
    task: 'outermost',
    question: `Which shape is ${word.replace('on', `${how}on`).replace('at', `${how}at`)}?`,
    form: 'word',
    answer: capitalise(first.kind),
    sentence: `The ${nameOf(first)} is ${word}.`,
  }
}

export function size({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const clear = uniqueKinds(shapes).filter((one) => one.size !== undefined)
  if (clear.length === 0) return undefined
  const one = lots.pick(clear)
  return {
    task: 'size',
    question: `Is the ${one.kind} small or large?`,
    form: 'word',
    answer: capitalise(one.size as string),
    sentence: `The ${one.kind} is ${one.size as string}.`,
  }
}

/** Shapes of one kind, of one colour, or all of them. */
export function count({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const groups = [
    ...SHAPE_KINDS.map((kind) => [thingsOfKind(kind), countOf(shapes, 'kind', kind)] as const),
    ...COLOR_NAMES.map((name) => [thingsOfColor(name), countOf(shapes, 'color', name)] as const),
    [ALL_SHAPES, shapes.length] as const,
  ].filter(([, number]) => number > 0)
  // Most groups have one member: the number is drawn first, and one seldom, or it were the answer to everything.
  const numbers = [...new Set(groups.map(([, members]) => members))]
  const several = numbers.filter((members) => members > 1)
  const number = lots.pick(several.length > 0 && lots.chance(0.85) ? several : numbers)
  const [things] = lots.pick(groups.filter(([, members]) => members === number))
  return countTurn(things, number)
}

function countOf(shapes: readonly SceneShape[], by: 'kind' | 'color', value: string): number {
  return shapes.filter((one) => one[by] === value).length
}

export const ALL_SHAPES: Things = { one: 'shape', many: 'shapes' }

/** A noun in both numbers. */
export type Things = { readonly one: string; readonly many: string }

export function thingsOfKind(kind: ShapeKind): Things {
  return { one: kind, many: pluralOf(kind) }
}

export function thingsOfColor(color: string): Things {
  return { one: `${color} shape`, many: `${color} shapes` }
}

export function countTurn({ one, many }: Things, number: number): Turn {
  return {
    task: 'counting',
    question: `How many ${many} are there?`,
    form: 'word',
    answer: String(number),
    sentence:
      number === 1
        ? `There is one ${one}.`
        : `There are ${NUMBER_WORDS[number] as string} ${many}.`,
  }
}

/** A question with four options about a shape's colour or kind. */
export function choice({ shapes }: Scene, { lots, letter }: Wishes): Turn | undefined {
  const by = lots.pick(['kind', 'color'] as const)
  const one = pickUnique(shapes, by, lots)
  if (one === undefined) return undefined
  const [question, right, all] =
    by === 'kind'
      ? [`What color is the ${one.kind}?`, one.color, COLOR_NAMES]
      : [`What shape is ${one.color}?`, one.kind as string, SHAPE_KINDS as readonly string[]]
  const wrong = lots.sample(
    all.filter((name) => name !== right),
    3,
  )
  const options = { right: capitalise(right), wrong: wrong.map(capitalise), letter: letter() }
  return choiceTurn('choice', question, options)
}

/** Where something is, as a box; or what is in a box. */
export function box({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const clear = shapes.filter(
    (one) => shapes.filter((other) => nameOf(other) === nameOf(one)).length === 1,
  )
  if (clear.length === 0) return undefined
  const one = lots.pick(clear)
  return {
    task: 'boxes',
    question: `Provide the bounding box coordinate of the region this sentence describes: the ${nameOf(one)}.`,
    form: 'own',
    answer: boxText(one.box),
  }
}

export function region({ shapes }: Scene, { lots }: Wishes): Turn {
  const one = lots.pick(shapes)
  return {
    task: 'region',
    question: `Provide a short description for this region: ${boxText(one.box)}.`,
    form: 'own',
    answer: `${capitalise(nameOf(one))}.`,
  }
}

/** Something asked about what is not there. */
export function absent({ shapes }: Scene, { lots }: Wishes): Turn | undefined {
  const kinds = SHAPE_KINDS.filter((kind) => shapes.every((one) => one.kind !== kind))
  if (kinds.length === 0) return undefined
  const kind = lots.pick(kinds)
  return {
    task: 'absent',
    question: lots.pick([`What color is the ${kind}?`, `Where is the ${kind}?`]),
    form: 'own',
    answer: `There is no ${kind} in the picture.`,
  }
}

export function uniqueKinds(shapes: readonly SceneShape[]): SceneShape[] {
  return shapes.filter((one) => isUnique(shapes, 'kind', one.kind))
}

function pickUnique(
  shapes: readonly SceneShape[],
  by: 'kind' | 'color',
  lots: Lots,
): SceneShape | undefined {
  const clear = shapes.filter((one) => isUnique(shapes, by, one[by]))
  return clear.length === 0 ? undefined : lots.pick(clear)
}

function isUnique(shapes: readonly SceneShape[], by: 'kind' | 'color', value: string): boolean {
  return countOf(shapes, by, value) === 1
}
