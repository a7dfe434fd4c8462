/** What a build leaves: the benchmark, its pictures, and the file in which people review it. */
import { existsSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import { makeFolderSync } from '../../core/make-folder-node.ts'
import { readText } from '../../core/read-text-node.ts'
import { writeFileWhole } from '../../core/write-file-whole-node.ts'
import { isRow } from '../row-format.ts'
import type { PrintedRequest } from './choose-requests.ts'

export type Entry = PrintedRequest & { readonly alike: number; readonly reference: string }

export type ReviewRow = {
  readonly question_id: string
  readonly image: readonly string[]
  readonly question: string
  readonly reference: string
  readonly category: string | null
  /** Requests of the same cluster: what the question stands for. */
  readonly alike: number
  readonly accept: boolean | null
  readonly note: string
}

/** The review file is never overwritten but by what people left in it; the benchmark follows it. */
export function writeBench(out: string, entries: readonly Entry[]): readonly ReviewRow[] {
  makeFolderSync(join(out, 'images'))
  const path = join(out, 'review.jsonl')
  const before = readReview(path)
  const proposals = join(out, 'work', 'proposed.jsonl')
  const proposed = readReview(proposals)
  const rows = entries.map((entry): ReviewRow => {
    const { id } = entry.request
    const old = before.get(id)
    // What nobody rewrote is the earlier answerer's, and gives way to the present one's.
    const isUntouched = entry.reference !== '' && old?.reference === proposed.get(id)?.reference
    return {
      ...rowOf(out, entry),
      ...(old ? reviewed(isUntouched ? { ...old, reference: '' } : old) : {}),
    }
  })
  const own = entries.map(({ request, reference }) => ({ question_id: request.id, reference }))
  writeRows(path, rows)
  writeRows(proposals, own)
  const accepted = rows.filter(({ accept }) => accept !== false)
  const bench = accepted.map(({ question_id, image, question, reference, category }) => ({
    question_id,
    image: image.length === 1 ? image[0] : image,
    Question: question,
    Answer: reference,
    ...(category === null ? {} : { Category: category }),
  }))
  writeRows(join(out, 'bench.jsonl'), bench)
  return accepted
}

function rowOf(out: string, { request, prints, alike, reference }: Entry): ReviewRow {
  const image = request.images.map((path, i) => {
    const name = `images/${prints[i]?.sha256.slice(0, 16)}${extname(path).toLowerCase()}`
    // Also over what is there: an earlier build may have been ended in the middle of it.
    writeFileWhole(join(out, name), readFileSync(path))
    return name
  })
  return {
    question_id: request.id,
    image,
    question: request.text,
    reference,
    category: request.category,
    alike,
    accept: null,
    note: '',
  }
}

function readReview(path: string): Map<string, Partial<ReviewRow>> {
  if (!existsSync(path)) return new Map()
  const lines = readText(path)
    .split('\n')
    .filter((line) => line.trim() !== '')
  return new Map(
    lines.map((line, i) => {
      const place = `line ${i + 1} of ${path}`
      const row = parseRow(line, place)
      const { accept = null } = row
      if (accept === null || typeof accept === 'boolean') return [String(row.question_id), row]
      throw broken(
        `"accept" in ${place} should be true, false or null, ${JSON.stringify(accept)} came`,
      )
    }),
  )
}

function parseRow(line: string, place: string): Partial<ReviewRow> {
  let row: unknown
  try {
    row = JSON.parse(line)
  } catch (cause) {
    throw broken(`${place} should be a JSON object`, cause)
  }
  if (isRow(row)) return row
  throw broken(`${place} should be a JSON object, ${line.slice(0, 40)} came`)
}

function broken(fault: string, cause?: unknown): InputError {
  return new InputError('INPUT_REVIEW_BROKEN', `data build-bench: ${fault}; mend it.`, { cause })
}

/** What people may change. */
function reviewed(row: Partial<ReviewRow>) {
  const { question, reference, category = null, accept = null, note = '' } = row
  return {
    ...(question === undefined ? {} : { question }),
    ...(reference === undefined || reference === '' ? {} : { reference }),
    category,
    accept,
    note,
  }
}

function writeRows(path: string, rows: readonly object[]): void {
  writeFileWhole(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}
