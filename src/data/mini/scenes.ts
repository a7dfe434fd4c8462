/** Drawn scenes with conversations about them, in three sorts: one shape, a few different ones, and many to count. */
import type { Region } from '../record.ts'
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import { refuse, refuseHeldOut } from './refusals.ts'
import type { Lots } from './lots.ts'
import { json } from './scene-json.ts'
import {
  absent,
  ALL_SHAPES,
  box,
  choice,
  color,
  count,
  countTurn,
  outermost,
  place,
  presence,
  presenceOf,
  region,
  relation,
  shape,
  size,
  thingsOfColor,
  thingsOfKind,
  type Maker,
  type Negative,
  type Wishes,
} from './scene-questions.ts'
import { captionOf, countsOf, regionsOf, totalOf } from './scene-words.ts'
import { distinctShapes, drawScene, scenePicture, type Scene, type Wanted } from './scene.ts'
import { SHAPE_KINDS } from './shapes.ts'
import { LETTERS, OPEN_QUESTIONS, type Turn } from './turn.ts'

export const scenes: Builder = {
  name: 'scenes',
  about: 'drawn shapes: colors, places, counts, boxes, JSON',
  counts: { alignment: 800, instruction: 1500, test: 200 },

  async *alignment({ lots, count }: BuildContext): AsyncGenerator<Captioned> {
    const sort = lots.deck(SORTS)
    for (let i = 0; i < count; i++) {
      const { draw, regions } = sort()
      const { scene } = draw(lots)
      yield {
        picture: await scenePicture(scene),
        caption: captionOf(scene),
        words: totalOf(scene),
        regions: regions(scene),
      }
    }
  },

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const [sort, brief] = [lots.deck(SORTS), lots.deck([true, true, false])]
    for (let i = 0; i < count; i++) {
      const isBrief = brief()
      const { makers, draw } = sort()
      const { scene, turn } = draw(lots)
      const pool = isBrief ? makers : [...makers, absent, refuse]
      const turns = askSome(scene, { pool, wishes, first: turn, count: lots.integer(4, 5) })
      yield { pictures: [await scenePicture(scene)], turns, isBrief }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    for (const [task, make] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const wishes = wishesFrom(own)
      const next = make(own, wishes)
      for (let i = 0; i < count; i++) {
        const { scene, turn } = next()
        yield { pictures: [await scenePicture(scene)], turn: { ...turn, task } }
      }
    }
  },
}

/** A way to draw scenes, with what can be asked about them. `turn` is what the scene was drawn for. */
type Sort = {
  readonly makers: readonly Maker[]
  draw(lots: Lots): { readonly scene: Scene; readonly turn?: Turn }
  /** What its shapes say of themselves. */
  readonly regions: (scene: Scene) => Region[]
}

/** A question for no part of it. */
const describe: Maker = (scene, { lots }) => ({
  task: 'scene-caption',
  question: lots.pick([...OPEN_QUESTIONS, 'Describe the picture.']),
  form: 'own',
  answer: captionOf(scene),
})

const single: Sort = {
  makers: [describe, color, shape, presence, place, choice, json, box, region],
  draw: (lots) => ({ scene: drawScene(lots, (colors) => distinctShapes(1, colors, lots)) }),
  regions: regionsOf,
}

const few: Sort = {
  makers: [
    describe,
    color,
    shape,
    presence,
    presence,
    place,
    relation,
    outermost,
    choice,
    json,
    box,
    region,
  ],
  draw(lots) {
    const scene = drawScene(lots, (colors) => distinctShapes(lots.integer(2, 4), colors, lots))
    return { scene }
  },
  regions: regionsOf,
}

const sized: Sort = {
  makers: [size, size, color, shape, presence, relation, count, box, choice],
  draw(lots) {
    const scene = drawScene(lots, (colors) =>
      distinctShapes(lots.integer(1, 3), colors, lots).map((one) => ({
        ...one,
        size: lots.pick(['small', 'large'] as const),
      })),
    )
    return { scene }
  },
  regions: regionsOf,
}

const many: Sort = {
  makers: [count, count, presence, color, json],
  draw: (lots) => drawCounted(lots, lots.integer(1, 6)),
  regions: countsOf,
}

const SORTS: readonly Sort[] = [single, few, few, sized, many, many]

/** `number` shapes that share a kind or a colour, or all shapes, and a few others beside them. */
function drawCounted(lots: Lots, number: number): { readonly scene: Scene; readonly turn: Turn } {
  const by = lots.pick(['all', 'kind', 'color', 'kind', 'color'] as const)
  const others = by === 'all' ? 0 : lots.integer(0, Math.min(3, 8 - number))
  const kind = lots.pick(SHAPE_KINDS)
  let tone = ''
  const scene = drawScene(lots, (colors) => {
    tone = lots.pick(colors)
    const [kinds, tones] = [SHAPE_KINDS.filter((k) => k !== kind), colors.filter((c) => c !== tone)]
    // Pictures of equal things and of different ones: neither is a hint at the question.
    const isPlain = lots.chance(0.5)
    const counted = Array.from({ length: number }, (): Wanted => ({
      kind: by === 'kind' || isPlain ? kind : lots.pick(SHAPE_KINDS),
      color: by === 'color' || isPlain ? tone : lots.pick(colors),
    }))
    const rest = Array.from({ length: others }, (): Wanted => ({
      kind: by === 'kind' ? lots.pick(kinds) : lots.pick(SHAPE_KINDS),
      color: by === 'color' ? lots.pick(tones) : lots.pick(colors),
    }))
    return [...counted, ...rest]
  })
  const things =
    by === 'all' ? ALL_SHAPES : by === 'kind' ? thingsOfKind(kind) : thingsOfColor(tone)
  return { scene, turn: countTurn(things, number) }
}

export function wishesFrom(lots: Lots): Wishes {
  return { lots, isTrue: lots.deck([true, false]), letter: lots.deck(LETTERS) }
}

type Plan = {
  readonly pool: readonly Maker[]
  readonly wishes: Wishes
  readonly first?: Turn
  readonly count: number
}

/** Up to `count` questions that differ, `first` among them. */
function askSome(scene: Scene, { pool, wishes, first, count: most }: Plan): Turn[] {
  const turns: Turn[] = first === undefined ? [] : [first]
  const asked = new Set(turns.map(({ question }) => question))
  for (const make of wishes.lots.shuffle(pool)) {
    if (turns.length >= most) break
    const turn = make(scene, wishes)
    if (turn === undefined || asked.has(turn.question)) continue
    asked.add(turn.question)
    turns.push(turn)
  }
  return wishes.lots.shuffle(turns)
}

type Drawn = { readonly scene: Scene; readonly turn: Turn }
type TestMaker = (lots: Lots, wishes: Wishes) => () => Drawn

/** Draws scenes of one sort until the maker has a question. */
function drawUntil(sorts: readonly Sort[], maker: Maker): TestMaker {
  return (lots, wishes) => () => {
    for (;;) {
      const { scene } = lots.pick(sorts).draw(lots)
      const turn = maker(scene, wishes)
      if (turn !== undefined) return { scene, turn }
    }
  }
}

const negative = (kind: Negative): TestMaker =>
  drawUntil([single, few, many], (scene, wishes) => presenceOf(scene, wishes, kind))

const TESTS: Readonly<Record<string, TestMaker>> = {
  color: drawUntil([single, few], color),
  shape: drawUntil([single, few], shape),
  'presence-random': negative('random'),
  'presence-adversarial': negative('adversarial'),
  counting(lots) {
    const number = lots.deck([1, 2, 3, 4, 5, 6])
    return () => drawCounted(lots, number())
  },
  position: drawUntil([single, few], place),
  relation: drawUntil([few], relation),
  outermost: drawUntil([few], outermost),
  size: drawUntil([sized], size),
  choice: drawUntil([single, few], choice),
  boxes: drawUntil([single, few], box),
  json: drawUntil([single, few, many], json),
  absent: drawUntil([single, few], absent),
  unknowable: drawUntil([single, few, many], (_scene, wishes) => refuseHeldOut(wishes)),
}
