/**
 * MMMU's reading of free answers.
 *
 * Source: MMMU-Benchmark/MMMU mmmu/utils/eval_utils.py at bb0b95a, and lmms-eval tasks/mmmu/utils.py at 02bc1c0, which also
 * looks for `A.` and does not ask for a space before a letter: in `NASA said so`, the last A of NASA is an option.
 */
import {
  parsePythonFloat,
  pythonRound,
  pythonStrip,
  pythonWords,
  stripMark,
} from '../python-text.ts'
import { letterAt } from './choice-letter.ts'

export type Choice = {
  readonly letter: string
  /** Nothing was found, and the letter is drawn: the official rule, which gives answers without one a chance. */
  readonly isGuess: boolean
}

/** Whose script reads: the benchmark's own, or lmms-eval's, by which most published scores were made. */
export type ChoiceForm = 'mmmu' | 'lmms-eval'

/** What draws: `integer(n)` is below n. */
export type Draw = { integer(bound: number): number }

/** The option that `response` names; of several, the one named last. `options` are in order, A first. */
export function mmmuChoice(
  response: string,
  options: readonly string[],
  draw: Draw,
  form: ChoiceForm = 'lmms-eval',
): Choice {
  const letters = options.map((_, i) => letterAt(i))
  const named = mmmuLetter(response, options, form)
  if (named !== null) return { letter: named, isGuess: false }
  return { letter: letters[draw.integer(letters.length)] ?? 'A', isGuess: true }
}

/** The same without drawing: null where no option is named. */
export function mmmuLetter(
  response: string,
  options: readonly string[],
  form: ChoiceForm = 'lmms-eval',
): string | null {
  const letters = options.map((_, i) => letterAt(i))
  let text = response
  for (const mark of [',', '.', '!', '?', ';', ':', "'"]) text = stripMark(text, mark)
  text = ` ${text} `
  for (const { found, placed } of FORMS[form]) {
    const named = letters.filter((letter) => text.includes(found(letter)))
    const last = lastNamed(named, (letter) => text.lastIndexOf(placed(letter)))
    if (last !== undefined) return last
  }
  if (pythonWords(text).length <= 5) return null
  return lastOption(text, letters, options) ?? null
}

type LetterForm = {
  readonly found: (letter: string) => string
  readonly placed: (letter: string) => string
}

const inBrackets = (letter: string) => `(${letter})`
const alone = (letter: string) => ` ${letter} `

/** In which forms a letter is looked for, one after the other, and by which its place is told. */
const FORMS: Readonly<Record<ChoiceForm, readonly LetterForm[]>> = {
  mmmu: [
    { found: inBrackets, placed: inBrackets },
    { found: alone, placed: alone },
  ],
  'lmms-eval': [
    { found: inBrackets, placed: inBrackets },
    { found: (letter) => `${letter} `, placed: alone },
    { found: (letter) => `${letter}.`, placed: alone },
  ],
}

/** 1 if an answer read from `response` is, or contains, one of the accepted ones. */
export function mmmuOpen(response: string, accepted: readonly string[]): number {
  return mmmuOpenRead(mmmuOpenAnswers(response), accepted)
}

/** The same of what was read already. */
export function mmmuOpenRead(
  read: readonly (string | number)[],
  accepted: readonly string[],
): number {
  const wanted = accepted.flatMap(normalise)
  const isRight = read.some((given) =>
    typeof given === 'number'
      ? wanted.includes(given)
      : wanted.some((want) => typeof want === 'string' && given.includes(want)),
  )
  return isRight ? 1 : 0
}

/** What `response` may be saying: the ends of its telling sentences, and every number in them to two decimals. */
export function mmmuOpenAnswers(response: string): (string | number)[] {
  const ends = keyEnds(response)
  return [...new Set([...ends, ...ends.flatMap(numbersIn)].flatMap(normalise))]
}

function lastOption(
  text: string,
  letters: readonly string[],
  options: readonly string[],
): string | undefined {
  const lower = text.toLowerCase()
  const place = new Map(
    letters.map((letter, i) => [letter, lower.lastIndexOf((options[i] ?? '').toLowerCase())]),
  )
  const named = letters.filter((letter) => (place.get(letter) ?? -1) >= 0)
  return lastNamed(named, (letter) => place.get(letter) ?? -1)
}

/** The first of those furthest right. */
function lastNamed(
  named: readonly string[],
  place: (letter: string) => number,
): string | undefined {
  let best = named[0]
  for (const letter of named) if (best !== undefined && place(letter) > place(best)) best = letter
  return best
}

const INDICATORS = [
  'could be ',
  'so ',
  'is ',
  'thus ',
  'therefore ',
  'final ',
  'answer ',
  'result ',
]
const TRIVIAL = [':', ',', '.', '!', '?', ';', "'"]

/** Of every line, the shortest tail behind an indicator; of the last line, also behind `=`. Without any, all of it. */
function keyEnds(response: string): string[] {
  // The official script also splits at `. ` before a capital, but has lowered the text by then: that never matches.
  const text = stripMark(pythonStrip(response), '.').toLowerCase()
  const lines = text.split('\n')
  const ends = lines.flatMap((line, i) => {
    const indicators = i === lines.length - 1 ? [...INDICATORS, '='] : INDICATORS
    let shortest = ''
    for (const indicator of indicators) {
      if (!line.includes(indicator)) continue
      const tail = pythonStrip(line.slice(line.lastIndexOf(indicator) + indicator.length))
      if (shortest === '' || tail.length < shortest.length) shortest = tail
    }
    return shortest === '' || TRIVIAL.includes(shortest) ? [] : [shortest]
  })
  return ends.length > 0 ? ends : [text]
}

const GROUPED = /-?\b\d{1,3}(?:,\d{3})+\b/g
const SCIENTIFIC = /-?\d+(?:\.\d+)?[eE][+-]?\d+/g
const SIMPLE = /-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])/g

function numbersIn(text: string): string[] {
  return [GROUPED, SCIENTIFIC, SIMPLE].flatMap((form) => text.match(form) ?? [])
}

/** A number to two decimals, or a lower-case text; a single letter only with a space beside it. */
function normalise(text: string): (string | number)[] {
  const plain = pythonStrip(text)
  const value = parsePythonFloat(plain.replaceAll(',', ''))
  if (value !== null) return [Number.isFinite(value) ? pythonRound(value, 2) : value]
  const lower = plain.toLowerCase()
  return [...lower].length === 1 ? [` ${lower}`, `${lower} `] : [lower]
}
