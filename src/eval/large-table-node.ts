/**
 * Tables that are too large to be held as text: nearly all of them is base64, which stays in the file until its picture is read.
 *
 * No cell ends inside of base64. Long runs of its characters are taken out, each for a mark, and what is left is read as any table.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { base64Picture } from './base64-picture.ts'
import { parseTable } from './delimited-table.ts'
import type { EvalFile } from './eval-file.ts'
import { decodeUtf8, LARGEST_TEXT, tooLarge } from './file-text-node.ts'
import { printedList } from './llava-questions.ts'
import type { Picture } from './question.ts'

/** Cells of columns of pictures are functions that read them, or lists with such. Throws InputError for what is no table of UTF-8 text. */
export function readLargeTable({ path, name }: { path: string; name: string }): EvalFile {
  const { text, runs, sha256 } = withoutRuns(path)
  const [header = [], ...rows] = parseTable({ name, text }, /\.tsv$/i.test(name) ? '\t' : ',')
  const whole = (cell: string) =>
    cell.replaceAll(MARK, (_, number) => readRun(path, runs[Number(number)] as Run))
  const picture = (cell: string): Picture =>
    cell.search(MARK) < 0 ? cell : async () => (await base64Picture(whole(cell))?.()) ?? null
  const cells = rows.map((row) =>
    row.map((cell, i) => {
      if (!PICTURES.test(header[i] ?? '')) return whole(cell)
      return printedList(cell)?.map(picture) ?? picture(cell)
    }),
  )
  return { name, path, text: '', cells: [header, ...cells], sha256 }
}

/** Columns that questions have their pictures in. */
const PICTURES = /image/i

const MARK = /\0(\d+)\0/g

/** Of a file the bytes [start, end). */
type Run = { readonly start: number; readonly end: number }

/** No path is longer, and hardly a word. */
const SHORTEST_RUN = 4097

function withoutRuns(path: string) {
  const hash = createHash('sha256')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const texts: string[] = []
  const runs: Run[] = []
  let length = 0
  const put = (text: string) => {
    length += text.length
    if (length > LARGEST_TEXT) throw tooLarge(path, null)
    texts.push(text)
  }
  for (const { bytes, at } of pieces(path)) {
    // Of a text's hash a byte order mark is no part.
    hash.update(at === 0 && BOM.equals(bytes.subarray(0, 3)) ? bytes.subarray(3) : bytes)
    let taken = 0
    for (const { start, end } of longRuns(bytes)) {
      put(decodeUtf8(bytes.subarray(taken, start), path, { decoder, isPiece: true }))
      put(`\0${runs.length}\0`)
      runs.push({ start: at + start, end: at + end })
      taken = end
    }
    put(decodeUtf8(bytes.subarray(taken), path, { decoder, isPiece: true }))
  }
  put(decodeUtf8(new Uint8Array(), path, { decoder }))
  return { text: texts.join(''), runs, sha256: hash.digest('hex') }
}

const BOM = Buffer.of(0xef, 0xbb, 0xbf)

const PIECE_BYTES = 2 ** 23

/** The file in pieces that end between runs. */
function* pieces(path: string): Generator<{ readonly bytes: Buffer; readonly at: number }> {
  const file = openSync(path, 'r')
  try {
    let rest = Buffer.alloc(0)
    let at = 0
    for (;;) {
      // As much again as a run that goes on: what is copied stays in proportion to what is read.
      const room = Buffer.alloc(Math.max(PIECE_BYTES, rest.length))
      const next = room.subarray(0, readSync(file, room))
      const bytes = Buffer.concat([rest, next])
      if (bytes.length > LARGEST_TEXT) throw tooLarge(path, null)
      const isLast = next.length === 0
      const begin = beginOfRun(next)
      const end = isLast ? bytes.length : begin === 0 ? 0 : rest.length + begin
      yield { bytes: bytes.subarray(0, end), at }
      if (isLast) return
      rest = bytes.subarray(end)
      at += end
    }
  } finally {
    closeSync(file)
  }
}

/** Of each byte 1 where it is a character of base64, of either alphabet. */
const IS_BASE64 = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\w+/=-]/.test(String.fromCharCode(byte)) ? 1 : 0,
)

function longRuns(bytes: Uint8Array): Run[] {
  const runs: Run[] = []
  for (let start = 0; start < bytes.length;) {
    const end = endOfRun(bytes, start)
    if (end - start >= SHORTEST_RUN) runs.push({ start, end })
    start = end + 1
  }
  return runs
}

function endOfRun(bytes: Uint8Array, start: number): number {
  let end = start
  while (end < bytes.length && IS_BASE64[bytes[end] as number] === 1) end++
  return end
}

/** Of the run that these bytes end with. */
function beginOfRun(bytes: Uint8Array): number {
  let begin = bytes.length
  while (begin > 0 && IS_BASE64[bytes[begin - 1] as number] === 1) begin--
  return begin
}

function readRun(path: string, { start, end }: Run): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(end - start)
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, start))
  } finally {
    closeSync(file)
  }
}
