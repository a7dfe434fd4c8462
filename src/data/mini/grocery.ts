/** Photographs of fruit, vegetables and cartons in shops: GroceryStoreDataset (MIT), its own train and test split. */
import { InputError } from '../../core/errors.ts'
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import {
  anyOf,
  coarseName,
  fineName,
  mayBeBeside,
  photographed,
  plural,
  type GroceryKind,
} from './grocery-products.ts'
import type { Lots } from './lots.ts'
import { groupBy, readAssetText, takeTurns } from './read-assets.ts'
import { refuse } from './refusals.ts'
import { jsonTurn } from './scene-json.ts'
import type { Negative, Wishes } from './scene-questions.ts'
import { wishesFrom } from './scenes.ts'
import { askedOpenly, capitalise, choiceTurn, verdict, type Turn } from './turn.ts'

export const grocery: Builder = {
  name: 'grocery',
  about: 'photographs of products in shops',
  folder: 'grocery',
  counts: { alignment: 700, instruction: 2000, test: 300 },

  async *alignment({ assets, lots, count }: BuildContext): AsyncGenerator<Captioned> {
    for (const photo of choosePhotos(readShop(assets, 'train').photos, lots, count)) {
      yield { picture: { file: photo.file }, caption: captionOf(photo, lots) }
    }
  },

  async *instruction({ assets, lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const shop = readShop(assets, 'train')
    const wishes = wishesFrom(lots)
    const brief = lots.deck([true, true, false])
    for (const photo of choosePhotos(shop.photos, lots, count)) {
      const isBrief = brief()
      const pool = isBrief ? MAKERS : [...MAKERS, refuse]
      const more = lots.sample(pool, lots.integer(3, 4))
      const turns = [named, ...more].map((make) => make(photo, wishes, shop))
      yield {
        pictures: [{ file: photo.file }],
        turns: lots.shuffle(turns.filter((turn) => turn !== undefined)),
        isBrief,
      }
    }
  },

  async *test({ assets, lots, count }: BuildContext): AsyncGenerator<Question> {
    const shop = readShop(assets, 'test')
    for (const [task, make] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const wishes = wishesFrom(own)
      let made = 0
      for (const photo of own.shuffle(shop.photos)) {
        const turn = made < count ? make(photo, wishes, shop) : undefined
        if (turn === undefined) continue
        made++
        yield { pictures: [{ file: photo.file }], turn: { ...turn, task } }
      }
    }
  },
}

type Photo = {
  readonly file: string
  readonly fine: string
  readonly coarse: string
  readonly name: string
  readonly kind: GroceryKind
  readonly about: string
}

type Shop = {
  readonly photos: readonly Photo[]
  readonly kinds: ReadonlyMap<string, GroceryKind>
  /** Fine classes by coarse class. */
  readonly varieties: ReadonlyMap<string, readonly string[]>
  /** The coarse names seen most often. */
  readonly popular: readonly string[]
}

const KINDS: Readonly<Record<string, GroceryKind>> = {
  Fruit: 'fruit',
  Vegetables: 'vegetable',
  Packages: 'package',
}

function readShop(assets: string, split: 'train' | 'test'): Shop {
  const classes = readAssetText(assets, 'grocery/classes.csv').trim().split(/\r?\n/).slice(1)
  const rows = classes.map(
    (line) => line.split(',') as [string, string, string, string, string, string],
  )
  const photos = readAssetText(assets, `grocery/${split}.txt`)
    .trim()
    .split(/\r?\n/)
    .map((line) => parsePhoto(line, rows))
  const described = new Map(rows.map((row) => [row[5], firstSentence(assets, row[5])]))
  const byName = groupBy(photos, ({ name }) => name).toSorted((a, b) => b.length - a.length)
  return {
    photos: photos.map((photo) => ({ ...photo, about: described.get(photo.about) as string })),
    kinds: new Map(photos.map(({ name, kind }) => [name, kind])),
    varieties: new Map(
      groupBy(rows, (row) => row[2]).map((group) => [
        group[0]?.[2] ?? '',
        group.map(([fine]) => fine),
      ]),
    ),
    popular: byName.slice(0, 10).map(([first]) => first?.name ?? ''),
  }
}

/** A line of a list, `path, fine class, coarse class`, with the class's row of classes.csv. */
function parsePhoto(line: string, rows: readonly (readonly string[])[]): Photo {
  const [path = '', id] = line.split(', ')
  const [fine, , coarse, , , about] = rows[Number(id)] ?? []
  const kind = KINDS[path.split('/')[1] ?? '']
  if (fine === undefined || coarse === undefined || about === undefined || kind === undefined) {
    throw new InputError(
      'INPUT_ASSET_DAMAGED',
      `data: grocery lists should hold "path, class, class" with classes of classes.csv, but one has "${line}"; take GroceryStoreDataset's files.`,
    )
  }
  return { file: `grocery/${path}`, fine, coarse, name: coarseName(coarse), kind, about }
}

function firstSentence(assets: string, path: string): string {
  const text = readAssetText(assets, `grocery${path}`)
    .replace(/^\ufeff/, '')
    .trim()
  return (/^.*?[.!](?=\s|$)/s.exec(text)?.[0] ?? text).replaceAll(/\s+/g, ' ')
}

function choosePhotos(photos: readonly Photo[], lots: Lots, count: number): Photo[] {
  const groups = groupBy(photos, ({ fine }) => fine).map((group) => lots.shuffle(group))
  return lots.shuffle(takeTurns(groups, count))
}

function captionOf({ fine, coarse, kind }: Photo, lots: Lots): string {
  const what = photographed(fine, coarse, kind)
  const frames = kind === 'package' ? ['A photo of', 'A carton of'] : ['A photo of', 'Some']
  return `${lots.pick(frames)} ${what}.`
}

type Maker = (photo: Photo, wishes: Wishes, shop: Shop) => Turn | undefined

const coarse: Maker = ({ name }) => ({
  task: 'grocery-coarse',
  question: 'What product is in the picture?',
  form: 'word',
  answer: capitalise(name),
  sentence: `The picture shows ${plural(name)}.`,
})

const named: Maker = (photo, wishes, shop) =>
  askedOpenly(coarse(photo, wishes, shop) as Turn, wishes.lots)

/** The variety, where there are several. */
const fine: Maker = ({ fine: own, coarse: group, kind, name }, _wishes, { varieties }) => {
  if ((varieties.get(group)?.length ?? 0) < 2) return undefined
  const called = fineName(own, kind)
  return {
    task: 'grocery-fine',
    question: `Which kind of ${name} is this?`,
    form: 'word',
    answer: capitalise(called),
    sentence: `This is ${called}.`,
  }
}

const kind: Maker = ({ kind: own, name }) => ({
  task: 'grocery-kind',
  question: 'Is this a fruit, a vegetable or a package?',
  form: 'word',
  answer: capitalise(own),
  sentence:
    own === 'package' ? `This is a package of ${name}.` : `${capitalise(anyOf(name))} is a ${own}.`,
})

function presenceOf(photo: Photo, wishes: Wishes, shop: Shop): Turn {
  const { lots, isTrue } = wishes
  const wants = isTrue()
  const asked = wants ? photo.name : absentName(photo, shop, lots)
  return verdict('presence-grocery', `Is there ${anyOf(asked)} in the picture?`, {
    isTrue: wants,
    yes: `there is ${anyOf(asked)}`,
    no: `there is no ${asked}`,
  })
}

/** The negatives of POPE: any class, one of those seen most, one of the same kind. */
function absentName(photo: Photo, { kinds, popular }: Shop, lots: Lots): string {
  const negative = lots.pick<Negative>(['random', 'popular', 'adversarial'])
  const all = [...kinds.keys()]
  const pools: Readonly<Record<Negative, readonly string[]>> = {
    random: all,
    popular,
    adversarial: all.filter((name) => kinds.get(name) === photo.kind),
  }
  const isAbsent = (name: string) => name !== photo.name && !mayBeBeside(photo.name, name)
  const pool = pools[negative].filter(isAbsent)
  return lots.pick(pool.length > 0 ? pool : all.filter(isAbsent))
}

const choice: Maker = (photo, { lots, letter }, { kinds }) => {
  const others = [...kinds.keys()].filter(
    (name) => name !== photo.name && !mayBeBeside(photo.name, name),
  )
  return choiceTurn('grocery-choice', 'Which product is in the picture?', {
    right: capitalise(photo.name),
    wrong: lots.sample(others, 3).map(capitalise),
    letter: letter(),
  })
}

const json: Maker = ({ name, kind: own }, { lots }) =>
  lots.chance(0.5)
    ? jsonTurn('Give the product and its kind as a JSON object.', { product: name, kind: own })
    : jsonTurn('Name the product in JSON with the key "product".', { product: name })

const caption: Maker = (photo, { lots }) => ({
  task: 'grocery-caption',
  question: 'Provide a one-sentence caption for the provided image.',
  form: 'own',
  answer: captionOf(photo, lots),
})

/** What is known of the product: the shop's own sentence. */
const about: Maker = (photo) => ({
  task: 'grocery-about',
  question: 'Describe this product in one sentence.',
  form: 'own',
  answer: photo.about,
})

const MAKERS: readonly Maker[] = [
  fine,
  fine,
  kind,
  presenceOf,
  presenceOf,
  choice,
  json,
  caption,
  about,
]

const TESTS: Readonly<Record<string, Maker>> = {
  'grocery-coarse': coarse,
  'grocery-fine': fine,
  'grocery-kind': kind,
  'grocery-choice': choice,
  'presence-grocery': presenceOf,
}
