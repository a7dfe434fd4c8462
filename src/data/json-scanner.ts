/** Where the elements of a JSON array, or the lines of a file, begin and end: bytes in, byte ranges out. */

/** Half-open byte ranges, in memory that grows by doubling. */
export class RowSpans {
  #bounds = new Float64Array(1024)
  #count = 0
  #drained = 0

  /** Of all that came, also of those that were drained. */
  get length(): number {
    return this.#drained + this.#count / 2
  }

  /** Those since the last call, which are forgotten here: for files that are read once and in order. */
  drain(): (readonly [number, number])[] {
    const count = this.#count / 2
    const spans = Array.from({ length: count }, (_, i) => this.#span(i))
    this.#drained += count
    this.#count = 0
    return spans
  }

  push(start: number, end: number): void {
    if (this.#count === this.#bounds.length) {
      const larger = new Float64Array(2 * this.#count)
      larger.set(this.#bounds)
      this.#bounds = larger
    }
    this.#bounds[this.#count++] = start
    this.#bounds[this.#count++] = end
  }

  at(index: number): readonly [number, number] {
    if (!(index >= this.#drained && index < this.length))
      throw new Error(`internal: there is no row ${index}`)
    return this.#span(index - this.#drained)
  }

  #span(at: number): readonly [number, number] {
    return [this.#bounds[2 * at] as number, this.#bounds[2 * at + 1] as number]
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c] as const
const [OPEN, CLOSE] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])] as const
const SPACE = 0x20

/**
 * The elements of the outermost array. Only brackets, quotes and commas are looked at, so a fault inside an element stays
 * there: it shows when the element is read.
 */
export class JsonArrayScanner {
  readonly spans = new RowSpans()
  #depth = 0
  #isText = false
  #isEscaped = false
  /** Where the element that is being read begins, −1 between elements. */
  #start = -1
  #hasComma = false
  #state: 'before' | 'inside' | 'after' | 'trailing' = 'before'

  scan(bytes: Uint8Array, base: number): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (this.#isText) this.#textByte(byte)
      else if (byte > SPACE) this.#byte(byte, base + i)
    }
  }

  /** What is wrong with the whole, or null. */
  finish(size: number): string | null {
    if (this.#state === 'after') return null
    if (this.#state === 'trailing') return 'something follows the closing bracket'
    const place =
      this.#start < 0 ? `after record ${this.spans.length - 1}` : `in record ${this.spans.length}`
    return `the array does not end: byte ${size}, the last, is ${place}`
  }

  #textByte(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === BACKSLASH) this.#isEscaped = true
    else if (byte === QUOTE) this.#isText = false
  }

  #byte(byte: number, at: number): void {
    if (this.#state === 'after') this.#state = 'trailing'
    // Before the first bracket stands nothing but a byte order mark.
    if (this.#state === 'before') {
      if (!OPEN.has(byte)) return
      this.#state = 'inside'
      this.#depth = 1
      return
    }
    if (this.#state !== 'inside') return
    if (CLOSE.has(byte) && --this.#depth === 0) return this.#close(at)
    if (byte === COMMA && this.#depth === 1) return this.#endElement(at)
    if (this.#start < 0) this.#start = at
    if (byte === QUOTE) this.#isText = true
    else if (OPEN.has(byte)) this.#depth++
  }

  #close(at: number): void {
    this.#state = 'after'
    // A comma before the bracket promises an element: an empty one, which cannot be read.
    if (this.#start >= 0 || this.#hasComma) this.#endElement(at)
  }

  #endElement(at: number): void {
    this.spans.push(this.#start < 0 ? at : this.#start, at)
    this.#start = -1
    this.#hasComma = true
  }
}

const LINE_FEED = 0x0a

/** Lines that hold more than spaces. */
export class JsonLineScanner {
  readonly spans = new RowSpans()
  #start = 0
  #isBlank = true

  scan(bytes: Uint8Array, base: number): void {
    for (let from = 0; from < bytes.length;) {
      const found = bytes.indexOf(LINE_FEED, from)
      const end = found < 0 ? bytes.length : found
      this.#isBlank &&= bytes.subarray(from, end).every((byte) => byte <= SPACE)
      if (found >= 0) this.#endLine(base + found)
      from = end + 1
    }
  }

  finish(size: number): string | null {
    this.#endLine(size)
    return null
  }

  #endLine(at: number): void {
    if (!this.#isBlank) this.spans.push(this.#start, at)
    this.#start = at + 1
    this.#isBlank = true
  }
}
