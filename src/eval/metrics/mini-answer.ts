/**
 * Short answers of every form that the mini model gives, compared with the truth in the form that the truth has.
 *
 * The form is that of all truths of a task: one odd truth and the task is read as text. Nothing here is lenient: an answer
 * that says more than was asked is wrong, as it would be to a program that reads it.
 */
import { isRow } from '../eval-file.ts'
import { optionLetter } from './option-letter.ts'
import { letterAt } from './choice-letter.ts'

export type AnswerForm = 'yes-no' | 'letter' | 'number' | 'box' | 'json' | 'text'

export type FormReading = {
  /** 0 or 1; of boxes, whether they overlap by half. */
  readonly score: number
  readonly read: string
  /** The answer can be read in its form at all. */
  readonly isValid: boolean
  /** Of boxes: intersection over union. */
  readonly overlap?: number
}

export type Truth = { readonly answer: string; readonly choices: readonly string[] }

export function formOf(truths: readonly Truth[]): AnswerForm {
  const all = (test: (truth: Truth) => boolean) => truths.every(test)
  if (all(({ answer }) => /^(?:yes|no)$/i.test(answer))) return 'yes-no'
  if (all(({ answer, choices }) => choices.length > 0 && /^[A-Z]$/.test(answer))) return 'letter'
  if (all(({ answer }) => readNumber(answer) !== null)) return 'number'
  if (all(({ answer }) => readBox(answer) !== null)) return 'box'
  return all(({ answer }) => isRow(readJsonValue(answer)) || Array.isArray(readJsonValue(answer)))
    ? 'json'
    : 'text'
}

export function readInForm(form: AnswerForm, answer: string, truth: Truth): FormReading {
  return READERS[form](answer, truth)
}

const READERS: { readonly [F in AnswerForm]: (answer: string, truth: Truth) => FormReading } = {
  'yes-no': (answer, truth) => {
    const word = plainText(answer)
    return {
      score: Number(word === plainText(truth.answer)),
      read: word,
      isValid: /^(?:yes|no)$/.test(word),
    }
  },
  letter: (answer, truth) => {
    const options = Object.fromEntries(truth.choices.map((choice, i) => [letterAt(i), choice]))
    const letter = optionLetter(answer, options)
    return { score: Number(letter === truth.answer), read: letter ?? '', isValid: letter !== null }
  },
  number: (answer, truth) => {
    const value = readNumber(answer)
    const isRight = value !== null && value === readNumber(truth.answer)
    return {
      score: Number(isRight),
      read: value === null ? '' : String(value),
      isValid: value !== null,
    }
  },
  box: (answer, truth) => {
    const [given, wanted] = [readBox(answer), readBox(truth.answer)]
    const overlap = given && wanted ? intersectionOverUnion(given, wanted) : 0
    return {
      score: Number(overlap >= 0.5),
      read: given?.join(', ') ?? '',
      isValid: given !== null,
      overlap,
    }
  },
  json: (answer, truth) => {
    const value = readJsonValue(answer)
    const isRight =
      value !== undefined && canonical(value) === canonical(readJsonValue(truth.answer))
    return {
      score: Number(isRight),
      read: value === undefined ? '' : canonical(value),
      isValid: value !== undefined,
    }
  },
  text: (answer, truth) => {
    const text = plainText(answer)
    // A task of mixed questions has numbers among its texts.
    const number = readNumber(truth.answer)
    const isNumber = number !== null && number === readNumber(answer)
    return {
      score: Number(isNumber || text === plainText(truth.answer)),
      read: text,
      isValid: text !== '',
    }
  },
}

/** Lower case, single spaces, no full stop at the end and no quotes around it. */
function plainText(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .replace(/[.!]+$/, '')
    .trim()
}

const NUMBER_WORDS = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen ' +
  'nineteen twenty'
).split(' ')

/** Digits, or a number word up to twenty. */
function readNumber(text: string): number | null {
  const plain = plainText(text)
  const place = NUMBER_WORDS.indexOf(plain)
  if (place >= 0) return place
  return /^-?\d+(?:\.\d+)?$/.test(plain) ? Number(plain) : null
}

export type Box = readonly [number, number, number, number]

/** `[x1, y1, x2, y2]`, from the top left, in shares of width and height. */
export function readBox(text: string): Box | null {
  const value = readJsonValue(text.trim().replace(/\.$/, ''))
  if (!Array.isArray(value) || value.length !== 4) return null
  const numbers = value.filter((item): item is number => typeof item === 'number')
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = numbers
  const isBox =
    numbers.length === 4 && numbers.every((n) => n >= 0 && n <= 1) && x1 <= x2 && y1 <= y2
  return isBox ? [x1, y1, x2, y2] : null
}

/** Area of the intersection over that of the union; 0 where both are empty. Source: Jaccard (1901). */
export function intersectionOverUnion(a: Box, b: Box): number {
  const area = ([x1, y1, x2, y2]: Box) => Math.max(0, x2 - x1) * Math.max(0, y2 - y1)
  const common: Box = [
    Math.max(a[0], b[0]),
    Math.max(a[1], b[1]),
    Math.min(a[2], b[2]),
    Math.min(a[3], b[3]),
  ]
  const union = area(a) + area(b) - area(common)
  return union === 0 ? 0 : area(common) / union
}

/** Undefined for what is not JSON. */
function readJsonValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Keys in order, so that the same content is the same text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isRow(value)) return JSON.stringify(value) ?? ''
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
}
