/**
 * Unpacking deflated bytes without a look at the platform, for the short texts of pictures' headers.
 *
 * The work is bounded, which no library's is: a block without content takes a dozen bytes and tables for two alphabets.
 * Source: RFC 1951.
 */

/** What is packed, or the first `most` bytes of it. Undefined for data that are damaged or cut, or in very many blocks. */
export function inflate(packed: Uint8Array, most: number): Uint8Array | undefined {
  const bits = new BitReader(packed)
  const output = new Output(most)
  for (let blocks = 0; blocks < MOST_BLOCKS; blocks++) {
    const isLast = bits.next(1) === 1
    const kind = bits.next(2)
    const isWhole = kind === 0 ? copyStored(bits, output) : unpack(bits, kind, output)
    if (!isWhole || bits.isOver) return
    if (isLast || output.isFull) return output.bytes
  }
}

/** zlib begins one every 16384 symbols, others more rarely. */
const MOST_BLOCKS = 256

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

  /** A number of up to 16 bits, whose lowest comes first. */
  next(count: number): number {
    const value = this.peek() & ((1 << count) - 1)
    this.skip(count)
    return value
  }

  skip(count: number): void {
    this.#at += count
  }

  /** The 16 bits that are next, and sometimes one more. */
  peek(): number {
    const at = this.#at >>> 3
    const three = this.#byte(at) | (this.#byte(at + 1) << 8) | (this.#byte(at + 2) << 16)
    return three >>> (this.#at & 7)
  }

  #byte(at: number): number {
    return at < this.#bytes.length ? (this.#bytes[at] as number) : 0
  }

  skipToByte(): void {
    this.#at = Math.ceil(this.#at / 8) * 8
  }
}

/** Room for so many bytes; what comes behind them is dropped. */
class Output {
  readonly #room: Uint8Array
  #length = 0

  constructor(most: number) {
    this.#room = new Uint8Array(most)
  }

  get bytes(): Uint8Array {
    return this.#room.slice(0, this.#length)
  }

  get isFull(): boolean {
    return this.#length === this.#room.length
  }

  push(byte: number): void {
    if (!this.isFull) this.#room[this.#length++] = byte
  }

  /** Appends bytes that stand further up. False where none stand there. */
  repeat(length: number, distance: number): boolean {
    if (distance > this.#length) return false
    const end = Math.min(this.#length + length, this.#room.length)
    for (; this.#length < end; this.#length++) {
      this.#room[this.#length] = this.#room[this.#length - distance] as number
    }
    return true
  }
}

function copyStored(bits: BitReader, output: Output): boolean {
  bits.skipToByte()
  const length = bits.next(16)
  if (bits.next(16) !== (length ^ 0xffff)) return false
  for (let i = 0; i < length; i++) output.push(bits.next(8))
  return true
}

/** How many codes there are of each length, and their symbols, shorter codes first. */
type Codes = { readonly counts: Uint16Array; readonly symbols: Uint16Array }

type Alphabets = { readonly symbols: Codes; readonly distances: Codes }

function unpack(bits: BitReader, kind: number, output: Output): boolean {
  const alphabets = kind === 1 ? FIXED : kind === 2 ? readAlphabets(bits) : undefined
  if (alphabets === undefined) return false
  while (!output.isFull) {
    const symbol = readSymbol(bits, alphabets.symbols)
    if (symbol === END) return true
    if (symbol !== undefined && symbol < END) output.push(symbol)
    else if (!repeat(bits, symbol, alphabets.distances, output)) return false
  }
  return true
}

const END = 256

function repeat(
  bits: BitReader,
  symbol: number | undefined,
  distances: Codes,
  output: Output,
): boolean {
  const length = measure(bits, LENGTHS[(symbol ?? 0) - END - 1])
  const distance = measure(bits, DISTANCES[readSymbol(bits, distances) ?? -1])
  return length > 0 && distance > 0 && output.repeat(length, distance)
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

/** Codes of a length are numbers one behind another, the first of which is twice the one behind the last shorter one. */
function readSymbol(bits: BitReader, { counts, symbols }: Codes): number | undefined {
  const next = bits.peek()
  let code = 0
  let first = 0
  let shorter = 0
  for (let length = 1; length <= MOST_BITS; length++) {
    code = (code << 1) | ((next >>> (length - 1)) & 1)
    const count = counts[length] as number
    if (code < first + count) {
      bits.skip(length)
      return symbols[shorter + code - first]
    }
    shorter += count
    first = (first + count) << 1
  }
}

const MOST_BITS = 15

/** Codes of the same length follow each other in the order of their symbols. */
function codesOf(lengths: Uint8Array): Codes {
  const counts = new Uint16Array(MOST_BITS + 1)
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] as number
    counts[length] = (counts[length] as number) + 1
  }
  // Without a code.
  counts[0] = 0
  const places = new Uint16Array(MOST_BITS + 2)
  for (let length = 1; length <= MOST_BITS; length++) {
    places[length + 1] = (places[length] as number) + (counts[length] as number)
  }
  const symbols = new Uint16Array(places[MOST_BITS + 1] as number)
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] as number
    if (length === 0) continue
    const place = places[length] as number
    symbols[place] = symbol
    places[length] = place + 1
  }
  return { counts, symbols }
}

const FIXED: Alphabets = {
  symbols: codesOf(
    Uint8Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
  ),
  distances: codesOf(new Uint8Array(30).fill(5)),
}

/** In which order the lengths of the codes for lengths come. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

function readAlphabets(bits: BitReader): Alphabets | undefined {
  const [symbols, distances, own] = [bits.next(5) + 257, bits.next(5) + 1, bits.next(4) + 4]
  const first = new Uint8Array(ORDER.length)
  for (const place of ORDER.slice(0, own)) first[place] = bits.next(3)
  const lengths = readLengths(bits, codesOf(first), symbols + distances)
  return (
    lengths && {
      symbols: codesOf(lengths.subarray(0, symbols)),
      distances: codesOf(lengths.subarray(symbols)),
    }
  )
}

function readLengths(bits: BitReader, codes: Codes, count: number): Uint8Array | undefined {
  const lengths = new Uint8Array(count)
  for (let at = 0; at < count;) {
    const symbol = readSymbol(bits, codes)
    if (symbol === undefined) return
    if (symbol < 16) lengths[at++] = symbol
    else {
      // The length before once more, or none, several times.
      const value = symbol === 16 ? (lengths[at - 1] ?? 0) : 0
      const end = at + runOf(bits, symbol)
      if (end > count) return
      lengths.fill(value, at, end)
      at = end
    }
  }
  return lengths
}

function runOf(bits: BitReader, symbol: number): number {
  if (symbol === 16) return 3 + bits.next(2)
  return symbol === 17 ? 3 + bits.next(3) : 11 + bits.next(7)
}
