/** A regular expression written so that XGrammar 0.1.27 follows it: `safe-regex.ts` says what it does otherwise. */
import type { RegexTree } from './regex-tree.ts'
import { complement, grouped, utf8Alternatives, within, type Range } from './utf8-ranges.ts'

export function writtenRegex(tree: RegexTree): string {
  switch (tree.kind) {
    case 'character':
      return writtenClass(tree.ranges)
    case 'sequence':
      return tree.parts.map((part) => closed(part, part.kind === 'choice')).join('')
    case 'choice':
      return choice(tree.ways.map(writtenRegex))
    case 'repetition':
      return `${closed(tree.part, tree.part.kind !== 'character')}${quantifier(tree)}`
  }
}

/** One of the characters of some ranges. */
export function writtenClass(ranges: readonly Range[]): string {
  const [first] = ranges
  if (ranges.length === 1 && first && first[0] === first[1]) return literal(first[0])
  const ascii = within(ranges, ASCII)
  const beyond = within(ranges, BEYOND)
  const excluded = within(complement(ranges), ASCII)
  if (within(complement(beyond), BEYOND).length === 0 && excluded.length > 0) {
    return `[^${asciiMembers(excluded)}]`
  }
  const single = beyond.filter(([from, to]) => from === to).map(([one]) => text(one))
  const several = utf8Alternatives(beyond.filter(([from, to]) => from < to))
  const parts = [...(ascii.length > 0 ? [asciiClass(ascii)] : []), ...single, ...several]
  return parts.length === 1 && several.length === 1 ? `(?:${parts[0]})` : grouped(parts)
}

function closed(tree: RegexTree, isGroup: boolean): string {
  return isGroup ? `(?:${writtenRegex(tree)})` : writtenRegex(tree)
}

/** One of several; XGrammar knows no empty one. */
function choice(ways: readonly string[]): string {
  const full = ways.filter((one) => one !== '')
  const written = full.join('|')
  return full.length < ways.length && full.length > 0 ? `(?:${written})?` : written
}

function quantifier({ least, most }: { readonly least: number; readonly most: number }): string {
  if (most === Infinity) return least === 0 ? '*' : least === 1 ? '+' : `{${least},}`
  if (least === most) return `{${least}}`
  return least === 0 && most === 1 ? '?' : `{${least},${most}}`
}

function literal(code: number): string {
  const character = text(code)
  if (/[$()*+./?[\\\]^{|}]/.test(character)) return `\\${character}`
  return code < 0x20 || code === 0x7f ? `[${escaped(code)}]` : character
}

const ASCII: Range = [0, 0x7f]
const BEYOND: Range = [0x80, 0x10ffff]

function asciiClass(ranges: readonly Range[]): string {
  const members = asciiMembers(ranges)
  return members === '^' ? '\\^' : `[${members}]`
}

const CARET = 0x5e

/**
 * Members of a class. A caret at the beginning would negate it, escaped or not, and a number in hexadecimal goes on as long
 * as there are digits: both come last.
 */
function asciiMembers(ranges: readonly Range[]): string {
  const hasCaret = within(ranges, [CARET, CARET]).length > 0
  const plain = [
    [0x20, CARET - 1],
    [CARET + 1, 0x7e],
  ] as const
  const written = (part: Range) => within(ranges, part).map(member)
  const controls = (
    [
      [0, 0x1f],
      [0x7f, 0x7f],
    ] as const
  ).flatMap(written)
  return [...plain.flatMap(written), ...controls, ...(hasCaret ? ['^'] : [])].join('')
}

function member([from, to]: Range): string {
  if (from === to) return escaped(from)
  return `${escaped(from)}${to === from + 1 ? '' : '-'}${escaped(to)}`
}

function escaped(code: number): string {
  const character = text(code)
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return /[\\\][-]/.test(character) ? `\\${character}` : character
}

function text(code: number): string {
  return String.fromCodePoint(code)
}
