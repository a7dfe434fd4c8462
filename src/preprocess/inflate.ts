/**
 * Unpacking deflated bytes without a look at the platform, for the short texts of pictures' headers.
 *
 * Source: RFC 1951.
 */

/** Undefined for data that are damaged or cut, and for more than `most` bytes. */
export function inflate(packed: Uint8Array, most: number): Uint8Array | undefined {
  const bits = new BitReader(packed)
  const output: number[] = []
  for (let isLast = false; !isLast;) {
    isLast = bits.next(1) === 1
    const kind = bits.next(2)
    const isWhole = kind === 0 ? copyStored(bits, output, most) : unpack(bits, kind, output, most)
    if (!isWhole || bits.isOver) return
  }
  return Uint8Array.from(output)
}

class BitReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Whether more was read than there is: that was zeros. */
  get isOver(): boolean {
    return this.#at > this.#bytes.length * 8
  }

  /** A number whose lowest bit comes first. */
  next(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++, this.#at++) {
      value |= (((this.#bytes[this.#at >>> 3] ?? 0) >>> (this.#at & 7)) & 1) << i
    }
    return value
  }

  skipToByte(): void {
    this.#at = Math.ceil(this.#at / 8) * 8
  }
}

function copyStored(bits: BitReader, output: number[], most: number): boolean {
  bits.skipToByte()
  const length = bits.next(16)
  if (bits.next(16) !== (length ^ 0xffff) || output.length + length > most) return false
  for (let i = 0; i < length; i++) output.push(bits.next(8))
  return true
}

/** Symbols by their codes, with a 1 before each that keeps its zeros. */
type Codes = ReadonlyMap<number, number>

type Alphabets = { readonly symbols: Codes; readonly distances: Codes }

function unpack(bits: BitReader, kind: number, output: number[], most: number): boolean {
  const alphabets = kind === 1 ? FIXED : kind === 2 ? readAlphabets(bits) : undefined
  if (alphabets === undefined) return false
  while (output.length <= most && !bits.isOver) {
    const symbol = readSymbol(bits, alphabets.symbols)
    if (symbol === END) return true
    if (symbol !== undefined && symbol < END) output.push(symbol)
    else if (!repeat(bits, symbol, alphabets.distances, output)) return false
  }
  return false
}

const END = 256

/** Appends bytes that stand further up. */
function repeat(
  bits: BitReader,
  symbol: number | undefined,
  distances: Codes,
  output: number[],
): boolean {
  const length = measure(bits, LENGTHS[(symbol ?? 0) - END - 1])
  const distance = measure(bits, DISTANCES[readSymbol(bits, distances) ?? -1])
  if (length === 0 || distance === 0 || distance > output.length) return false
  for (let i = 0; i < length; i++) output.push(output[output.length - distance] as number)
  return true
}

/** The least of a range of numbers, and how many bits say which of them it is. */
type Range = { readonly least: number; readonly extra: number }

function measure(bits: BitReader, range: Range | undefined): number {
  return range === undefined ? 0 : range.least + bits.next(range.extra)
}

const LENGTHS: readonly Range[] = [
  ...ranges(3, 28, (i) => (i < 8 ? 0 : (i >> 2) - 1)),
  { least: 258, extra: 0 },
]
const DISTANCES = ranges(1, 30, (i) => (i < 4 ? 0 : (i >> 1) - 1))

function ranges(first: number, count: number, extraOf: (i: number) => number): Range[] {
  let least = first
  return Array.from({ length: count }, (_, i) => {
    const range = { least, extra: extraOf(i) }
    least += 2 ** range.extra
    return range
  })
}

function readSymbol(bits: BitReader, codes: Codes): number | undefined {
  let code = 1
  for (let length = 1; length <= MOST_BITS; length++) {
    code = (code << 1) | bits.next(1)
    const symbol = codes.get(code)
    if (symbol !== undefined) return symbol
  }
}

const MOST_BITS = 15

/** Codes of the same length follow each other in the order of their symbols, and longer ones follow shorter ones. */
function codesOf(lengths: readonly number[]): Codes {
  const codes = new Map<number, number>()
  let code = 0
  for (let length = 1; length <= MOST_BITS; length++) {
    code <<= 1
    for (const [symbol, own] of lengths.entries()) {
      if (own === length) codes.set((1 << length) | code++, symbol)
    }
  }
  return codes
}

const FIXED: Alphabets = {
  symbols: codesOf(
    Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
  ),
  distances: codesOf(Array.from({ length: 30 }, () => 5)),
}

/** In which order the lengths of the codes for lengths come. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

function readAlphabets(bits: BitReader): Alphabets | undefined {
  const [symbols, distances, own] = [bits.next(5) + 257, bits.next(5) + 1, bits.next(4) + 4]
  const first = Array.from({ length: ORDER.length }, () => 0)
  for (const place of ORDER.slice(0, own)) first[place] = bits.next(3)
  const codes = codesOf(first)
  const lengths: number[] = []
  while (lengths.length < symbols + distances) {
    const symbol = readSymbol(bits, codes)
    if (symbol === undefined) return
    if (symbol < 16) lengths.push(symbol)
    else lengths.push(...runOf(bits, symbol, lengths.at(-1) ?? 0))
  }
  return {
    symbols: codesOf(lengths.slice(0, symbols)),
    distances: codesOf(lengths.slice(symbols, symbols + distances)),
  }
}

/** The length before once more, or none, several times. */
function runOf(bits: BitReader, symbol: number, before: number): number[] {
  if (symbol === 16) return Array.from({ length: 3 + bits.next(2) }, () => before)
  const count = symbol === 17 ? 3 + bits.next(3) : 11 + bits.next(7)
  return Array.from({ length: count }, () => 0)
}
