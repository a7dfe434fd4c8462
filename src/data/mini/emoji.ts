/** Noto emoji (Apache-2.0) on plain backgrounds. One in five is kept for the test, where only its sort can be known. */
import { join } from 'node:path'
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import { EMOJI } from './emoji-names.ts'
import { hashText, type Lots } from './lots.ts'
import { layOn, SIDE } from './rasterise.ts'
import { groupBy, hasAsset, takeTurns } from './read-assets.ts'
import { jsonTurn } from './scene-json.ts'
import type { Wishes } from './scene-questions.ts'
import { wishesFrom } from './scenes.ts'
import type { Rgb } from './palette.ts'
import { capitalise, choiceTurn, verdict, withArticle, type Turn } from './turn.ts'

export const emoji: Builder = {
  name: 'emoji',
  about: 'icons of animals, food, vehicles, faces and more',
  folder: 'noto-emoji',
  counts: { alignment: 350, instruction: 250, test: 150 },

  async *alignment({ assets, lots, count }: BuildContext): AsyncGenerator<Captioned> {
    for (const icon of chooseIcons(assets, lots, { isTest: false, count })) {
      yield { picture: await iconPicture(assets, icon, lots), caption: captionOf(icon) }
    }
  },

  async *instruction({ assets, lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (const icon of chooseIcons(assets, lots, { isTest: false, count })) {
      const more = lots.sample(MAKERS, lots.integer(1, 2)).map((make) => make(icon, wishes))
      yield {
        pictures: [await iconPicture(assets, icon, lots)],
        turns: lots.shuffle([sort(icon, wishes), name(icon, wishes), ...more]),
        isBrief: brief(),
      }
    }
  },

  async *test({ assets, lots, count }: BuildContext): AsyncGenerator<Question> {
    for (const [task, make] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const wishes = wishesFrom(own)
      for (const icon of chooseIcons(assets, own, { isTest: true, count })) {
        const turn = { ...make(icon, wishes), task }
        yield { pictures: [await iconPicture(assets, icon, own)], turn }
      }
    }
  },
}

type Icon = { readonly file: string; readonly name: string; readonly sort: string }

const ICONS: readonly Icon[] = Object.entries(EMOJI).flatMap(([sort, lines]) =>
  lines
    .trim()
    .split('\n')
    .map((line) => {
      const [code, ...words] = line.trim().split(' ')
      return { file: `noto-emoji/emoji_u${code as string}.png`, name: words.join(' '), sort }
    }),
)

const SORTS: readonly string[] = Object.keys(EMOJI)
const HELD_OUT_SHARE = 5

/** By name, so that two drawings of a dog are on one side. */
const isHeldOut = ({ name }: Icon) => hashText(`emoji/${name}`) % HELD_OUT_SHARE === 0

type IconWish = { readonly isTest: boolean; readonly count: number }

function chooseIcons(assets: string, lots: Lots, { isTest, count }: IconWish): Icon[] {
  const there = ICONS.filter((icon) => isHeldOut(icon) === isTest && hasAsset(assets, icon.file))
  const groups = groupBy(there, (icon) => icon.sort).map((group) => lots.shuffle(group))
  return lots.shuffle(takeTurns(groups, count))
}

const BACKGROUNDS: readonly Rgb[] = [
  [255, 255, 255],
  [255, 255, 255],
  [230, 238, 250],
  [236, 246, 232],
  [250, 238, 226],
  [60, 64, 78],
]

async function iconPicture(assets: string, { file }: Icon, lots: Lots) {
  const side = lots.integer(110, 190)
  const at = { side, x: lots.integer(0, SIDE - side), y: lots.integer(0, SIDE - side) }
  const bytes = await layOn(join(assets, file), lots.pick(BACKGROUNDS), at)
  return { bytes, extension: 'png' } as const
}

const MASS =
  /^(?:.* )?(?:bread|bacon|broccoli|butter|corn|custard|falafel|flatbread|fondue|garlic|mate|oden|popcorn|rice|sake|salad|spaghetti|sushi)$/

/** `a red apple`, `grapes`, `cooked rice`. */
function phrase({ name }: Icon): string {
  const isPlural = /[^suo]s$|potatoes$/.test(name) && !/ (?:with|at) /.test(name)
  return isPlural || MASS.test(name) || name.startsWith('thumbs') ? name : withArticle(name)
}

function captionOf(icon: Icon): string {
  return `An icon of ${phrase(icon)}.`
}

type Maker = (icon: Icon, wishes: Wishes) => Turn

const name: Maker = (icon) => ({
  task: 'emoji-name',
  question: 'What does the icon show?',
  form: 'word',
  answer: capitalise(icon.name),
  sentence: `The icon shows ${phrase(icon)}.`,
})

const sort: Maker = (icon) => ({
  task: 'emoji-sort',
  question: 'What sort of thing is this icon?',
  form: 'word',
  answer: capitalise(icon.sort),
  sentence: `It is ${sortPhrase(icon.sort)}.`,
})

function sortPhrase(sort: string): string {
  return sort === 'food' || sort === 'clothing' ? sort : withArticle(sort)
}

const presence: Maker = (icon, { lots, isTrue }) => {
  const wants = isTrue()
  const asked = wants ? icon.sort : lots.pick(SORTS.filter((other) => !isLike(other, icon.sort)))
  return verdict('presence-emoji', `Is this ${sortPhrase(asked)}?`, {
    isTrue: wants,
    yes: `it is ${sortPhrase(asked)}`,
    no: `it is ${sortPhrase(icon.sort)}`,
  })
}

/** Sorts that share things: a drink is food to some, a person has a face and hands. */
function isLike(a: string, b: string): boolean {
  const near = [
    ['food', 'drink'],
    ['person', 'face', 'hand'],
    ['food', 'plant'],
    ['food', 'animal'],
  ]
  return a === b || near.some((group) => group.includes(a) && group.includes(b))
}

const choice: Maker = (icon, { lots, letter }) => {
  const others = SORTS.filter((other) => !isLike(other, icon.sort))
  return choiceTurn('emoji-choice', 'What sort of thing is this icon?', {
    right: capitalise(icon.sort),
    wrong: lots.sample(others, 3).map(capitalise),
    letter: letter(),
  })
}

const nameChoice: Maker = (icon, { lots, letter }) => {
  const others = ICONS.filter((other) => other.name !== icon.name && !isHeldOut(other))
  const wrong = new Set(lots.sample(others, 8).map((other) => capitalise(other.name)))
  return choiceTurn('emoji-name-choice', 'What does the icon show?', {
    right: capitalise(icon.name),
    wrong: [...wrong].slice(0, 3),
    letter: letter(),
  })
}

const json: Maker = (icon) =>
  jsonTurn('Describe the icon in JSON with the keys "name" and "sort".', {
    name: icon.name,
    sort: icon.sort,
  })

const MAKERS: readonly Maker[] = [presence, presence, choice, nameChoice, json]

const TESTS: Readonly<Record<string, Maker>> = { 'emoji-sort': sort, 'emoji-choice': choice }
