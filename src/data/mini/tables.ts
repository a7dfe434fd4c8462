/** Drawn tables of names and numbers. */
import type { BuildContext, Builder, Conversation, Question } from './builder.ts'
import { CHART_FONT, lineSvg } from './lettering.ts'
import type { Lots } from './lots.ts'
import { rasterise, SIDE, svgPage } from './rasterise.ts'
import { jsonTurn } from './scene-json.ts'
import type { Wishes } from './scene-questions.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import { choiceTurn, verdict, type Turn } from './turn.ts'

export const tables: Builder = {
  name: 'tables',
  about: 'small tables of names and numbers',
  counts: { alignment: 0, instruction: 120, test: 150 },

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (let i = 0; i < count; i++) {
      const table = drawTable(lots)
      const turns = lots.sample(MAKERS, lots.integer(4, 5)).map((make) => make(table, wishes))
      yield { pictures: [await tablePicture(table)], turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    const wishes = wishesFrom(lots)
    for (let i = 0; i < count; i++) {
      const table = drawTable(lots)
      const turn = { ...value(table, wishes), task: 'tables' }
      yield { pictures: [await tablePicture(table)], turn }
    }
  },
}

type Row = { readonly name: string; readonly value: number }
type Table = readonly Row[]

const NAMES = ['Tom', 'Ann', 'Max', 'Eva', 'Ben', 'Mia', 'Sam', 'Zoe', 'Leo', 'Amy', 'Jim', 'Kim']

function drawTable(lots: Lots): Table {
  const names = lots.sample(NAMES, lots.integer(2, 4))
  const values = lots.sample(
    Array.from({ length: 20 }, (_, i) => i + 1),
    names.length,
  )
  return names.map((name, i) => ({ name, value: values[i] as number }))
}

const TEXT_SIZE = 32
const [LEFT, RIGHT, HEIGHT] = [12, SIDE - 12, 50]

async function tablePicture(table: Table) {
  const top = (SIDE - HEIGHT * table.length) / 2
  const rules = Array.from(
    { length: table.length + 1 },
    (_, i) => `M${LEFT} ${top + HEIGHT * i}H${RIGHT}`,
  )
  const bottom = top + HEIGHT * table.length
  const columns = [LEFT, SIDE / 2 + 14, RIGHT].map((x) => `M${x} ${top}V${bottom}`)
  const lines = `<path d="${[...rules, ...columns].join('')}" stroke="black" stroke-width="2" fill="none"/>`
  const cells = table.map(({ name, value: number }, i) => {
    const y = top + HEIGHT * (i + 0.5)
    const style = { font: CHART_FONT, size: TEXT_SIZE, color: 'black', y }
    return (
      lineSvg({ ...style, text: name, x: (LEFT + SIDE / 2 + 14) / 2 }) +
      lineSvg({ ...style, text: String(number), x: (RIGHT + SIDE / 2 + 14) / 2 })
    )
  })
  const svg = svgPage(lines + cells.join(''), [255, 255, 255])
  return { bytes: await rasterise(svg), extension: 'png' } as const
}

type Maker = (table: Table, wishes: Wishes) => Turn

const value: Maker = (table, { lots }) => {
  const row = lots.pick(table)
  return {
    task: 'table-value',
    question: `Which number does ${row.name} have?`,
    form: 'word',
    answer: String(row.value),
    sentence: `${row.name} has ${row.value}.`,
  }
}

const owner: Maker = (table, { lots }) => {
  const row = lots.pick(table)
  return {
    task: 'table-name',
    question: `Who has ${row.value}?`,
    form: 'word',
    answer: row.name,
    sentence: `${row.name} has ${row.value}.`,
  }
}

const rows: Maker = (table) => ({
  task: 'table-rows',
  question: 'How many rows does the table have?',
  form: 'word',
  answer: String(table.length),
  sentence: `The table has ${NUMBER_WORDS[table.length] as string} rows.`,
})

const most: Maker = (table, { lots }) => {
  const isMost = lots.chance(0.5)
  const order = table.toSorted((a, b) => a.value - b.value)
  const row = (isMost ? order.at(-1) : order[0]) as Row
  const how = isMost ? 'largest' : 'smallest'
  return {
    task: 'table-extreme',
    question: `Who has the ${how} number?`,
    form: 'word',
    answer: row.name,
    sentence: `${row.name} has the ${how} number.`,
  }
}

const contains: Maker = (table, { lots, isTrue }) => {
  const wants = isTrue()
  const names = table.map(({ name }) => name)
  const name = lots.pick(wants ? names : NAMES.filter((other) => !names.includes(other)))
  return verdict('table-presence', `Is ${name} in the table?`, {
    isTrue: wants,
    yes: `${name} is in the table`,
    no: `${name} is not in the table`,
  })
}

const choice: Maker = (table, { lots, letter }) => {
  const row = lots.pick(table)
  const wrong = lots.sample(
    Array.from({ length: 20 }, (_, i) => i + 1).filter((number) => number !== row.value),
    3,
  )
  return choiceTurn('table-choice', `Which number does ${row.name} have?`, {
    right: String(row.value),
    wrong: wrong.map(String),
    letter: letter(),
  })
}

const json: Maker = (table) =>
  jsonTurn(
    'Give the table as a JSON object.',
    Object.fromEntries(table.map((row) => [row.name, row.value])),
  )

const MAKERS: readonly Maker[] = [value, value, owner, rows, most, contains, choice, json]
