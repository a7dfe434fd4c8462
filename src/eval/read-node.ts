/** Answer, question and label files from disk. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, sep } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { EvalFile } from './eval-file.ts'
import { readSheet } from './xlsx.ts'
import { unzipTexts } from './zip-node.ts'

const KINDS = /\.(?:jsonl?|txt|tsv|csv|xlsx)$/i

/** The file, or all tables and texts in the folder and below it, by name. */
export function readEvalFiles(path: string): EvalFile[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) {
    throw new InputError(
      'INPUT_ANSWERS_MISSING',
      `eval: there is nothing at ${path}; check the path.`,
    )
  }
  if (!stat.isDirectory()) return [readEvalFile(path, basename(path))]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => KINDS.test(name) && statSync(join(path, name)).isFile())
    .sort()
  if (names.length === 0) {
    throw new InputError(
      'INPUT_ANSWERS_MISSING',
      `eval: the folder ${path} should hold .json, .jsonl, .txt, .tsv, .csv or .xlsx files, it has none.`,
    )
  }
  return names.map((name) => readEvalFile(join(path, name), name.split(sep).join('/')))
}

function readEvalFile(path: string, name: string): EvalFile {
  const bytes = readFileSync(path)
  if (/\.xlsx$/i.test(name))
    return { name, text: '', cells: readSheet(unzipTexts(bytes, name), name) }
  try {
    return { name, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (cause) {
    throw new InputError(
      'INPUT_ANSWERS_BROKEN',
      `eval: ${path} should be UTF-8 text; save it so.`,
      { cause },
    )
  }
}
