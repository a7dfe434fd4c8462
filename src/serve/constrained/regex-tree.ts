/** What a regular expression says, however it was written. */
import type { Range } from './utf8-ranges.ts'

export type RegexTree =
  /** One character of the ranges, which touch no other and hold no halves of pairs. */
  | { readonly kind: 'character'; readonly ranges: readonly Range[] }
  /** One behind the other; none is the empty text. */
  | { readonly kind: 'sequence'; readonly parts: readonly RegexTree[] }
  | { readonly kind: 'choice'; readonly ways: readonly RegexTree[] }
  | {
      readonly kind: 'repetition'
      readonly part: RegexTree
      readonly least: number
      /** Infinity where there is no bound. */
      readonly most: number
    }
