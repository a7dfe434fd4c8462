/**
 * The body of a request as JSON, within limits that are checked while it arrives.
 *
 * Bytes, values and nesting are counted chunk by chunk: a body that has too much of them is given up before it is whole.
 * Values are what its time and memory go by: a body of pictures is large and has few, one of ids is all values.
 */
import { nextTurn } from '../../core/steps.ts'
import { CLIENT_GONE, HttpError } from './http-error.ts'

export type BodyLimits = {
  readonly maxBodyBytes: number
  readonly maxJsonDepth: number
  readonly maxJsonValues: number
}

export async function readJson(request: Request, limits: BodyLimits): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  // A page of another origin may send every other type without asking.
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new HttpError(
      415,
      'INPUT_CONTENT_TYPE',
      `body: content-type should be application/json, ${JSON.stringify(type.slice(0, 80))} came.`,
    )
  }
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (!/^identity$/i.test(encoding)) {
    throw new HttpError(
      415,
      'INPUT_CONTENT_ENCODING',
      `body: content-encoding should be identity, ${JSON.stringify(encoding.slice(0, 80))} came; send it unpacked.`,
    )
  }
  const text = await readBody(request, limits)
  // Pictures make a body of tens of megabytes: others have their turn before it is parsed, and after.
  await nextTurn()
  const value = orNotJson(() => JSON.parse(text) as unknown)
  await nextTurn()
  return value
}

function orNotJson<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw new HttpError(400, 'INPUT_BODY_JSON', 'body: expected JSON in UTF-8, it is none.')
  }
}

async function readBody(request: Request, limits: BodyLimits): Promise<string> {
  const { maxBodyBytes } = limits
  if (Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) throw tooLarge(limits)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const parts: string[] = []
  const count = new JsonCount()
  let length = 0
  if (request.body) {
    for await (const chunk of piecesOf(request.body)) {
      length += chunk.length
      if (length > maxBodyBytes) throw tooLarge(limits)
      count.push(chunk)
      checkCount(count, limits)
      parts.push(orNotJson(() => decoder.decode(chunk, { stream: true })))
    }
  }
  parts.push(orNotJson(() => decoder.decode()))
  return parts.join('')
}

function checkCount(count: JsonCount, { maxJsonDepth, maxJsonValues }: BodyLimits): void {
  if (count.deepest > maxJsonDepth) {
    throw new HttpError(
      400,
      'INPUT_BODY_DEPTH',
      `body: at most ${maxJsonDepth} levels of lists and objects are read; nest less.`,
    )
  }
  if (count.values <= maxJsonValues) return
  throw new HttpError(
    413,
    'INPUT_BODY_VALUES',
    `body: at most ${maxJsonValues} values are read, more came; send fewer ids or parts, or several requests.`,
  )
}

/** A body that breaks off does so because its client has left. */
async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body as unknown as AsyncIterable<Uint8Array>
  } catch {
    throw CLIENT_GONE
  }
}

function tooLarge({ maxBodyBytes }: BodyLimits): HttpError {
  return new HttpError(
    413,
    'INPUT_BODY_TOO_LARGE',
    `body: at most ${maxBodyBytes} bytes are read, more came; send smaller pictures or fewer.`,
  )
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]
const COMMA = 0x2c

/**
 * What is in JSON that comes in chunks: how many values, and how deep lists and objects are nested. Texts, most of a body
 * with pictures, are skipped.
 */
class JsonCount {
  #depth = 0
  #deepest = 0
  // Each value is the first of the body, of a list or of an object, or stands behind a comma.
  #values = 1
  #isInText = false
  #isEscaped = false

  get deepest(): number {
    return this.#deepest
  }

  /** Of an empty list or object one more than there are. */
  get values(): number {
    return this.#values
  }

  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length)
      at = this.#isInText ? this.#skipText(chunk, at) : this.#step(chunk, at)
  }

  /** From inside a text to behind its end, or to the end of the chunk. Each byte is looked at a fixed number of times. */
  #skipText(chunk: Uint8Array, start: number): number {
    const quote = indexOrEnd(chunk, QUOTE, start)
    const isPlain = !this.#isEscaped && !chunk.subarray(start, quote).includes(BACKSLASH)
    if (!isPlain) return this.#skipEscapes(chunk, start)
    this.#isInText = quote === chunk.length
    return quote + 1
  }

  /** The same byte by byte, where a quote may not be the end. */
  #skipEscapes(chunk: Uint8Array, start: number): number {
    let isEscaped = this.#isEscaped
    let at = start
    for (; at < chunk.length; at++) {
      if (isEscaped) isEscaped = false
      else if (chunk[at] === BACKSLASH) isEscaped = true
      else if (chunk[at] === QUOTE) break
    }
    this.#isEscaped = isEscaped
    this.#isInText = at === chunk.length
    return at + 1
  }

  #step(chunk: Uint8Array, at: number): number {
    const byte = chunk[at]
    if (byte === QUOTE) this.#isInText = true
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      this.#deepest = Math.max(this.#deepest, ++this.#depth)
      this.#values++
    } else if (byte === COMMA) this.#values++
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#depth--
    return at + 1
  }
}

function indexOrEnd(chunk: Uint8Array, byte: number, from: number): number {
  const index = chunk.indexOf(byte, from)
  return index < 0 ? chunk.length : index
}
