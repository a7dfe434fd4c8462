/** Questions about drawn words and numbers. */
import { Lexicon } from './lexicon.ts'
import type { Lots } from './lots.ts'
import { jsonTurn } from './scene-json.ts'
import type { Wishes } from './scene-questions.ts'
import { NUMBER_WORDS } from './scene-words.ts'
import { capitalise, choiceTurn, joinList, verdict, type Turn } from './turn.ts'
import type { Page, Written } from './word-page.ts'

/** One sentence: `The word "apple" in red.` */
export function captionOf({ lines }: Page): string {
  const parts = lines.map(({ text, color }) => `"${text}" in ${color}`)
  const noun =
    lines.length > 1 ? 'words' : isNumber(lines[0]?.text) ? 'number' : wordOf(lines[0]?.text)
  return `The ${noun} ${joinList(parts)}.`
}

const isNumber = (text = '') => /^\d+$/.test(text)
const wordOf = (text = '') => (text.length === 1 ? 'letter' : 'word')

/** Three to five questions; reading is always among them. */
export function askAbout({ lines }: Page, wishes: Wishes, lexicon: Lexicon): Turn[] {
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

export function readWord({ text }: Written): Turn {
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

export const yesNo: WordMaker = ({ text }, { isTrue }, lexicon) => {
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

export function readNumber({ text }: Written): Turn {
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
