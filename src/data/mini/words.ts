/** Drawn words and numbers, with questions about how they read. */
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import { drawFont, fitSize, lineSvg, type Font } from './lettering.ts'
import type { Lots } from './lots.ts'
import { colorsOn, cssColor, drawBackground, shadeOf, type Rgb } from './palette.ts'
import { rasterise, SIDE, svgPage } from './rasterise.ts'
import { jsonTurn } from './scene-json.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import type { Wishes } from './scene-questions.ts'
import { capitalise, choiceTurn, joinList, verdict, type Turn } from './turn.ts'
import { HELD_OUT_WORDS, TRAINED_WORDS } from './word-list.ts'

export const words: Builder = {
  name: 'words',
  about: 'drawn words and numbers to read and spell',
  counts: { alignment: 500, instruction: 1300, test: 200 },

  async *alignment({ lots, count }: BuildContext): AsyncGenerator<Captioned> {
    const lexicon = new Lexicon(lots, TRAINED_WORDS)
    for (let i = 0; i < count; i++) {
      const page = drawPage(lots, drawTexts(lots, lexicon))
      yield { picture: await pagePicture(page), caption: captionOf(page) }
    }
  },

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const lexicon = new Lexicon(lots, TRAINED_WORDS)
    const brief = lots.deck([true, true, true, false])
    for (let i = 0; i < count; i++) {
      const page = drawPage(lots, drawTexts(lots, lexicon))
      const turns = askAbout(page, wishes, lexicon)
      yield { pictures: [await pagePicture(page)], turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    for (const [task, draw] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const next = draw(own, wishesFrom(own))
      for (let i = 0; i < count; i++) {
        const { page, turn } = next()
        yield { pictures: [await pagePicture(page)], turn: { ...turn, task } }
      }
    }
  },
}

/** A line on the page: what is written, and in which colour. */
type Written = { readonly text: string; readonly color: string }
type Page = { readonly lines: readonly Written[]; readonly svg: string }

/** Draws words evenly over their lengths, and now and then letters that are no word. */
class Lexicon {
  readonly words: readonly string[]
  readonly #lots: Lots
  readonly #length: () => number
  readonly #decks = new Map<number, () => string>()

  constructor(lots: Lots, words: readonly string[], lengths = LENGTHS) {
    this.words = words
    this.#lots = lots
    this.#length = lots.deck(lengths)
  }

  next(): string {
    const length = this.#length()
    if (length <= 2 || this.#lots.chance(0.07))
      return randomLetters(this.#lots, Math.min(length, 5))
    return this.ofLength(length)
  }

  ofLength(length: number): string {
    let deck = this.#decks.get(length)
    if (deck === undefined) {
      deck = this.#lots.deck(this.words.filter((word) => word.length === length))
      this.#decks.set(length, deck)
    }
    return deck()
  }

  /** Words that are easily taken for `word`: of its length, most letters alike first. */
  similar(word: string, count: number): string[] {
    const pool = this.words.filter((other) => other.length === word.length && other !== word)
    const alike = (other: string) => [...other].filter((letter, i) => letter === word[i]).length
    const some = this.#lots.sample(pool, 60).toSorted((a, b) => alike(b) - alike(a))
    while (some.length < count) {
      const made = randomLetters(this.#lots, word.length)
      if (made !== word && !some.includes(made)) some.push(made)
    }
    return some.slice(0, count)
  }
}

const LENGTHS: readonly number[] = [1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 8]
const TEST_LENGTHS: readonly number[] = [3, 4, 5, 6]

/** Letters that no font here makes look like others: neither l nor i. */
function randomLetters(lots: Lots, length: number): string {
  return Array.from({ length }, () => lots.pick([...'abcdefghjkmnopqrstuvwxyz'])).join('')
}

type Texts = { readonly kind: 'word' | 'number'; readonly texts: readonly string[] }

function drawTexts(lots: Lots, lexicon: Lexicon): Texts {
  const sort = lots.pick(['word', 'word', 'word', 'two', 'number'] as const)
  if (sort === 'number') return { kind: 'number', texts: [drawNumber(lots)] }
  const texts = [lexicon.next()]
  for (let second = ''; sort === 'two' && texts.length < 2;) {
    second = lexicon.next()
    if (second !== texts[0]) texts.push(second)
  }
  return { kind: 'word', texts: texts.map((text) => setCase(text, lots)) }
}

function drawNumber(lots: Lots): string {
  const digits = lots.integer(1, 4)
  return String(
    digits === 1 ? lots.integer(0, 9) : lots.integer(10 ** (digits - 1), 10 ** digits - 1),
  )
}

/** As written, with a capital, or all capitals. A single letter is a capital: by itself, c may as well be C. */
function setCase(text: string, lots: Lots): string {
  if (text.length === 1) return text.toUpperCase()
  const how = lots.pick(['lower', 'lower', 'capital', 'upper'] as const)
  if (how === 'lower') return text
  return how === 'upper' ? text.toUpperCase() : capitalise(text)
}

function drawPage(lots: Lots, { texts }: Texts): Page {
  const background = drawBackground(lots)
  // Pale letters on white are there, but nobody would write so.
  const colors = colorsOn(background).filter((name) => !(isLight(background) && name === 'yellow'))
  const font = drawFont(lots)
  const inks = lots.sample(colors, texts.length)
  const lines = texts.map((text, i) => {
    const band = SIDE / texts.length
    return writeLine({ text, font, color: inks[i] as string, top: band * i, band }, lots)
  })
  const written = texts.map((text, i) => ({ text, color: inks[i] as string }))
  return { lines: written, svg: svgPage(lines.join(''), background) }
}

type LineWish = {
  readonly text: string
  readonly font: Font
  readonly color: string
  readonly top: number
  readonly band: number
}

function writeLine({ text, font, color, top, band }: LineWish, lots: Lots): string {
  const most = lots.uniform(38, Math.min(84, band * 0.7))
  const size = fitSize({ text, font }, { least: 8, most, width: SIDE - 16 }) as number
  const half = (Math.min(SIDE - 16, size * text.length * 0.8) / 2) as number
  const x = half + 8 < SIDE - half - 8 ? lots.uniform(half + 8, SIDE - half - 8) : SIDE / 2
  const y = lots.uniform(top + size * 0.6, top + band - size * 0.6)
  return lineSvg({ text, font, size, color: cssColor(shadeOf(color, lots)), x, y })
}

async function pagePicture({ svg }: Page) {
  return { bytes: await rasterise(svg), extension: 'png' } as const
}

function captionOf({ lines }: Page): string {
  const parts = lines.map(({ text, color }) => `"${text}" in ${color}`)
  const noun =
    lines.length > 1 ? 'words' : isNumber(lines[0]?.text) ? 'number' : wordOf(lines[0]?.text)
  return `The ${noun} ${joinList(parts)}.`
}

const isNumber = (text = '') => /^\d+$/.test(text)
const wordOf = (text = '') => (text.length === 1 ? 'letter' : 'word')

/** Three to five questions; reading is always among them. */
function askAbout({ lines }: Page, wishes: Wishes, lexicon: Lexicon): Turn[] {
  const { lots } = wishes
  const [first, second] = lines as [Written, Written | undefined]
  if (second !== undefined) return askAboutTwo([first, second], wishes, lexicon)
  if (isNumber(first.text)) return askAboutNumber(first, wishes)
  const made = [letterAt, letterAt, ink, length, yesNo, choose, inJson]
    .map((make) => make(first, wishes, lexicon))
    .filter((turn) => turn !== undefined)
  const rest = [spell(first, wishes, lexicon), ...lots.sample(made, lots.integer(1, 3))]
  return lots.shuffle([readWord(first), ...rest.filter((turn) => turn !== undefined)])
}

function readWord({ text }: Written): Turn {
  const noun = wordOf(text)
  return {
    task: 'words',
    question: `What ${noun} is written in the picture?`,
    form: 'word',
    answer: text,
    sentence: `The ${noun} is "${text}".`,
  }
}

type WordMaker = (line: Written, wishes: Wishes, lexicon: Lexicon) => Turn | undefined

const spell: WordMaker = ({ text }) => {
  if (text.length < 2) return undefined
  const answer = [...text].join(' ')
  return { task: 'spelling', question: 'Spell the word letter by letter.', form: 'own', answer }
}

const ORDINALS = ['first', 'second', 'third', 'fourth'] as const

const letterAt: WordMaker = ({ text }, { lots }) => {
  if (text.length < 2) return undefined
  const isLast = lots.chance(0.3)
  const place = lots.integer(0, Math.min(text.length, ORDINALS.length) - 1)
  const which = isLast ? 'last' : (ORDINALS[place] as string)
  const letter = (isLast ? text.at(-1) : text[place]) as string
  return {
    task: 'letters',
    question: `What is the ${which} letter?`,
    form: 'word',
    answer: letter,
    sentence: `The ${which} letter is "${letter}".`,
  }
}

const ink: WordMaker = ({ text, color }) => {
  const noun = isNumber(text) ? 'number' : wordOf(text)
  return {
    task: 'word-color',
    question: `What color is the ${noun}?`,
    form: 'word',
    answer: capitalise(color),
    sentence: `The ${noun} is ${color}.`,
  }
}

const length: WordMaker = ({ text }) => {
  if (text.length < 2) return undefined
  return {
    task: 'word-length',
    question: 'How many letters does the word have?',
    form: 'word',
    answer: String(text.length),
    sentence: `The word has ${NUMBER_WORDS[text.length] as string} letters.`,
  }
}

const yesNo: WordMaker = ({ text }, { isTrue }, lexicon) => {
  const wants = isTrue()
  const asked = wants ? text : likeCase(lexicon.similar(text.toLowerCase(), 1)[0] as string, text)
  return verdict('word-presence', `Does the picture say "${asked}"?`, {
    isTrue: wants,
    yes: `it says "${text}"`,
    no: `it says "${text}"`,
  })
}

const choose: WordMaker = ({ text }, { letter }, lexicon) => {
  const wrong = lexicon.similar(text.toLowerCase(), 3).map((word) => likeCase(word, text))
  return choiceTurn('word-choice', 'What is written in the picture?', {
    right: text,
    wrong,
    letter: letter(),
  })
}

const inJson: WordMaker = ({ text, color }, { lots }) =>
  lots.chance(0.5)
    ? jsonTurn('Give the text and its color as a JSON object.', { text, color })
    : jsonTurn('Give the text in JSON with the key "text".', { text })

function likeCase(word: string, model: string): string {
  if (model.length > 1 && model === model.toUpperCase()) return word.toUpperCase()
  return model[0] === model[0]?.toUpperCase() ? capitalise(word) : word
}

function askAboutNumber(line: Written, wishes: Wishes): Turn[] {
  const { lots, isTrue, letter } = wishes
  const value = Number(line.text)
  const wants = isTrue()
  // A number that could be meant, on the side that the wanted answer needs.
  const other = wants ? lots.integer(0, Math.max(0, value - 1)) : value + lots.integer(1, value + 5)
  const isClear = !wants || value > 0
  const wrong = nearNumbers(value, lots)
  const more = [
    ...(isClear ? [largerThan(value, other, wants)] : []),
    ink(line, wishes, new Lexicon(lots, [])) as Turn,
    choiceTurn('number-choice', 'Which number is in the picture?', {
      right: line.text,
      wrong,
      letter: letter(),
    }),
    jsonTurn('Give the number in JSON with the key "number".', { number: value }),
    digits(line.text),
  ]
  return lots.shuffle([readNumber(line), ...lots.sample(more, lots.integer(2, 4))])
}

function readNumber({ text }: Written): Turn {
  return {
    task: 'numbers',
    question: 'What number is written in the picture?',
    form: 'word',
    answer: text,
    sentence: `The number is ${text}.`,
  }
}

function largerThan(value: number, other: number, isTrue: boolean): Turn {
  return verdict('number-compare', `Is the number larger than ${other}?`, {
    isTrue,
    yes: `${value} is larger than ${other}`,
    no: `${value} is smaller than ${other}`,
  })
}

function digits(text: string): Turn {
  return {
    task: 'digits',
    question: 'How many digits does the number have?',
    form: 'word',
    answer: String(text.length),
    sentence: `The number has ${NUMBER_WORDS[text.length] as string} ${text.length === 1 ? 'digit' : 'digits'}.`,
  }
}

/** Three other numbers with as many digits, alike where that can be. */
function nearNumbers(value: number, lots: Lots): string[] {
  const text = String(value)
  const found = new Set<string>()
  while (found.size < 3) {
    const changed = lots.integer(0, text.length - 1)
    const digit = String(lots.integer(changed === 0 && text.length > 1 ? 1 : 0, 9))
    const other = text.slice(0, changed) + digit + text.slice(changed + 1)
    if (other !== text) found.add(other)
  }
  return [...found]
}

function askAboutTwo(lines: readonly [Written, Written], wishes: Wishes, lexicon: Lexicon): Turn[] {
  const { lots, isTrue } = wishes
  const wants = isTrue()
  const asked = wants
    ? lots.pick(lines).text
    : (lexicon.similar(lines[0].text.toLowerCase(), 1)[0] as string)
  const isThere = lines.some(({ text }) => text.toLowerCase() === asked.toLowerCase())
  const more = [
    verdict('word-presence', `Is the word "${asked}" in the picture?`, {
      isTrue: isThere,
      yes: `it says "${asked}"`,
      no: `it does not say "${asked}"`,
    }),
    colorOfLine(lines, lots),
    whichIs(lines, lots),
    jsonTurn(
      'List the words from top to bottom as a JSON array.',
      lines.map(({ text }) => text),
    ),
  ]
  return lots.shuffle([
    readAt(lines, 0),
    readAt(lines, 1),
    ...lots.sample(more, lots.integer(1, 2)),
  ])
}

function readAt(lines: readonly [Written, Written], place: 0 | 1): Turn {
  const where = place === 0 ? 'top' : 'bottom'
  return {
    task: 'word-place',
    question: `What is written at the ${where}?`,
    form: 'word',
    answer: lines[place].text,
    sentence: `At the ${where} it says "${lines[place].text}".`,
  }
}

function colorOfLine(lines: readonly [Written, Written], lots: Lots): Turn {
  const place = lots.pick([0, 1] as const)
  const where = place === 0 ? 'top' : 'bottom'
  return {
    task: 'word-color',
    question: `What color is the word at the ${where}?`,
    form: 'word',
    answer: capitalise(lines[place].color),
    sentence: `The word at the ${where} is ${lines[place].color}.`,
  }
}

function whichIs(lines: readonly [Written, Written], lots: Lots): Turn {
  const { text, color } = lots.pick(lines)
  return {
    task: 'word-place',
    question: `Which word is ${color}?`,
    form: 'word',
    answer: text,
    sentence: `The word "${text}" is ${color}.`,
  }
}

function isLight([r, g, b]: Rgb): boolean {
  return r + g + b > 380
}

type Drawn = { readonly page: Page; readonly turn: Turn }
type TestMaker = (lots: Lots, wishes: Wishes) => () => Drawn

/** One word in one line; `lexicon` says which. */
function readTest(list: readonly string[]): TestMaker {
  return (lots) => {
    const lexicon = new Lexicon(lots, list)
    const length = lots.deck(TEST_LENGTHS)
    return () => {
      const text = setCase(lexicon.ofLength(length()), lots)
      const page = drawPage(lots, { kind: 'word', texts: [text] })
      return { page, turn: readWord(page.lines[0] as Written) }
    }
  }
}

const TESTS: Readonly<Record<string, TestMaker>> = {
  words: readTest(TRAINED_WORDS),
  'words-unseen': readTest(HELD_OUT_WORDS),
  numbers: (lots) => () => {
    const page = drawPage(lots, { kind: 'number', texts: [drawNumber(lots)] })
    return { page, turn: readNumber(page.lines[0] as Written) }
  },
  'word-presence': (lots, wishes) => {
    const lexicon = new Lexicon(lots, TRAINED_WORDS, TEST_LENGTHS)
    return () => {
      const text = setCase(lexicon.ofLength(lots.pick(TEST_LENGTHS)), lots)
      const page = drawPage(lots, { kind: 'word', texts: [text] })
      return { page, turn: yesNo(page.lines[0] as Written, wishes, lexicon) as Turn }
    }
  },
}
