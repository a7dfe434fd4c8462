/**
 * Decoders: tokens back to text, whole lists at once, and token by token as bytes.
 *
 *   ids ─ tokens ─ **decoder** ─▶ text
 *
 * A list is decoded as tokenizers does it, down to its answer to broken UTF-8 (its byte fallback turns every byte of a
 * broken run into U+FFFD). A stream needs the bytes of each token instead, and which of them stand in one run; see
 * `detokenizer-stream.ts`.
 * Source: huggingface/tokenizers, src/decoders (0.23).
 */
import { concatenate } from '../core/concatenate.ts'
import type { Steps } from '../core/steps.ts'
import { asFields, asList, asText, damaged, unsupported, type Fields } from './tokenizer-fields.ts'
import { fromByteChars } from './tokenizer-bytes.ts'
import { compilePattern } from './pre-tokenizer-regex.ts'
import { checkGrowth, longestFrom, replaceMatches, totalLength } from './text-growth.ts'

export type Decoder = {
  readonly decode: (tokens: readonly string[]) => Steps<string>
  /** The bytes that one token stands for, or stands for as the first of a list where that is another thing. */
  readonly bytes: (token: string, isFirst?: boolean) => Uint8Array
  /** Whether it is one byte of a run that is decoded as a whole: of `<0xE2><0x82><0x61>` no character is left. */
  readonly isByteOfRun: (token: string) => boolean
  /** Spaces that a whole text loses at its very start. */
  readonly leadingSpaces: number
}

type Step = {
  readonly list: (tokens: readonly string[]) => Steps<readonly string[]>
  /** The same for one token; steps that look at the whole text leave it alone. */
  readonly single?: (token: string, isFirst: boolean) => string
  readonly hasRuns?: boolean
  readonly bytes?: (token: string) => Uint8Array | undefined
  readonly leadingSpaces?: number
}

/** The decoder that `json` describes; null joins tokens with spaces. Throws ConfigError for a type not in the table. */
export function compileDecoder(json: unknown, where = 'decoder'): Decoder {
  const steps = flatten(json, where, 0).map((fields) => compileStep(fields, where))
  const separator = steps.length === 0 ? ' ' : ''
  return {
    *decode(tokens) {
      const most = longestFrom(totalLength(tokens))
      let list = tokens
      for (const step of steps) {
        list = yield* step.list(list)
        checkGrowth(where, totalLength(list), most)
      }
      return list.join(separator)
    },
    bytes: (token, isFirst = false) => bytesOf(token, { steps, where, isFirst }).bytes,
    isByteOfRun: (token) => bytesOf(token, { steps, where, isFirst: false }).isOfRun,
    leadingSpaces: steps.reduce((sum, step) => sum + (step.leadingSpaces ?? 0), 0),
  }
}

const encoder = new TextEncoder()
/** Tokens that a step changes between two pauses. */
const CHANGED = 1024

function* changeEach<T>(
  tokens: readonly string[],
  change: (token: string, index: number) => T,
): Steps<T[]> {
  const changed: T[] = []
  for (const [i, token] of tokens.entries()) {
    if (i % CHANGED === CHANGED - 1) yield
    changed.push(change(token, i))
  }
  return changed
}

type Through = {
  readonly steps: readonly Step[]
  readonly where: string
  readonly isFirst: boolean
}

function bytesOf(
  token: string,
  { steps, where, isFirst }: Through,
): { readonly bytes: Uint8Array; readonly isOfRun: boolean } {
  const most = longestFrom(token.length)
  let current = token
  for (const step of steps) {
    const bytes = step.bytes?.(current)
    if (bytes) return { bytes, isOfRun: step.hasRuns ?? false }
    current = step.single?.(current, isFirst) ?? current
    checkGrowth(where, current.length, most)
  }
  return { bytes: encoder.encode(current), isOfRun: false }
}

const MAX_DEPTH = 8

function flatten(json: unknown, where: string, depth: number): Fields[] {
  if (json === null || json === undefined) return []
  if (depth > MAX_DEPTH) throw unsupported(where, 'nested too deeply', `${MAX_DEPTH} levels`)
  const fields = asFields(json, where)
  if (asText(fields['type'], `${where}.type`) !== 'Sequence') return [fields]
  const list = asList(fields['decoders'], `${where}.decoders`)
  return list.flatMap((step) => flatten(step, where, depth + 1))
}

function compileStep(fields: Fields, where: string): Step {
  const type = asText(fields['type'], `${where}.type`)
  const build = Object.hasOwn(BUILDERS, type) ? BUILDERS[type] : undefined
  if (!build) throw unsupported(where, type, `${Object.keys(BUILDERS).join(', ')}, Sequence`)
  return build(fields, `${where}.${type}`)
}

const BUILDERS: { readonly [type: string]: (fields: Fields, where: string) => Step } = {
  ByteLevel: () => ({ list: decodeByteChars, bytes: fromByteChars }),
  ByteFallback: () => ({ list: decodeByteTokens, bytes: byteTokenBytes, hasRuns: true }),
  Fuse: () => ({
    // eslint-disable-next-line require-yield
    *list(tokens) {
      return [tokens.join('')]
    },
  }),
  Replace: (fields, where) => {
    const content = asText(fields['content'], `${where}.content`)
    const pattern = compilePattern(fields['pattern'], `${where}.pattern`)
    const single = (token: string): string =>
      replaceMatches(token, pattern, { content, where, most: longestFrom(token.length) })
    return { list: (tokens) => changeEach(tokens, single), single }
  },
  Strip: (fields, where) => {
    const content = asText(fields['content'], `${where}.content`)
    const start = asCount(fields['start'], `${where}.start`)
    const stop = asCount(fields['stop'], `${where}.stop`)
    const list = (tokens: readonly string[]) =>
      changeEach(tokens, (token) => strip(token, content, start, stop))
    return { list, leadingSpaces: content === ' ' ? start : 0 }
  },
  Metaspace: (fields, where) => {
    const mark = asText(fields['replacement'], `${where}.replacement`)
    const isPrepended = (fields['prepend_scheme'] ?? 'always') !== 'never'
    // The first token loses every mark, not only the prepended one: so does the source.
    const single = (token: string, isFirst: boolean): string =>
      token.replaceAll(mark, isFirst && isPrepended ? '' : ' ')
    const list = (tokens: readonly string[]) =>
      changeEach(tokens, (token, i) => single(token, i === 0))
    return { list, single }
  },
  BPEDecoder: (fields, where) => {
    const suffix = asText(fields['suffix'], `${where}.suffix`)
    const single = (token: string): string => token.replaceAll(suffix, ' ')
    const list = (tokens: readonly string[]) =>
      changeEach(tokens, (token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '))
    return { list, single }
  },
}

function asCount(value: unknown, where: string): number {
  const isCount = typeof value === 'number' && Number.isInteger(value) && value >= 0
  if (!isCount) throw damaged(where, 'a count', value)
  return value
}

function* decodeByteChars(tokens: readonly string[]): Steps<string[]> {
  const parts = yield* changeEach(tokens, fromByteChars)
  const bytes = concatenate(parts, Uint8Array)
  return [new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)]
}

/** The byte of a token `<0xNN>`, or undefined for any other token. */
function byteTokenBytes(token: string): Uint8Array | undefined {
  if (token.length !== 6 || !token.startsWith('<0x')) return undefined
  const found = /^<0x([\dA-Fa-f]{2})>$/.exec(token)
  return found ? Uint8Array.of(parseInt(found[1] as string, 16)) : undefined
}

function* decodeByteTokens(tokens: readonly string[]): Steps<string[]> {
  const result: string[] = []
  let run: number[] = []
  const flush = (): void => {
    if (run.length > 0) result.push(decodeRun(Uint8Array.from(run)))
    run = []
  }
  const read = yield* changeEach(tokens, (token) => byteTokenBytes(token) ?? token)
  for (const one of read) {
    if (typeof one !== 'string') run.push(one[0] as number)
    else {
      flush()
      result.push(one)
    }
  }
  flush()
  return result
}

/** The text of a run of bytes: of one that is broken anywhere, U+FFFD for each byte. */
export function decodeRun(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  // U+FFFD may be there because the bytes spell it, so the way back decides whether they were well-formed.
  const isValid = !text.includes('\ufffd') || sameBytes(encoder.encode(text), bytes)
  return isValid ? text : '\ufffd'.repeat(bytes.length)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function strip(token: string, content: string, start: number, stop: number): string {
  let from = 0
  let to = token.length
  if (content === '') return token
  for (let i = 0; i < start && token.startsWith(content, from); i++) from += content.length
  for (let i = 0; i < stop && to - content.length >= from && token.endsWith(content, to); i++) {
    to -= content.length
  }
  return token.slice(from, to)
}
