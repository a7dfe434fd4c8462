/**
 * Answers on the disk: one JSON line for each question, appended, and synced together with those that came meanwhile.
 *
 * A process may be killed at any byte. What it leaves is whole lines and at most one torn line at the end, which is cut
 * off when the file is opened again; its question is asked again. Lines that hold an error are left out then too, in a new
 * file that takes the old one's name at once, so that no question ever has two lines.
 */
import { closeSync, existsSync, fsync, openSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { InputError } from '../core/errors.ts'
import { makeFolderSync } from '../core/make-folder-node.ts'
import { withPath, writeAll, writeFileWhole } from '../core/write-file-whole-node.ts'
import { takeLock } from '../data/process-lock.ts'
import type { Row } from './eval-file.ts'
import { isRow } from './eval-file.ts'
import { questionKeys } from './question.ts'
import { isErrorLine, type Journal, type JournalEntry } from './run-questions.ts'

const sync = promisify(fsync)

export class AnswerJournal implements Journal, Disposable {
  readonly answered: Set<string>
  readonly #path: string
  readonly #file: number
  /** Not yet written. */
  readonly #lines: string[] = []
  #writing: Promise<void> | null = null

  /** Throws InputError where another process writes the same file. */
  constructor(path: string) {
    makeFolderSync(dirname(path))
    lockFor(path)
    this.#path = path
    const kept = readWholeLines(path).filter((line) => !isErrorLine(line))
    writeFileWhole(path, kept.map((line) => `${JSON.stringify(line)}\n`).join(''))
    this.answered = new Set(questionKeys(kept.map(keyParts)))
    this.#file = openSync(path, 'a')
  }

  /** Several appends share one sync: those that come while another is under way. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    for (const { key } of entries) {
      if (this.answered.has(key)) throw new Error(`internal: ${key} was answered before`)
      this.answered.add(key)
    }
    this.#lines.push(...entries.map(({ line }) => `${JSON.stringify(line)}\n`))
    this.#writing ??= this.#write()
    await this.#writing
  }

  async #write(): Promise<void> {
    try {
      while (this.#lines.length > 0) {
        writeAll(this.#file, this.#lines.splice(0).join(''))
        await sync(this.#file)
      }
    } catch (error) {
      throw withPath(error, this.#path)
    } finally {
      this.#writing = null
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
    rmSync(lockOf(this.#path), { force: true })
  }
}

/** The lines that are whole; a torn one at the end is none. Throws InputError for a broken line before it. */
export function readWholeLines(path: string): Row[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.pop() // What follows the last line feed: nothing, or a torn line.
  return lines.map((line, i) => {
    const row = parseRow(line)
    if (row) return row
    throw new InputError(
      'INPUT_ANSWERS_BROKEN',
      `eval: line ${i + 1} of ${path} should be an answer, "${line.slice(0, 40)}" came; name another --out, or remove the line.`,
    )
  })
}

function parseRow(line: string): Row | null {
  try {
    const value: unknown = JSON.parse(line)
    return isRow(value) ? value : null
  } catch {
    return null // The caller says where.
  }
}

function keyParts(line: Row): { readonly id: string; readonly prompt: string } {
  return { id: String(line['question_id']), prompt: String(line['prompt']) }
}

function lockOf(path: string): string {
  return `${path}.lock`
}

function lockFor(path: string): void {
  const owner = takeLock(lockOf(path))
  if (owner === null || owner === process.pid) return
  throw new InputError(
    'INPUT_OUT_BUSY',
    `eval: ${path} should be written by one process, ${owner} is at it; wait for it, or name another --out.`,
  )
}
