/** Drawn charts with questions about their parts. */
import type { Region } from '../record.ts'
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import {
  chartSvg,
  drawChart,
  markPlaces,
  namePlaces,
  type Chart,
  type ChartKind,
  type Part,
} from './chart-drawing.ts'
import type { Lots } from './lots.ts'
import { rasterise } from './rasterise.ts'
import { jsonTurn } from './scene-json.ts'
import type { Wishes } from './scene-questions.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import {
  capitalise,
  choiceTurn,
  joinList,
  OPEN_QUESTIONS,
  verdict,
  withArticle,
  type Turn,
} from './turn.ts'

const KINDS: readonly ChartKind[] = ['bar', 'bar', 'line', 'pie']

export const charts: Builder = {
  name: 'charts',
  about: 'bar, line and pie charts to read',
  counts: { alignment: 250, instruction: 500, test: 300 },

  async *alignment({ lots, count }: BuildContext): AsyncGenerator<Captioned> {
    const kind = lots.deck(KINDS)
    for (let i = 0; i < count; i++) {
      const chart = drawChart(kind(), lots)
      yield {
        picture: await chartPicture(chart, lots),
        caption: captionOf(chart),
        regions: regionsOf(chart),
      }
    }
  },

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const [kind, brief] = [lots.deck(KINDS), lots.deck([true, true, false])]
    for (let i = 0; i < count; i++) {
      const chart = drawChart(kind(), lots)
      const turns = askAbout(chart, wishes, lots.integer(4, 5))
      yield { pictures: [await chartPicture(chart, lots)], turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    const wishes = wishesFrom(lots)
    const [kind, maker] = [lots.deck(KINDS), lots.deck(TESTED)]
    for (let i = 0; i < count; i++) {
      const make = maker()
      let found: { chart: Chart; turn: Turn } | undefined
      while (found === undefined) {
        const chart = drawChart(kind(), lots)
        const turn = make(chart, wishes)
        if (turn !== undefined) found = { chart, turn }
      }
      const { chart, turn } = found
      yield { pictures: [await chartPicture(chart, lots)], turn: { ...turn, task: 'charts' } }
    }
  },
}

async function chartPicture(chart: Chart, lots: Lots) {
  return { bytes: await rasterise(chartSvg(chart, lots)), extension: 'png' } as const
}

function captionOf({ kind, parts }: Chart): string {
  if (kind === 'pie') return `A pie chart with ${joinList(parts.map(({ color }) => color))} slices.`
  const values = joinList(parts.map(({ name, value }) => `${name} ${value}`))
  return kind === 'bar'
    ? `A bar chart: ${values}.`
    : `A ${parts[0]?.color ?? ''} line chart: ${values}.`
}

/** Each part at its name and at its mark: the height of a mark is its value, and the name is what is asked for. */
function regionsOf(chart: Chart): Region[] {
  const said = (at: Region['at'], part: number) => ({ at, says: partWords(chart, part) })
  return [...namePlaces(chart).map(said), ...markPlaces(chart).map(said)]
}

/** `B 7 green tallest` */
function partWords({ kind, parts }: Chart, index: number): string {
  const { name, value, color } = parts[index] as Part
  const values = parts.map((part) => part.value)
  const [least, most] = HOW[kind]
  const how = value === Math.max(...values) ? most : value === Math.min(...values) ? least : ''
  return `${name} ${value} ${color} ${how}`.trimEnd()
}

type Maker = (chart: Chart, wishes: Wishes) => Turn | undefined

function askAbout(chart: Chart, wishes: Wishes, most: number): Turn[] {
  const turns: Turn[] = []
  for (const make of wishes.lots.shuffle(POOL)) {
    const turn = turns.length < most ? make(chart, wishes) : undefined
    if (turn && turns.every(({ question }) => question !== turn.question)) turns.push(turn)
  }
  return turns
}

const PARTS: Readonly<Record<ChartKind, string>> = { bar: 'bar', line: 'point', pie: 'slice' }

function partName({ kind }: Chart, { name }: Part): string {
  return kind === 'pie' ? `the ${name} slice` : `${PARTS[kind]} ${name}`
}

const value: Maker = (chart, { lots }) => {
  if (chart.kind === 'pie') return undefined
  const part = lots.pick(chart.parts)
  return {
    task: 'chart-value',
    question: `What is the value of ${partName(chart, part)}?`,
    form: 'word',
    answer: String(part.value),
    sentence: `The value of ${partName(chart, part)} is ${part.value}.`,
  }
}

/** The part with the largest or the smallest value. */
const extreme: Maker = (chart, { lots }) => {
  const isMost = lots.chance(0.5)
  const order = chart.parts.toSorted((a, b) => a.value - b.value)
  const part = (isMost ? order.at(-1) : order[0]) as Part
  const how = HOW[chart.kind][isMost ? 1 : 0]
  return {
    task: 'chart-extreme',
    question: `Which ${PARTS[chart.kind]} is the ${how}?`,
    form: 'word',
    answer: capitalise(part.name),
    sentence: `${capitalise(partName(chart, part))} is the ${how}.`,
  }
}

const HOW: Readonly<Record<ChartKind, readonly [string, string]>> = {
  bar: ['shortest', 'tallest'],
  line: ['lowest', 'highest'],
  pie: ['smallest', 'largest'],
}

const compare: Maker = (chart, { lots, isTrue }) => {
  const [a, b] = lots.sample(chart.parts, 2) as [Part, Part]
  if (a.value === b.value) return undefined
  const wants = isTrue()
  const [one, other] = a.value > b.value === wants ? [a, b] : [b, a]
  const how = chart.kind === 'pie' ? 'larger' : 'higher'
  const names = [partName(chart, one), partName(chart, other)] as const
  return verdict('chart-compare', `Is ${names[0]} ${how} than ${names[1]}?`, {
    isTrue: wants,
    yes: `${names[0]} is ${how} than ${names[1]}`,
    no: `${names[1]} is ${how} than ${names[0]}`,
  })
}

const count: Maker = ({ kind, parts }) => ({
  task: 'chart-count',
  question: `How many ${PARTS[kind]}s are there?`,
  form: 'word',
  answer: String(parts.length),
  sentence: `There are ${NUMBER_WORDS[parts.length] as string} ${PARTS[kind]}s.`,
})

const kind: Maker = ({ kind }, { lots }) => ({
  task: 'chart-kind',
  question: lots.pick(['What kind of chart is this?', 'What type of chart is shown?']),
  form: 'word',
  answer: `${capitalise(kind)} chart`,
  sentence: `This is ${withArticle(kind)} chart.`,
})

const color: Maker = (chart, { lots }) => {
  if (chart.kind === 'pie') return undefined
  const part = lots.pick(chart.parts)
  const thing = chart.kind === 'line' ? 'the line' : partName(chart, part)
  return {
    task: 'chart-color',
    question: `What color is ${thing}?`,
    form: 'word',
    answer: capitalise(part.color),
    sentence: `${capitalise(thing)} is ${part.color}.`,
  }
}

const choice: Maker = (chart, { lots, letter }) => {
  if (chart.kind === 'pie') return undefined
  const part = lots.pick(chart.parts)
  const wrong = lots.sample(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((number) => number !== part.value),
    3,
  )
  return choiceTurn('chart-choice', `What is the value of ${partName(chart, part)}?`, {
    right: String(part.value),
    wrong: wrong.map(String),
    letter: letter(),
  })
}

const json: Maker = ({ kind, parts }) =>
  kind === 'pie'
    ? undefined
    : jsonTurn(
        'Give the values as a JSON object.',
        Object.fromEntries(parts.map((part) => [part.name, part.value])),
      )

/** Whether one end of the line is above the other; their values always differ. */
const trend: Maker = ({ kind, parts }, { isTrue }) => {
  if (kind !== 'line') return undefined
  const [first, last] = [parts[0] as Part, parts.at(-1) as Part]
  const wants = isTrue()
  const [one, other] = last.value > first.value === wants ? [last, first] : [first, last]
  return verdict('chart-trend', `Is ${one.name} above ${other.name}?`, {
    isTrue: wants,
    yes: `${one.name} is above ${other.name}`,
    no: `${other.name} is above ${one.name}`,
  })
}

const describe: Maker = (chart, { lots }) => ({
  task: 'chart-caption',
  question: lots.pick([...OPEN_QUESTIONS, 'Describe the chart.']),
  form: 'own',
  answer: captionOf(chart),
})

const POOL: readonly Maker[] = [
  describe,
  value,
  value,
  extreme,
  extreme,
  compare,
  count,
  kind,
  color,
  choice,
  json,
  trend,
]

const TESTED: readonly Maker[] = [value, value, extreme, compare, count]
