/**
 * JSON read with pauses: a tokenizer.json of ten megabytes would hold the event loop up for a tenth of a second.
 *
 * The text is only cut here, between members of its outermost containers; `JSON.parse` reads every piece, and what is
 * JSON is its say. What lies deeper is never told apart.
 */
import type { Steps } from '../core/steps.ts'

/** Levels of containers that are cut: the file, what it consists of, and the lists in those. */
const LEVELS = 3
/** Characters that are parsed at once. */
const PIECE = 1 << 16

/**
 * The value that `JSON.parse(text)` gives, but for one thing: an object of more than one piece in the innermost of the
 * levels is a Map. An object of so many keys takes as long to make and to list as its text takes to read.
 *
 * Throws SyntaxError as `JSON.parse` does.
 */
export function* jsonSteps(text: string): Steps<unknown> {
  const cursor = { text, at: 0 }
  try {
    const value = yield* readValue(cursor, 0)
    if (nextCode(cursor) === undefined) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  // It knows where in the whole text the fault is.
  return JSON.parse(text)
}

type Cursor = { readonly text: string; at: number }

const codeOf = (character: string) => character.charCodeAt(0)
const [QUOTE, BACKSLASH, COMMA, COLON] = [codeOf('"'), codeOf('\\'), codeOf(','), codeOf(':')]
const OBJECT = { open: codeOf('{'), close: codeOf('}'), brackets: ['{', '}'] } as const
const ARRAY = { open: codeOf('['), close: codeOf(']'), brackets: ['[', ']'] } as const
type Container = typeof OBJECT | typeof ARRAY

function* readValue(cursor: Cursor, level: number): Steps<unknown> {
  const code = nextCode(cursor)
  const container = [OBJECT, ARRAY].find(({ open }) => open === code)
  if (!container) return readAtom(cursor)
  cursor.at++
  if (level === LEVELS - 1) return yield* readPieces(cursor, container)
  return yield* container === OBJECT ? readObject(cursor, level) : readArray(cursor, level)
}

function* readObject(cursor: Cursor, level: number): Steps<object> {
  const entries: [string, unknown][] = []
  for (let isLast = skips(cursor, OBJECT.close); !isLast; isLast = endsMember(cursor, OBJECT)) {
    if (nextCode(cursor) !== QUOTE) throw new SyntaxError('a key is expected')
    const key = readAtom(cursor) as string
    if (!skips(cursor, COLON)) throw new SyntaxError('a colon is expected')
    entries.push([key, yield* readValue(cursor, level + 1)])
  }
  return Object.fromEntries(entries)
}

function* readArray(cursor: Cursor, level: number): Steps<unknown[]> {
  const values: unknown[] = []
  for (let isLast = skips(cursor, ARRAY.close); !isLast; isLast = endsMember(cursor, ARRAY)) {
    values.push(yield* readValue(cursor, level + 1))
  }
  return values
}

/** Whether the container ends behind a member; a comma announces another one. */
function endsMember(cursor: Cursor, { close }: Container): boolean {
  if (skips(cursor, close)) return true
  if (!skips(cursor, COMMA)) throw new SyntaxError('a comma is expected')
  return false
}

/** A container whose members are parsed many at a time. */
function* readPieces(cursor: Cursor, container: Container): Steps<unknown> {
  const [opening, closing] = container.brackets
  const pieces: object[] = []
  for (let isLast = false; !isLast;) {
    const start = cursor.at
    isLast = skipPiece(cursor)
    const members = cursor.text.slice(start, cursor.at)
    if (pieces.length > 0 && members.trim() === '') throw new SyntaxError('a member is expected')
    if (isLast && cursor.text[cursor.at] !== closing)
      throw new SyntaxError('another end is expected')
    pieces.push(JSON.parse(opening + members + closing) as object)
    cursor.at++
    yield
  }
  if (pieces.length === 1) return pieces[0]
  return container === OBJECT ? yield* joinObjects(pieces) : (pieces as unknown[][]).flat()
}

function* joinObjects(pieces: readonly object[]): Steps<Map<string, unknown>> {
  const joined = new Map<string, unknown>()
  for (const piece of pieces) {
    for (const [key, value] of Object.entries(piece)) joined.set(key, value)
    yield
  }
  return joined
}

/** Moves to the comma behind the members of one piece, or to the container's end: then true. */
function skipPiece(cursor: Cursor): boolean {
  const { text } = cursor
  const end = cursor.at + PIECE
  let depth = 0
  for (let at = cursor.at; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === OBJECT.open || code === ARRAY.open) depth++
    else if (code === OBJECT.close || code === ARRAY.close) {
      cursor.at = at
      if (depth-- === 0) return true
    } else if (code === COMMA && depth === 0 && at >= end) {
      cursor.at = at
      return false
    }
  }
  throw new SyntaxError('the end of a container is expected')
}

/** A string, a number or a word. */
function readAtom(cursor: Cursor): unknown {
  const { text, at } = cursor
  if (text.charCodeAt(at) === QUOTE) cursor.at = endOfString(text, at)
  else while (cursor.at < text.length && !ATOM_ENDS.has(text.charCodeAt(cursor.at))) cursor.at++
  return JSON.parse(text.slice(at, cursor.at))
}

const SPACES = new Set([' ', '\t', '\n', '\r'].map(codeOf))
const ATOM_ENDS = new Set([...SPACES, COMMA, COLON, OBJECT.close, ARRAY.close])

/** Where the text goes on behind the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    // An odd number of backslashes makes the quote a character.
    if ((end - before) % 2 === 1) return end + 1
  }
  throw new SyntaxError('the end of a string is expected')
}

/** Moves over white space and gives the character there; undefined at the end. */
function nextCode(cursor: Cursor): number | undefined {
  while (SPACES.has(cursor.text.charCodeAt(cursor.at))) cursor.at++
  return cursor.at < cursor.text.length ? cursor.text.charCodeAt(cursor.at) : undefined
}

/** Moves over one character where it is next. */
function skips(cursor: Cursor, code: number): boolean {
  if (nextCode(cursor) !== code) return false
  cursor.at++
  return true
}
