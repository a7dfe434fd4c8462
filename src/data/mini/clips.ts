/** Drawn clips of a few frames in which one thing happens: a shape moves, comes, goes, or takes another colour. */
import type { BuildContext, Builder, Conversation, Question } from './builder.ts'
import { colorsOn, shadeOf } from './palette.ts'
import {
  distinctShapes,
  drawScene,
  isClear,
  scenePicture,
  withShape,
  type Scene,
  type SceneShape,
} from './scene.ts'
import type { Lots } from './lots.ts'
import type { Wishes } from './scene-questions.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import { SHAPE_KINDS } from './shapes.ts'
import { capitalise, verdict, withArticle, type Turn } from './turn.ts'

export const clips: Builder = {
  name: 'clips',
  about: 'drawn clips of four frames',
  counts: { alignment: 0, instruction: 120, test: 100 },
  isSeparate: true,

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const [event, brief] = [lots.deck(EVENTS), lots.deck([true, true, false])]
    for (let i = 0; i < count; i++) {
      const { scenes, turn } = event()(lots)
      const others = lots.sample(MAKERS, 2).map((make) => make(scenes, wishes))
      const turns = lots.shuffle([turn, ...others])
      yield { pictures: await picturesOf(scenes), isClip: true, turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    const wishes = wishesFrom(lots)
    const event = lots.deck(EVENTS)
    const isEvent = lots.deck([true, true, false])
    for (let i = 0; i < count; i++) {
      const { scenes, turn } = event()(lots)
      const asked = isEvent() ? turn : lots.pick(MAKERS)(scenes, wishes)
      yield { pictures: await picturesOf(scenes), isClip: true, turn: { ...asked, task: 'clips' } }
    }
  },
}

const FRAMES = 4

/** A scene a frame, and the question about what happens. */
type Clip = { readonly scenes: readonly Scene[]; readonly turn: Turn }
type EventMaker = (lots: Lots) => Clip

/** Pixels from frame to frame: less than a square of rows is hard to see, more leaves the page. */
const STEP = [24, 48] as const

const DIRECTIONS = {
  Left: { x: -1, y: 0, way: 'to the left' },
  Right: { x: 1, y: 0, way: 'to the right' },
  Up: { x: 0, y: -1, way: 'up' },
  Down: { x: 0, y: 1, way: 'down' },
} as const

const move: EventMaker = (lots) => {
  const answer = lots.pick(Object.keys(DIRECTIONS) as (keyof typeof DIRECTIONS)[])
  const { x, y, way } = DIRECTIONS[answer]
  for (;;) {
    const { scene, shape } = drawSome(lots, lots.integer(1, 2))
    const step = lots.uniform(...STEP)
    const scenes = frames((i) =>
      withShape(scene, shape, { x: shape.x + i * step * x, y: shape.y + i * step * y }),
    )
    if (!scenes.every(isClear)) continue
    const question = `Which way does the ${shape.kind} move?`
    const sentence = `The ${shape.kind} moves ${way}.`
    return { scenes, turn: { task: 'clip-move', question, form: 'word', answer, sentence } }
  }
}

const come: EventMaker = (lots) => {
  const { scene, shape } = drawSome(lots, lots.integer(2, 4))
  const first = lots.integer(1, FRAMES - 1)
  const scenes = frames((i) => (i < first ? without(scene, shape) : scene))
  return { scenes, turn: whichTurn('clip-come', 'appears', shape) }
}

const go: EventMaker = (lots) => {
  const { scene, shape } = drawSome(lots, lots.integer(2, 4))
  const first = lots.integer(1, FRAMES - 1)
  const scenes = frames((i) => (i < first ? scene : without(scene, shape)))
  return { scenes, turn: whichTurn('clip-go', 'disappears', shape) }
}

const recolor: EventMaker = (lots) => {
  const { scene, shape } = drawSome(lots, lots.integer(1, 3))
  const used = scene.shapes.map(({ color }) => color)
  const color = lots.pick(colorsOn(scene.background).filter((name) => !used.includes(name)))
  const [first, fill] = [lots.integer(1, FRAMES - 1), shadeOf(color, lots)]
  const scenes = frames((i) => (i < first ? scene : withShape(scene, shape, { color, fill })))
  const turn: Turn = {
    task: 'clip-color',
    question: `What color does the ${shape.kind} become?`,
    form: 'word',
    answer: capitalise(color),
    sentence: `The ${shape.kind} becomes ${color}.`,
  }
  return { scenes, turn }
}

const EVENTS: readonly EventMaker[] = [move, come, go, recolor]

function drawSome(lots: Lots, number: number): { scene: Scene; shape: SceneShape } {
  const scene = drawScene(lots, (colors) => distinctShapes(number, colors, lots))
  return { scene, shape: lots.pick(scene.shapes) }
}

function frames(draw: (i: number) => Scene): Scene[] {
  return Array.from({ length: FRAMES }, (_, i) => draw(i))
}

function without(scene: Scene, shape: SceneShape): Scene {
  return { ...scene, shapes: scene.shapes.filter((one) => one !== shape) }
}

function whichTurn(task: string, verb: string, { kind }: SceneShape): Turn {
  const question = `Which shape ${verb}?`
  return {
    task,
    question,
    form: 'word',
    answer: capitalise(kind),
    sentence: `The ${kind} ${verb}.`,
  }
}

async function picturesOf(scenes: readonly Scene[]) {
  const made = new Map(scenes.map((scene) => [scene, scenePicture(scene)]))
  return Promise.all(scenes.map((scene) => made.get(scene) as ReturnType<typeof scenePicture>))
}

type Maker = (scenes: readonly Scene[], wishes: Wishes) => Turn

const ENDS = ['beginning', 'end'] as const

function sceneAt(scenes: readonly Scene[], end: (typeof ENDS)[number]): Scene {
  return (end === 'end' ? scenes.at(-1) : scenes[0]) as Scene
}

const count: Maker = (scenes, { lots }) => {
  const end = lots.pick(ENDS)
  const number = sceneAt(scenes, end).shapes.length
  return {
    task: 'clip-count',
    question: `How many shapes are there at the ${end}?`,
    form: 'word',
    answer: String(number),
    sentence: `There ${number === 1 ? 'is' : 'are'} ${NUMBER_WORDS[number] as string} at the ${end}.`,
  }
}

/** What is asked for in vain is what was there at the other end, where something was. */
const presence: Maker = (scenes, { lots, isTrue }) => {
  const [wants, end] = [isTrue(), lots.pick(ENDS)]
  const kindsAt = (one: typeof end) => sceneAt(scenes, one).shapes.map(({ kind }) => kind)
  const [here, there] = [kindsAt(end), kindsAt(end === 'end' ? 'beginning' : 'end')]
  const gone = there.filter((kind) => !here.includes(kind))
  const absent = gone.length > 0 ? gone : SHAPE_KINDS.filter((kind) => !here.includes(kind))
  const kind = lots.pick(wants ? here : absent)
  return verdict('clip-presence', `Is there ${withArticle(kind)} at the ${end}?`, {
    isTrue: wants,
    yes: `there is ${withArticle(kind)} at the ${end}`,
    no: `there is no ${kind} at the ${end}`,
  })
}

const MAKERS: readonly Maker[] = [count, presence]
