/** Two drawn scenes to compare. */
import type { BuildContext, Builder, Conversation, Question } from './builder.ts'
import { distinctShapes, drawScene, scenePicture, type Scene } from './scene.ts'
import type { Lots } from './lots.ts'
import type { Wishes } from './scene-questions.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import { SHAPE_KINDS } from './shapes.ts'
import { verdict, withArticle, type Turn } from './turn.ts'

export const pairs: Builder = {
  name: 'pairs',
  about: 'two drawn pictures to compare',
  counts: { alignment: 0, instruction: 120, test: 100 },
  isSeparate: true,

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (let i = 0; i < count; i++) {
      const pair = drawPair(lots)
      const turns = lots.sample(MAKERS, 3).map((make) => make(pair, wishes))
      yield { pictures: await picturesOf(pair), turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    const wishes = wishesFrom(lots)
    const maker = lots.deck(MAKERS)
    for (let i = 0; i < count; i++) {
      const pair = drawPair(lots)
      const turn = { ...maker()(pair, wishes), task: 'pairs' }
      yield { pictures: await picturesOf(pair), turn }
    }
  },
}

type Pair = readonly [Scene, Scene]
type Maker = (pair: Pair, wishes: Wishes) => Turn

/** Different numbers of shapes, and at least one kind that only one of the two has. */
function drawPair(lots: Lots): Pair {
  const numbers = lots.sample([1, 2, 3, 4, 5], 2) as [number, number]
  const draw = (number: number) => drawScene(lots, (colors) => distinctShapes(number, colors, lots))
  for (;;) {
    const pair = [draw(numbers[0]), draw(numbers[1])] as const
    if (kindsOfOne(pair).length > 0) return pair
  }
}

async function picturesOf([first, second]: Pair) {
  return [await scenePicture(first), await scenePicture(second)]
}

const ORDINALS = ['first', 'second'] as const

const hasKind = ({ shapes }: Scene, kind: string) => shapes.some((one) => one.kind === kind)

function kindsOfOne([first, second]: Pair) {
  return SHAPE_KINDS.filter((kind) => hasKind(first, kind) !== hasKind(second, kind))
}

const more: Maker = ([first, second]) => {
  const which = first.shapes.length > second.shapes.length ? 0 : 1
  return {
    task: 'pair-more',
    question: 'Which picture has more shapes, the first or the second?',
    form: 'word',
    answer: which === 0 ? 'First' : 'Second',
    sentence: `The ${ORDINALS[which]} picture has more shapes.`,
  }
}

const which: Maker = (pair, { lots }) => {
  const kind = lots.pick(kindsOfOne(pair))
  const place = hasKind(pair[0], kind) ? 0 : 1
  return {
    task: 'pair-which',
    question: `Which picture has ${withArticle(kind)}, the first or the second?`,
    form: 'word',
    answer: place === 0 ? 'First' : 'Second',
    sentence: `The ${ORDINALS[place]} picture has ${withArticle(kind)}.`,
  }
}

const presence: Maker = (pair, { lots, isTrue }) => {
  const place = lots.pick([0, 1] as const)
  const wants = isTrue()
  const kinds = SHAPE_KINDS.filter((kind) => hasKind(pair[place], kind) === wants)
  const kind = lots.pick(kinds)
  return verdict(
    'pair-presence',
    `Is there ${withArticle(kind)} in the ${ORDINALS[place]} picture?`,
    {
      isTrue: wants,
      yes: `there is ${withArticle(kind)} in the ${ORDINALS[place]} picture`,
      no: `there is no ${kind} in the ${ORDINALS[place]} picture`,
    },
  )
}

const count: Maker = (pair, { lots }) => {
  const place = lots.pick([0, 1] as const)
  const number = pair[place].shapes.length
  return {
    task: 'pair-count',
    question: `How many shapes are in the ${ORDINALS[place]} picture?`,
    form: 'word',
    answer: String(number),
    sentence: `There ${number === 1 ? 'is' : 'are'} ${NUMBER_WORDS[number] as string} in the ${ORDINALS[place]} picture.`,
  }
}

const MAKERS: readonly Maker[] = [more, which, presence, count]
