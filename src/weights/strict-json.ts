/**
 * JSON from files that nobody vouches for: the safetensors header and the index of a sharded checkpoint.
 *
 * JSON.parse keeps the last of two equal keys without a word, recurses as deep as the text says and turns `__proto__`
 * into an ordinary key. Here equal keys are refused, depth and number of values are limited, and objects become Maps.
 * Grammar: RFC 8259.
 */
import { CheckpointError } from '../core/errors.ts'

export type StrictJson = null | boolean | number | string | StrictJson[] | Map<string, StrictJson>

export type StrictJsonLimits = { readonly maxDepth: number; readonly maxValues: number }

/** Parses `text`; `where` begins every message. Throws CheckpointError for anything that is not exactly one JSON value. */
export function parseStrictJson(where: string, text: string, limits: StrictJsonLimits): StrictJson {
  const cursor = { where, text, at: 0, values: 0, limits }
  const value = readValue(cursor, 0)
  skipSpace(cursor)
  if (cursor.at < text.length) fail(cursor, 'the end of the JSON')
  return value
}

/** The text of UTF-8 bytes. Throws CheckpointError where they are not UTF-8. */
export function decodeUtf8(where: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new CheckpointError(
      'CHECKPOINT_JSON',
      `${where}: expected UTF-8 text, the bytes are not; the file is damaged.`,
      { cause: error },
    )
  }
}

type Cursor = {
  readonly where: string
  readonly text: string
  at: number
  values: number
  readonly limits: StrictJsonLimits
}

function readValue(cursor: Cursor, depth: number): StrictJson {
  if (depth > cursor.limits.maxDepth)
    fail(cursor, `at most ${cursor.limits.maxDepth} levels of nesting`)
  if (++cursor.values > cursor.limits.maxValues)
    fail(cursor, `at most ${cursor.limits.maxValues} values`)
  skipSpace(cursor)
  const first = cursor.text[cursor.at]
  if (first === '{') return readObject(cursor, depth)
  if (first === '[') return readArray(cursor, depth)
  if (first === '"') return readString(cursor)
  for (const [word, value] of WORDS) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length
      return value
    }
  }
  return readNumber(cursor)
}

const WORDS: readonly (readonly [string, null | boolean])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
]

function readObject(cursor: Cursor, depth: number): Map<string, StrictJson> {
  const object = new Map<string, StrictJson>()
  cursor.at++
  if (takes(cursor, '}')) return object
  do {
    skipSpace(cursor)
    const key = readString(cursor)
    if (object.has(key)) fail(cursor, `every key once, not ${JSON.stringify(key)} twice`)
    if (!takes(cursor, ':')) fail(cursor, '":"')
    object.set(key, readValue(cursor, depth + 1))
  } while (takes(cursor, ','))
  if (!takes(cursor, '}')) fail(cursor, '"," or "}"')
  return object
}

function readArray(cursor: Cursor, depth: number): StrictJson[] {
  const array: StrictJson[] = []
  cursor.at++
  if (takes(cursor, ']')) return array
  do {
    array.push(readValue(cursor, depth + 1))
  } while (takes(cursor, ','))
  if (!takes(cursor, ']')) fail(cursor, '"," or "]"')
  return array
}

/** Finds the closing quote; JSON.parse then decodes the escapes and refuses what may not stand in a string. */
function readString(cursor: Cursor): string {
  const { text, at } = cursor
  if (text[at] !== '"') fail(cursor, 'a string')
  let end = at + 1
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  if (end >= text.length) fail(cursor, 'the end of a string')
  cursor.at = end + 1
  return parseToken(cursor, text.slice(at, end + 1), 'a string') as string
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

function readNumber(cursor: Cursor): number {
  NUMBER.lastIndex = cursor.at
  const match = NUMBER.exec(cursor.text)
  if (match === null) fail(cursor, 'a value')
  cursor.at += match[0].length
  return Number(match[0])
}

function parseToken(cursor: Cursor, token: string, what: string): unknown {
  try {
    return JSON.parse(token)
  } catch {
    return fail(cursor, what)
  }
}

function takes(cursor: Cursor, character: string): boolean {
  skipSpace(cursor)
  if (cursor.text[cursor.at] !== character) return false
  cursor.at++
  return true
}

function skipSpace(cursor: Cursor): void {
  while (' \t\n\r'.includes(cursor.text[cursor.at] ?? '-')) cursor.at++
}

function fail(cursor: Cursor, expected: string): never {
  const came =
    cursor.at < cursor.text.length
      ? JSON.stringify(cursor.text.slice(cursor.at, cursor.at + 12))
      : 'the end'
  throw new CheckpointError(
    'CHECKPOINT_JSON',
    `${cursor.where}: expected ${expected} at character ${cursor.at}, ${came} came; the file is damaged.`,
  )
}
