/** Microscope pictures of blood with a box around every cell: BCCD (MIT), its own train and test split. */
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import type { Lots } from './lots.ts'
import { readAssetText } from './read-assets.ts'
import { boxText, NUMBER_WORDS } from './scene-words.ts'
import { countTurn, type Things, type Wishes } from './scene-questions.ts'
import { wishesFrom } from './scenes.ts'
import type { Box } from './shapes.ts'
import { verdict, type Turn } from './turn.ts'

export const bloodCells: Builder = {
  name: 'blood-cells',
  about: 'microscope pictures of blood: cells to count and find',
  folder: 'bccd',
  counts: { alignment: 0, instruction: 100, test: 60 },

  async *alignment({ assets, lots, count }: BuildContext): AsyncGenerator<Captioned> {
    for (const slide of readSlides(assets, 'train', lots, count)) {
      yield { picture: { file: slide.file }, caption: captionOf(slide) }
    }
  },

  async *instruction({ assets, lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (const slide of readSlides(assets, 'train', lots, count)) {
      const turns = MAKERS.map((make) => make(slide, wishes)).filter((turn) => turn !== undefined)
      yield { pictures: [{ file: slide.file }], turns: lots.sample(turns, 4), isBrief: brief() }
    }
  },

  async *test({ assets, lots, count }: BuildContext): AsyncGenerator<Question> {
    const wishes = wishesFrom(lots)
    for (const slide of readSlides(assets, 'test', lots, count)) {
      for (const make of [platelets, manyRed]) {
        const turn = make(slide, wishes)
        if (turn) yield { pictures: [{ file: slide.file }], turn: { ...turn, task: 'blood-cells' } }
      }
    }
  },
}

type Cell = { readonly name: string; readonly box: Box }
type Slide = { readonly file: string; readonly side: number; readonly cells: readonly Cell[] }

function readSlides(assets: string, split: 'train' | 'test', lots: Lots, count: number): Slide[] {
  const names = readAssetText(assets, `bccd/ImageSets/Main/${split}.txt`).trim().split(/\s+/)
  const slides = names.map((name) =>
    parseSlide(
      `bccd/JPEGImages/${name}.jpg`,
      readAssetText(assets, `bccd/Annotations/${name}.xml`),
    ),
  )
  // A few lists have no red cells although the pictures are full of them: they were never finished.
  return lots.sample(
    slides.filter((slide) => numberOf(slide, 'RBC') > 0),
    count,
  )
}

/** Boxes are moved to the square that the picture is padded to, the shorter side by as much on both ends. */
function parseSlide(file: string, xml: string): Slide {
  const numberAt = (tag: string, text: string) =>
    Number(new RegExp(`<${tag}>(\\d+)<`).exec(text)?.[1])
  const [width, height] = [numberAt('width', xml), numberAt('height', xml)]
  const side = Math.max(width, height)
  const [dx, dy] = [(side - width) / 2, (side - height) / 2]
  const cells = [...xml.matchAll(/<object>.*?<name>(\w+)<.*?<\/object>/gs)].map(([text, name]) => {
    const [left, top] = [numberAt('xmin', text) + dx, numberAt('ymin', text) + dy]
    const [right, bottom] = [numberAt('xmax', text) + dx, numberAt('ymax', text) + dy]
    return { name: name as string, box: [left, top, right, bottom] as const }
  })
  return { file, side, cells }
}

function numberOf({ cells }: Slide, kind: string): number {
  return cells.filter(({ name }) => name === kind).length
}

const WHITE: Things = { one: 'white blood cell', many: 'white blood cells' }
const PLATELETS: Things = { one: 'platelet', many: 'platelets' }

function captionOf(slide: Slide): string {
  const number = numberOf(slide, 'WBC')
  const cells = number === 1 ? WHITE.one : WHITE.many
  return `A microscope picture of blood with ${NUMBER_WORDS[number] as string} ${cells}.`
}

type Maker = (slide: Slide, wishes: Wishes) => Turn | undefined

/** Up to six. */
function countOf(slide: Slide, kind: string, things: Things): Turn | undefined {
  const number = numberOf(slide, kind)
  return number > 6 ? undefined : { ...countTurn(things, number), task: 'blood-count' }
}

const platelets: Maker = (slide) => {
  const isTrue = numberOf(slide, 'Platelets') > 0
  return verdict('blood-platelets', 'Are there platelets in the picture?', {
    isTrue,
    yes: 'there are platelets',
    no: 'there are no platelets',
  })
}

/** Asked where the number is far from the limit. */
const manyRed: Maker = (slide) => {
  const number = numberOf(slide, 'RBC')
  if (number > 9 && number < 14) return undefined
  return verdict('blood-red', 'Are there more than eleven red blood cells?', {
    isTrue: number > 11,
    yes: 'there are more than eleven red blood cells',
    no: 'there are fewer red blood cells',
  })
}

const whiteBox: Maker = ({ side, cells }) => {
  const [white, ...others] = cells.filter(({ name }) => name === 'WBC')
  if (white === undefined || others.length > 0) return undefined
  return {
    task: 'blood-box',
    question:
      'Provide the bounding box coordinate of the region this sentence describes: the white blood cell.',
    form: 'own',
    answer: boxText(white.box, side),
  }
}

const kind: Maker = () => ({
  task: 'blood-kind',
  question: 'What is in the picture?',
  form: 'word',
  answer: 'Blood cells',
  sentence: 'The picture shows blood cells under a microscope.',
})

const MAKERS: readonly Maker[] = [
  (slide) => countOf(slide, 'WBC', WHITE),
  (slide) => countOf(slide, 'Platelets', PLATELETS),
  platelets,
  manyRed,
  whiteBox,
  kind,
]
