/** A regular expression as it was read: its source in JavaScript, and its structure for `bounded-pattern.ts`. */

export type PatternNode = {
  /** What matches the same in JavaScript, as one atom wherever a quantifier may follow. */
  readonly source: string
} & PatternShape

export type PatternShape =
  /** One character: a literal or a class. */
  | { readonly kind: 'character' }
  /** A place between characters that is known from its neighbours. */
  | { readonly kind: 'anchor' }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'either'; readonly options: readonly PatternNode[] }
  | RepeatShape
  | {
      readonly kind: 'look'
      readonly body: PatternNode
      readonly isBehind: boolean
      readonly isNegative: boolean
    }
  /** What it has matched is not given back. */
  | { readonly kind: 'atomic'; readonly body: PatternNode }

export type RepeatShape = {
  readonly kind: 'repeat'
  readonly body: PatternNode
  readonly min: number
  readonly max: number
  readonly isLazy: boolean
}

/** What splitting and replacing want of a pattern: a global RegExp has it. */
export type TextPattern = {
  lastIndex: number
  exec(text: string): { readonly index: number; readonly 0: string } | null
}
