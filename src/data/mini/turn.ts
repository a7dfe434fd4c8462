/**
 * A question with its answer, and how several of them become a conversation.
 *
 * A question says what form the answer has, with the sentences of the LLaVA-1.5 paper (arXiv:2310.03744, tables 7 and 8),
 * so that a model learns to answer briefly when asked to and in a sentence otherwise.
 */

import type { Lots } from './lots.ts'

/** `word`: a word or phrase; `letter`: the letter of a choice; `own`: the question itself says how to answer. */
export type AnswerForm = 'word' | 'letter' | 'own'

export type Turn = {
  readonly task: string
  readonly question: string
  readonly form: AnswerForm
  readonly answer: string
  /** The answer in a sentence, given when no form is asked for. Turns without one keep their form. */
  readonly sentence?: string
  /** The options of a `letter` turn, in order. */
  readonly choices?: readonly string[]
}

export type Message = { readonly from: 'human' | 'gpt'; readonly value: string }

export const WORD_PROMPT = 'Answer the question using a single word or phrase.'
export const LETTER_PROMPT = "Answer with the option's letter from the given choices directly."
/** What people ask of any picture. A caption answers, and of a photograph of one thing its name. */
export const OPEN_QUESTIONS: readonly string[] = [
  'What is this?',
  'What is in the picture?',
  'What do you see?',
  'What does the picture show?',
  'What is in this photo?',
  'What can you see in this image?',
]

/** The turn, half of the time asked as people ask. */
export function askedOpenly(turn: Turn, lots: Lots): Turn {
  return lots.chance(0.5) ? turn : { ...turn, question: lots.pick(OPEN_QUESTIONS) }
}

export const LETTERS: readonly string[] = ['A', 'B', 'C', 'D']

const PROMPTS: Readonly<Record<AnswerForm, string>> = {
  word: WORD_PROMPT,
  letter: LETTER_PROMPT,
  own: '',
}

/** The question as a benchmark asks it: options one per line, then the sentence about the form. */
export function fullQuestion({ question, form, choices }: Turn): string {
  return [question, ...optionLines(choices), PROMPTS[form]].filter((line) => line !== '').join('\n')
}

/**
 * The conversation over `pictures` pictures (0: text only). In a brief one the sentence about the form comes where the
 * form changes, as in the released LLaVA-1.5 mixture; in the other, turns that have a sentence answer with it.
 */
export function converse(turns: readonly Turn[], isBrief: boolean, pictures = 1): Message[] {
  const messages: Message[] = []
  let form: AnswerForm | undefined
  for (const turn of turns) {
    const isSentence = !isBrief && turn.sentence !== undefined
    const isPrompted = !isSentence && (turn.form !== form || turn.form === 'letter')
    const prompt = isPrompted ? PROMPTS[turn.form] : ''
    const lines = [turn.question, ...optionLines(isSentence ? undefined : turn.choices), prompt]
    const answer = isSentence ? (turn.sentence as string) : turn.answer
    messages.push({ from: 'human', value: lines.filter((line) => line !== '').join('\n') })
    messages.push({ from: 'gpt', value: answer })
    if (!isSentence && turn.form !== 'own') form = turn.form
  }
  return withPictures(messages, pictures)
}

function withPictures([first, ...rest]: Message[], pictures: number): Message[] {
  if (first === undefined) return []
  return [{ from: first.from, value: `${'<image>\n'.repeat(pictures)}${first.value}` }, ...rest]
}

function optionLines(choices: readonly string[] | undefined): string[] {
  return (choices ?? []).map((choice, i) => `${LETTERS[i] as string}. ${choice}`)
}

/** The turns without those that ask the same again. */
export function distinctTurns(turns: readonly Turn[]): Turn[] {
  const key = ({ question, form }: Turn) => `${form}: ${question}`
  return turns.filter((turn, i) => turns.findIndex((other) => key(other) === key(turn)) === i)
}

/** A `letter` turn whose right option stands at `letter`. `wrong` needs as many options as there are other letters. */
export function choiceTurn(
  task: string,
  question: string,
  options: { readonly right: string; readonly wrong: readonly string[]; readonly letter: string },
): Turn {
  const place = LETTERS.indexOf(options.letter)
  const choices = options.wrong.toSpliced(place, 0, options.right)
  return { task, question, form: 'letter', answer: options.letter, choices }
}

/** A yes/no turn. */
export function verdict(
  task: string,
  question: string,
  options: { readonly isTrue: boolean; readonly yes: string; readonly no: string },
): Turn {
  const { isTrue, yes, no } = options
  return {
    task,
    question,
    form: 'word',
    answer: isTrue ? 'Yes' : 'No',
    sentence: isTrue ? `Yes, ${yes}.` : `No, ${no}.`,
  }
}

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `a red circle`, `an orange star`. */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`
}

/** `a, b and c`. */
export function joinList(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

/** Words that any caption may have, whatever the picture shows. */
const EMPTY_WORDS = new Set(
  'a an and at carton from in is it of on photo picture says shows some that the there this to with'.split(
    ' ',
  ),
)

/** `A photo of a red apple.` as `red apple`. */
export function tellingWords(caption: string): string {
  const words = caption.match(/[\p{L}\p{N}'-]+/gu) ?? []
  const isTelling = (word: string, i: number) =>
    !EMPTY_WORDS.has(i === 0 ? word.toLowerCase() : word)
  const telling = words.filter(isTelling)
  return (telling.length > 0 ? telling : words).join(' ')
}
