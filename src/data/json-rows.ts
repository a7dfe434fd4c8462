/**
 * Rows of a JSON array or of a file with one JSON object a line, read one by one.
 *
 * Opening reads the file once and remembers where each row begins and ends, 16 bytes a row: the 665K mixture is longer
 * than a string may be, and of no interest as a whole. What is inside a row is looked at when it is read, as the original's
 * `json.load` does: NaN and Infinity are numbers.
 */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'
import { parsePythonJson } from '../core/python-json.ts'
import { JsonArrayScanner, JsonLineScanner, type RowSpans } from './json-scanner.ts'
import { describe, isRow, structureFault } from './row-format.ts'
import { RecordFault } from './record-fault.ts'
import type { OpenRowsOptions, Rows } from './rows.ts'

const CHUNK_BYTES = 2 ** 20

/** Throws InputError INPUT_DATA_MISSING or INPUT_DATA_BROKEN. The caller closes. */
export async function openJsonRows(path: string, options: OpenRowsOptions = {}): Promise<Rows> {
  const file = await open(path).catch((cause: unknown) => {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: expected a file of records at ${path}, it cannot be opened; check the path.`,
      { cause },
    )
  })
  try {
    const { spans, sha256 } = await index(file, path, options)
    if (/\.json$/i.test(path) && spans.length > 1) await checkFirstLine(file, spans, path)
    return {
      length: spans.length,
      sha256,
      read: (row, where) => readRow(file, spans.at(row), where),
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function index(file: FileHandle, path: string, { onProgress, signal }: OpenRowsOptions) {
  const { size } = await file.stat()
  const hash = createHash('sha256')
  const chunk = new Uint8Array(CHUNK_BYTES)
  let scanner: JsonArrayScanner | JsonLineScanner | null = null
  for (let at = 0; at < size;) {
    signal?.throwIfAborted()
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at)
    if (bytesRead === 0) throw broken(path, 'it became shorter while it was read')
    const bytes = chunk.subarray(0, bytesRead)
    hash.update(bytes)
    scanner ??= beginsWithBracket(bytes) ? new JsonArrayScanner() : new JsonLineScanner()
    scanner.scan(bytes, at)
    at += bytesRead
    onProgress?.(at, size)
  }
  if (scanner === null) throw broken(path, 'it is empty')
  const fault = scanner.finish(size)
  if (fault !== null) throw broken(path, fault)
  return { spans: scanner.spans, sha256: hash.digest('hex') }
}

/** In a .json file, lines that are no records mean one object over many lines, and not as many broken records. */
async function checkFirstLine(file: FileHandle, spans: RowSpans, path: string): Promise<void> {
  const isRecord = await readRow(file, spans.at(0), path).then(
    () => true,
    () => false,
  )
  if (!isRecord) throw broken(path, 'its first record is neither')
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

function beginsWithBracket(bytes: Uint8Array): boolean {
  const start = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? BYTE_ORDER_MARK.length : 0
  const first = bytes.subarray(start).find((byte) => byte > 0x20)
  return first === 0x5b
}

async function readRow(
  file: FileHandle,
  [start, end]: readonly [number, number],
  where: string,
): ReturnType<Rows['read']> {
  const bytes = new Uint8Array(end - start)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at)
    if (bytesRead === 0) {
      throw new InputError(
        'INPUT_DATA_BROKEN',
        `${where}: the file became shorter since it was opened; leave it alone while it is used.`,
      )
    }
    at += bytesRead
  }
  const value = parse(bytes, where)
  if (!isRow(value))
    throw structureFault(where, `a record should be a JSON object, ${describe(value)} came`)
  return value
}

function parse(bytes: Uint8Array, where: string): unknown {
  try {
    return parsePythonJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? 'is no JSON' : 'is no UTF-8 text'
    throw new RecordFault(
      'unreadable',
      `${where}: the record ${reason}; mend it or leave it out.`,
      {
        cause,
      },
    )
  }
}

function broken(path: string, what: string): InputError {
  return new InputError(
    'INPUT_DATA_BROKEN',
    `data: ${path} should be a JSON array of records or one record a line, ${what}; get the file again.`,
  )
}
