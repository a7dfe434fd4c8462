/**
 * Rows of a JSON array or of a file with one JSON object a line, one after another and never all of them: what
 * `openJsonRows` is for files that are too long even for an index.
 */
import { createReadStream } from 'node:fs'
import { InputError } from '../core/errors.ts'
import { PYTHON_NUMBERS, pythonNumberAt } from '../core/python-json.ts'
import { JsonArrayScanner, JsonLineScanner } from './json-scanner.ts'
import { describe, isRow, type Row } from './row-format.ts'

const CHUNK_BYTES = 2 ** 18
/** A row of more bytes is a file with a missing bracket or quote. */
const MOST_ROW_BYTES = 2 ** 28

/** Throws InputError INPUT_DATA_BROKEN, with the number of the row. */
export async function* streamJsonRows(path: string): AsyncGenerator<Row> {
  let scanner: JsonArrayScanner | JsonLineScanner | null = null
  let [start, size, row] = [0, 0, 0]
  // What was read from `start` on and is not given yet.
  let held: Uint8Array = new Uint8Array(0)
  const take = function* (all: JsonArrayScanner | JsonLineScanner): Generator<Row> {
    for (const [from, to] of all.spans.drain()) {
      yield parseRow(held.subarray(from - start, to - start), `${path}, row ${row}`)
      row++
      held = held.subarray(to - start)
      start = to
    }
  }
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const bytes = chunk as Uint8Array
    scanner ??= beginsWithBracket(bytes) ? new JsonArrayScanner() : new JsonLineScanner()
    scanner.scan(bytes, size)
    size += bytes.length
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    yield* take(scanner)
    if (held.length > MOST_ROW_BYTES) throw broken(path, `row ${row} does not end`)
  }
  if (!scanner) throw broken(path, 'it is empty')
  const fault = scanner.finish(size)
  if (fault !== null) throw broken(path, fault)
  yield* take(scanner)
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

function beginsWithBracket(bytes: Uint8Array): boolean {
  const start = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? BYTE_ORDER_MARK.length : 0
  return bytes.subarray(start).find((byte) => byte > 0x20) === 0x5b
}

function parseRow(bytes: Uint8Array, where: string): Row {
  let text = ''
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw broken(where, pythonNumberAt(text) === null ? 'it is neither' : PYTHON_NUMBERS, { cause })
  }
  if (isRow(value)) return value
  throw broken(where, `${describe(value)} came`)
}

function broken(where: string, what: string, options?: ErrorOptions): InputError {
  return new InputError(
    'INPUT_DATA_BROKEN',
    `data: ${where} should hold JSON objects, in an array or one a line, ${what}; mend the file.`,
    options,
  )
}
