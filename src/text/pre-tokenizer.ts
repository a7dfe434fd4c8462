/**
 * Pre-tokenizers: they cut normalised text into the pieces that are encoded each on its own.
 *
 *   normalizer ─ **pre-tokenizer** ─▶ pieces ─ model ─▶ ids
 *
 * Source: huggingface/tokenizers, src/pre_tokenizers (0.23).
 */
import {
  asFields,
  asFlag,
  asList,
  asText,
  damaged,
  unsupported,
  type Fields,
} from './tokenizer-fields.ts'
import { toByteChars } from './tokenizer-bytes.ts'
import type { TextPattern } from './pattern-tree.ts'
import { compilePattern } from './pre-tokenizer-regex.ts'
import { GPT2_PATTERN } from './published-patterns.ts'
import { asBehavior, splitText, type Behavior } from './pre-tokenizer-split.ts'
import { checkGrowth, longestFrom, replaceMatches, totalLength } from './text-growth.ts'

export type PreTokenizer = {
  /** The pieces of one stretch of text; `isStart`: it is the beginning of the whole text. */
  readonly split: (text: string, isStart: boolean) => string[]
  /** Pieces are to be spelt in byte stand-ins; the model does so, and only for words that it has not met. */
  readonly byteLevel: boolean
}

type Step = (piece: string, isStart: boolean) => string[]

/** The pre-tokenizer that `json` describes; null means one piece. Throws ConfigError for a type not in the table. */
export function compilePreTokenizer(json: unknown, where = 'pre_tokenizer'): PreTokenizer {
  const list = flatten(json, where, 0)
  const steps = list.map((fields, i) => {
    const isLast = i === list.length - 1
    return fields['type'] === 'ByteLevel' ? byteLevel(fields, isLast) : compileStep(fields, where)
  })
  const split: Step = (text, isStart) => {
    let pieces = [text]
    for (const step of steps) {
      const startsText = isStart && text.startsWith(pieces[0] ?? text)
      pieces = applyStep(step, pieces, startsText)
      checkGrowth(where, totalLength(pieces), longestFrom(text.length))
    }
    return pieces
  }
  return { split, byteLevel: list.at(-1)?.['type'] === 'ByteLevel' }
}

/** `isStart`: the first piece begins the whole text, which it does not where a step took away what was there. */
function applyStep(step: Step, pieces: readonly string[], isStart: boolean): string[] {
  if (pieces.length === 1) return step(pieces[0] as string, isStart)
  const result: string[] = []
  for (let i = 0; i < pieces.length; i++) {
    for (const piece of step(pieces[i] as string, isStart && i === 0)) result.push(piece)
  }
  return result
}

const MAX_DEPTH = 8

function flatten(json: unknown, where: string, depth: number): Fields[] {
  if (json === null || json === undefined) return []
  if (depth > MAX_DEPTH) throw unsupported(where, 'nested too deeply', `${MAX_DEPTH} levels`)
  const fields = asFields(json, where)
  if (asText(fields['type'], `${where}.type`) !== 'Sequence') return [fields]
  const list = asList(fields['pretokenizers'], `${where}.pretokenizers`)
  return list.flatMap((step) => flatten(step, where, depth + 1))
}

function byteLevel(fields: Fields, isLast: boolean): Step {
  const where = 'pre_tokenizer.ByteLevel'
  const addsSpace = asFlag(fields['add_prefix_space'], true, `${where}.add_prefix_space`)
  const usesRegex = asFlag(fields['use_regex'], true, `${where}.use_regex`)
  const pattern = usesRegex ? compilePattern({ Regex: GPT2_PATTERN }, where) : undefined
  return (piece) => {
    const spaced = addsSpace && !piece.startsWith(' ') ? ` ${piece}` : piece
    const pieces = pattern === undefined ? [spaced] : splitText(spaced, pattern, 'Isolated', false)
    return isLast ? pieces : pieces.map(toByteChars)
  }
}

function compileStep(fields: Fields, where: string): Step {
  const type = asText(fields['type'], `${where}.type`)
  const build = Object.hasOwn(BUILDERS, type) ? BUILDERS[type] : undefined
  if (!build) throw unsupported(where, type, `ByteLevel, ${Object.keys(BUILDERS).join(', ')}`)
  return build(fields, `${where}.${type}`)
}

function cutting(pattern: string | TextPattern, behavior: Behavior, invert = false): Step {
  return (piece) => splitText(piece, pattern, behavior, invert)
}

const BUILDERS: { readonly [type: string]: (fields: Fields, where: string) => Step } = {
  Split: (fields, where) =>
    cutting(
      compilePattern(fields['pattern'], `${where}.pattern`),
      asBehavior(fields['behavior'], `${where}.behavior`),
      asFlag(fields['invert'], false, `${where}.invert`),
    ),
  // "is numeric" of Rust: Nd, Nl and No, so ½ ² Ⅷ ① too.
  Digits: (fields, where) => {
    const isSingle = asFlag(fields['individual_digits'], false, `${where}.individual_digits`)
    return cutting(/\p{N}/gu, isSingle ? 'Isolated' : 'Contiguous')
  },
  Metaspace: metaspace,
  // Written in Rust's syntax in the source, whose \w has the joiners too.
  Whitespace: () =>
    cutting(new RegExp(`[${RUST_WORD}]+|[^${RUST_WORD}\\p{White_Space}]+`, 'gu'), 'Removed', true),
  WhitespaceSplit: () => cutting(/\p{White_Space}/gu, 'Removed'),
  Punctuation: (fields, where) =>
    cutting(/[!-/:-@[-`{-~]|\p{P}/gu, asBehavior(fields['behavior'] ?? 'Isolated', where)),
  CharDelimiterSplit: (fields, where) =>
    cutting(asText(fields['delimiter'], `${where}.delimiter`), 'Removed'),
}

const RUST_WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}'

const SCHEMES = ['first', 'always', 'never'] as const

function metaspace(fields: Fields, where: string): Step {
  const mark = asText(fields['replacement'], `${where}.replacement`)
  const asksForSpace = asFlag(fields['add_prefix_space'], true, `${where}.add_prefix_space`)
  const given = fields['prepend_scheme'] ?? (asksForSpace ? 'always' : 'never')
  const scheme = SCHEMES.find((known) => known === given)
  if (!scheme) throw damaged(`${where}.prepend_scheme`, 'first, always or never', given)
  const splits = asFlag(fields['split'], true, `${where}.split`)
  return (piece, isStart) => {
    const most = longestFrom(piece.length)
    const marked = replaceMatches(piece, ' ', { content: mark, where, most })
    const wantsMark = scheme === 'always' || (scheme === 'first' && isStart)
    const whole = wantsMark && marked !== '' && !marked.startsWith(mark) ? mark + marked : marked
    return splits ? splitText(whole, mark, 'MergedWithNext', false) : [whole]
  }
}
