/** Which kinds of values options are: one table for those of a function, and what is wrong with those that came. */
import { describeValue } from './describe-value.ts'

export type OptionKind = {
  /** Completes "should be …" in a message. */
  readonly expected: string
  readonly is: (value: unknown) => boolean
  /** What cannot be left out is told as what did not come. */
  readonly isRequired?: boolean
  /** What another value is called, where describing it would say too little, or too much. */
  readonly describe?: (value: unknown) => string
}

/** Options that have no entry are checked where they are used. */
export type OptionKinds<Options> = { readonly [O in keyof Options]?: OptionKind }

/** The same of functions whose options are all checked at once. */
export type EveryOptionKind<Options> = { readonly [O in keyof Required<Options>]: OptionKind }

export const TEXT: OptionKind = {
  expected: 'a text',
  is: (value) => typeof value === 'string' && value !== '',
}

export const TEXTS: OptionKind = {
  expected: 'a list of texts',
  is: (value) => Array.isArray(value) && value.every(TEXT.is),
}

export const OBJECT: OptionKind = {
  expected: 'an object',
  is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

export const FLAG: OptionKind = {
  expected: 'true or false',
  is: (value) => typeof value === 'boolean',
}

export const COUNT: OptionKind = {
  expected: 'a whole number from 1',
  is: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
}

/** A limit, which may be none. */
export const LIMIT: OptionKind = {
  expected: 'a whole number from 1, or Infinity',
  is: (value) => COUNT.is(value) || value === Infinity,
}

export const SIGNAL: OptionKind = {
  expected: 'an AbortSignal',
  is: (value) => value instanceof AbortSignal,
}

export function choiceOf(words: readonly string[]): OptionKind {
  return { expected: listed(words), is: (value) => words.some((word) => word === value) }
}

export const LAYOUT = choiceOf(['original', 'hf'])

/** One of several kinds of objects, told apart by a word in the field `tag`. */
export function taggedBy(tag: string, words: readonly string[]): OptionKind {
  const word = choiceOf(words)
  return {
    expected: `an object whose ${tag} is ${word.expected}`,
    is: (value) => OBJECT.is(value) && word.is((value as Record<string, unknown>)[tag]),
  }
}

function listed(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`)
  const last = quoted.pop() ?? ''
  return quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`
}

/** A sentence for each option of another kind; what may be left out and is, is none. */
export function kindFaults<Options extends object>(
  options: Options,
  kinds: OptionKinds<Options>,
): string[] {
  return Object.entries<OptionKind | undefined>(kinds).flatMap(([name, kind]) => {
    const value = options[name as keyof Options]
    if (!kind || (value === undefined && !kind.isRequired) || kind.is(value)) return []
    const { expected, describe = describeValue } = kind
    return [`${name} should be ${expected}, ${describe(value)} came`]
  })
}
