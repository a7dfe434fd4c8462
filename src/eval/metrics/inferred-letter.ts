/**
 * Letters of options as VLMEvalKit and lmms-eval infer them from free answers before they ask a judge. What these leave open is
 * theirs to ask; here it is unreadable.
 */
import { pythonStrip, pythonWords, stripMark } from '../python-text.ts'

export type Options = Readonly<Record<string, string>>

/** Answers that say they are none. */
const FAILURE = 'Failed to obtain answer via API'
const REFUSALS = [
  "Sorry, I can't help with images of people yet.",
  "I can't process this file.",
  "I'm sorry, but without the image provided",
  'Cannot determine the answer',
]

/** No option: wrong, but read. */
const NONE = 'Z'

/**
 * VLMEvalKit's reading, which MMBench's server begins with as well: without marks, the only letter of an option among the words,
 * and one of the last four of them or the first of few; else the letter behind `answer is`; else the only option whose text
 * occurs in an answer that is no longer than all options twice. `null` where a judge is asked.
 * Source: open-compass/VLMEvalKit vlmeval/utils/matching_util.py at e8e78f0, can_infer.
 */
export function inferredLetter(answer: string, options: Options): string | null {
  return letterAmongWords(answer, Object.keys(options)) ?? onlyOption(answer, options, 2)
}

function letterAmongWords(answer: string, letters: readonly string[]): string | null {
  if (answer.includes(FAILURE)) return null
  if (REFUSALS.some((refusal) => answer.includes(refusal))) return NONE
  const words = pythonWords(answer.replaceAll(/[.()[\],:;!*#{}]/g, ' '))
  const [letter, ...others] = letters.filter((one) => words.includes(one))
  if (letter !== undefined && others.length === 0 && words.indexOf(letter) > words.length - 5) {
    return letter
  }
  if (letter === undefined && words.includes(NONE)) return NONE
  const said = /(?:correct\s+)?answer\s+is\s+\**([ABCD])\**/i.exec(answer)?.[1]?.toUpperCase()
  return said !== undefined && letters.includes(said) ? said : null
}

function onlyOption(answer: string, options: Options, mostTimes: number): string | null {
  const lower = answer.toLowerCase()
  const texts = Object.entries(options)
  const most = mostTimes * texts.reduce((sum, [, text]) => sum + [...text].length, 0)
  if ([...lower].length > most) return null
  const [found, ...others] = texts.filter(([, text]) => lower.includes(text.toLowerCase()))
  return found !== undefined && others.length === 0 ? found[0] : null
}

/** What stands before and behind a letter, in the order in which it is looked for. */
const AROUND: readonly (readonly [string, string])[] = [
  ['', '.'],
  ['', ','],
  ['', ':'],
  ['', ')'],
  ['', ').'],
  ['(', ')'],
  ['(', ').'],
  [':', ''],
  [':', ','],
  [':', '.'],
  [':', ')'],
  [':', ').'],
]

/**
 * lmms-eval's reading of MMBench: the only letter A to E that is a word, unless an A among more than three words may be the
 * article; else the only one with marks around it; else the only option whose text occurs, and where that says nothing
 * `mentionedLetter`, as its tasks without a judge do. Options that are missing are called `nan` there, and a banana names one.
 * Source: lmms-eval tasks/mmbench/mmbench_evals.py at 75571cf, can_infer and eval_sub_data.
 */
export function mmbenchLetter(answer: string, options: Options): string {
  const known = letterWithMarks(answer) ?? onlyOption(answer, options, Infinity)
  return known ?? mentionedLetter(answer, Object.keys(options).sort())
}

function letterWithMarks(answer: string): string | null {
  if (answer.includes(FAILURE)) return null
  const words = pythonWords(answer)
  const only = (before: string, behind: string) => {
    const found = [...'ABCDE'].filter((letter) => words.includes(`${before}${letter}${behind}`))
    return found.length === 1 ? (found[0] ?? null) : null
  }
  const isArticle = words.includes('A') && words.length > 3
  const alone = isArticle ? null : only('', '')
  if (alone !== null) return alone
  for (const [before, behind] of AROUND) {
    const letter = only(before, behind)
    if (letter !== null) return letter
  }
  return null
}

const PHRASES = [
  'the answer is',
  'answer is',
  'the correct answer is',
  'correct answer is',
  'the best answer is',
  'best answer is',
  'the correct option is',
  'correct option is',
  'the best option is',
  'best option is',
  'the choice is',
  'choice is',
  'the correct choice is',
  'correct choice is',
  'i choose',
  'i select',
  'i pick',
  'my answer is',
  'my choice is',
  '옵션',
  '정답은',
  '답은',
  '답:',
  '答案是',
  '答案为',
  '选',
  '答えは',
]

/** Of a letter that was found: how much that form tells, and its place. */
type Mention = { readonly letter: string; readonly weight: number; readonly place: number }

/**
 * lmms-eval's reading of multiple choice (RealWorldQA, Video-MME, MMBench without a judge): the letter in the most telling of
 * its forms (at the start, at the end, behind a phrase, `(A)`, `A.`, `A:`, `A)`, before a space, anywhere), and of several
 * the last. Empty where there is none.
 * Source: lmms-eval tasks/_task_utils/mcq_extract.py at 75571cf, extract_mcq_answer.
 */
export function mentionedLetter(answer: string, letters: readonly string[]): string {
  if (pythonStrip(answer) === '') return ''
  const stripped = [...`,.!?;:'"`].reduce(stripMark, pythonStrip(answer))
  const text = ` ${stripped} `
  const inForm = (weight: number, form: (letter: string) => string): Mention[] =>
    letters
      .map((letter) => ({ letter, weight, place: text.lastIndexOf(form(letter)) }))
      .filter(({ place }) => place >= 0)
  const mentions = [
    ...inForm(6, (letter) => `(${letter})`),
    ...inForm(5, (letter) => `${letter}.`),
    ...inForm(4, (letter) => `${letter}:`),
    ...inForm(3, (letter) => `${letter})`),
    ...inForm(2, (letter) => `${letter} `),
    ...behindPhrases(text, letters),
    ...atEnds(pythonStrip(text), letters, text.length),
  ]
  return best(mentions.length > 0 ? mentions : inForm(0, (letter) => letter))?.letter ?? ''
}

function behindPhrases(text: string, letters: readonly string[]): Mention[] {
  const lower = text.toLowerCase()
  return PHRASES.filter((phrase) => lower.includes(phrase)).flatMap((phrase) => {
    const after = lower.indexOf(phrase) + phrase.length
    return letters
      .map((letter) => ({ letter, weight: 7, place: text.indexOf(letter, after) }))
      .filter(({ place }) => place >= 0)
  })
}

function atEnds(text: string, letters: readonly string[], length: number): Mention[] {
  const isAlone = (neighbour: string | undefined) =>
    neighbour === undefined || !/^\p{L}$/u.test(neighbour)
  const marks = [...text]
  return letters.flatMap((letter) => [
    ...(marks[0] === letter && isAlone(marks[1]) ? [{ letter, weight: 10, place: 0 }] : []),
    ...(marks.at(-1) === letter && isAlone(marks.at(-2))
      ? [{ letter, weight: 9, place: length - 1 }]
      : []),
  ])
}

/** The first of the heaviest that stand furthest right. */
function best(mentions: readonly Mention[]): Mention | undefined {
  return mentions.reduce<Mention | undefined>((top, one) => {
    if (top === undefined || one.weight > top.weight) return one
    return one.weight === top.weight && one.place > top.place ? one : top
  }, undefined)
}
