/** Photographs of clothes: the ten-class subset of the Clothing dataset (CC0), its own train and test split. */
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import type { Lots } from './lots.ts'
import { listAssets, takeTurns } from './read-assets.ts'
import { refuse } from './refusals.ts'
import { jsonTurn } from './scene-json.ts'
import type { Wishes } from './scene-questions.ts'
import { wishesFrom } from './scenes.ts'
import { askedOpenly, capitalise, choiceTurn, verdict, type Turn } from './turn.ts'

export const clothing: Builder = {
  name: 'clothing',
  about: 'photographs of clothes, one piece each',
  folder: 'clothing',
  counts: { alignment: 400, instruction: 1100, test: 372 },

  async *alignment({ assets, lots, count }: BuildContext): AsyncGenerator<Captioned> {
    for (const photo of choosePhotos(assets, lots, count)) {
      yield { picture: { file: photo.file }, caption: captionOf(photo) }
    }
  },

  async *instruction({ assets, lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (const photo of choosePhotos(assets, lots, count)) {
      const isBrief = brief()
      const pool = isBrief ? MAKERS : [...MAKERS, refuse]
      const more = lots.sample(pool, lots.integer(2, 3)).map((make) => make(photo, wishes))
      yield {
        pictures: [{ file: photo.file }],
        turns: lots.shuffle([askedOpenly(item(photo, wishes), lots), ...more]),
        isBrief,
      }
    }
  },

  async *test({ assets, lots, count }: BuildContext): AsyncGenerator<Question> {
    const photos = readPhotos(assets, 'test').flat()
    for (const [task, make] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const wishes = wishesFrom(own)
      for (const photo of own.sample(photos, count)) {
        yield { pictures: [{ file: photo.file }], turn: { ...make(photo, wishes), task } }
      }
    }
  },
}

type Piece = {
  /** The answer. */
  readonly name: string
  /** After `a photo of`. */
  readonly phrase: string
  readonly where: string
}

const PIECES: Readonly<Record<string, Piece>> = {
  dress: { name: 'dress', phrase: 'a dress', where: 'whole body' },
  hat: { name: 'hat', phrase: 'a hat', where: 'head' },
  longsleeve: { name: 'long-sleeve top', phrase: 'a long-sleeve top', where: 'upper body' },
  outwear: { name: 'outerwear', phrase: 'outerwear', where: 'upper body' },
  pants: { name: 'pants', phrase: 'a pair of pants', where: 'legs' },
  shirt: { name: 'shirt', phrase: 'a shirt', where: 'upper body' },
  shoes: { name: 'shoes', phrase: 'shoes', where: 'feet' },
  shorts: { name: 'shorts', phrase: 'a pair of shorts', where: 'legs' },
  skirt: { name: 'skirt', phrase: 'a skirt', where: 'legs' },
  't-shirt': { name: 'T-shirt', phrase: 'a T-shirt', where: 'upper body' },
}

const ALL = Object.values(PIECES)

type Photo = { readonly file: string; readonly piece: Piece }

function readPhotos(assets: string, split: 'train' | 'test'): Photo[][] {
  return Object.entries(PIECES).map(([folder, piece]) => {
    const path = `clothing/${split}/${folder}`
    return listAssets(assets, path).map((name) => ({ file: `${path}/${name}`, piece }))
  })
}

function choosePhotos(assets: string, lots: Lots, count: number): Photo[] {
  const groups = readPhotos(assets, 'train').map((group) => lots.shuffle(group))
  return lots.shuffle(takeTurns(groups, count))
}

function captionOf({ piece }: Photo): string {
  return `A photo of ${piece.phrase}.`
}

type Maker = (photo: Photo, wishes: Wishes) => Turn

const item: Maker = ({ piece }) => ({
  task: 'clothing',
  question: 'What piece of clothing is in the picture?',
  form: 'word',
  answer: capitalise(piece.name),
  sentence: `The picture shows ${piece.phrase}.`,
})

const where: Maker = ({ piece }) => ({
  task: 'clothing-body',
  question: 'Where is it worn: head, upper body, whole body, legs or feet?',
  form: 'word',
  answer: capitalise(piece.where),
  sentence: `It is worn on the ${piece.where}.`,
})

/** Whether it is some other piece; shirts with long sleeves are not asked about as tops, nor the reverse. */
const presence: Maker = ({ piece }, { lots, isTrue }) => {
  const wants = isTrue()
  const other = lots.pick(
    ALL.filter(({ name, where: place }) => name !== piece.name && place !== piece.where),
  )
  const { phrase } = wants ? piece : other
  return verdict('presence-clothing', `Does the picture show ${phrase}?`, {
    isTrue: wants,
    yes: `the picture shows ${phrase}`,
    no: `the picture shows ${piece.phrase}`,
  })
}

const choice: Maker = ({ piece }, { lots, letter }) => {
  const others = lots.sample(
    ALL.filter(({ name }) => name !== piece.name),
    3,
  )
  return choiceTurn('clothing-choice', 'Which piece of clothing is in the picture?', {
    right: capitalise(piece.name),
    wrong: others.map(({ name }) => capitalise(name)),
    letter: letter(),
  })
}

const json: Maker = ({ piece }) =>
  jsonTurn('Name the piece of clothing in JSON with the key "item".', { item: piece.name })

const caption: Maker = (photo) => ({
  task: 'clothing-caption',
  question: 'Provide a one-sentence caption for the provided image.',
  form: 'own',
  answer: captionOf(photo),
})

const MAKERS: readonly Maker[] = [where, presence, presence, choice, choice, json, caption]

const TESTS: Readonly<Record<string, Maker>> = {
  clothing: item,
  'clothing-choice': choice,
  'presence-clothing': presence,
}
