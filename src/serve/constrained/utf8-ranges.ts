/**
 * Ranges of characters beyond ASCII as XGrammar 0.1.27 follows them: byte by byte.
 *
 * It takes such characters of a positive class for raw bytes, so a range is written as what its UTF-8 is (RFC 3629 §4):
 * U+0800 to U+0FFF is `[\xe0\xe0][\xa0-\xbf][\x80-\xbf]`. A class of one byte has it twice, since one of one character
 * becomes that character.
 */

/** Code points from the first to the last. */
export type Range = readonly [from: number, to: number]

const LAST = 0x10ffff
const SURROGATES: Range = [0xd800, 0xdfff]

/** In order, and none touches another. */
export function merged(ranges: readonly Range[]): Range[] {
  const found: [number, number][] = []
  for (const [from, to] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = found.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else found.push([from, to])
  }
  return found
}

/** All characters but these. */
export function complement(ranges: readonly Range[]): Range[] {
  const left: Range[] = []
  let next = 0
  for (const [from, to] of merged([...ranges, SURROGATES])) {
    if (from > next) left.push([next, from - 1])
    next = to + 1
  }
  return next > LAST ? left : [...left, [next, LAST]]
}

/** What of the ranges lies from `from` to `to`. */
export function within(ranges: readonly Range[], [from, to]: Range): Range[] {
  return ranges
    .map(([a, b]): Range => [Math.max(a, from), Math.min(b, to)])
    .filter(([a, b]) => a <= b)
}

/** The ranges without halves of surrogate pairs. */
export function charactersOf(ranges: readonly Range[]): Range[] {
  return complement([]).flatMap((one) => within(ranges, one))
}

/** Ranges of the first byte, of the second … : a text of one of the characters is one of these. */
export function utf8Sequences(ranges: readonly Range[]): Range[][] {
  return charactersOf(ranges).flatMap((one) => sequences(one))
}

/** Alternatives of a regular expression; the ranges are beyond ASCII. */
export function utf8Alternatives(ranges: readonly Range[]): string[] {
  return alternatives(utf8Sequences(ranges))
}

/** The last code point of each length in bytes. */
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, LAST] as const

/** Ranges of the first byte, of the second … that together are a range of characters. */
function sequences([from, to]: Range): Range[][] {
  for (const last of LAST_OF_LENGTH) if (from <= last && last < to) return cut([from, to], last)
  const [first, end] = [utf8(from), utf8(to)]
  for (let i = 1; i < first.length; i++) {
    const rest = 2 ** (6 * i) - 1
    if (Math.floor(from / (rest + 1)) === Math.floor(to / (rest + 1))) break
    if ((from & rest) !== 0) return cut([from, to], from | rest)
    if ((to & rest) !== rest) return cut([from, to], (to & ~rest) - 1)
  }
  return [first.map((byte, i): Range => [byte, end[i] as number])]
}

function cut([from, to]: Range, at: number): Range[][] {
  return [...sequences([from, at]), ...sequences([at + 1, to])]
}

function utf8(codePoint: number): number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(codePoint))]
}

/** What begins alike is written once, and so is what ends alike: large choices take seconds to compile. */
function alternatives(all: readonly Range[][]): string[] {
  const ends = new Map<string, Range[][]>()
  for (const one of all) {
    const first = String(one[0])
    ends.set(first, [...(ends.get(first) ?? []), one.slice(1)])
  }
  const firsts = new Map<string, string>()
  for (const [first, rests] of ends) {
    const end = rests[0]?.length === 0 ? '' : grouped(alternatives(rests))
    firsts.set(
      end,
      (firsts.get(end) ?? '') + bytes(first.split(',').map(Number) as [number, number]),
    )
  }
  return [...firsts].map(([end, first]) => `[${first}]${end}`)
}

/** One of several. */
export function grouped(texts: readonly string[]): string {
  return texts.length === 1 ? (texts[0] as string) : `(?:${texts.join('|')})`
}

/** Members of a class of bytes. */
export function bytes([from, to]: Range): string {
  return `${hex(from)}${from === to ? '' : '-'}${hex(to)}`
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
