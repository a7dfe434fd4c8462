/** Rows of datasets' own tables: their ids, their truth, and how they are asked. */
import { InputError } from '../core/errors.ts'
import { isRow, readRows, textField, type EvalFile, type Row } from './eval-file.ts'
import { pictureField } from './llava-questions.ts'
import type { AskSpec, Picture, Question } from './question.ts'

/** What is particular to a table. */
export type TableForm = {
  /** A row's id where no column of the usual names has it; without this, rows of Parquet files are counted. */
  readonly id?: (row: Row, i: number, file: EvalFile) => string
  /** Rows of other benchmarks in the same table are passed over. */
  readonly keep?: (row: Row) => boolean
}

/** How rows are asked. */
export type TableAsk = {
  readonly prompt: (row: Row) => string
  /** The prompt in one sentence. */
  readonly about: string
  readonly maxTokens: number
  /** The usual name of the table, or of the folder of its files. */
  readonly file: string
  /** The column `image`, unless said otherwise. */
  readonly images?: (row: Row) => readonly Picture[]
  readonly video?: (row: Row, file: EvalFile) => string
  /** The folder of pictures or clips that rows name. */
  readonly folder?: string
  readonly isInterleaved?: boolean
}

/** Questions of a table that holds the truth as well. */
export function askTable(ask: TableAsk, form: TableForm = {}): AskSpec {
  const { prompt, about, maxTokens, images, video, isInterleaved = false } = ask
  const question = ({ id, row, file }: TableRow): Question => ({
    id,
    prompt: prompt(row),
    images: images ? images(row) : pictureField(row['image']),
    maxTokens,
    ...(video ? { video: video(row, file) } : {}),
    ...(isInterleaved ? { isInterleaved } : {}),
  })
  return {
    questions: (files) => files.flatMap((file) => tableRows(file, form).map(question)),
    prompt: `${about}; greedy`,
    folder: { questions: ask.file, ...(ask.folder === undefined ? {} : { images: ask.folder }) },
    hasTruth: true,
  }
}

export type TableRow = {
  readonly id: string
  /** lmms-eval keeps the dataset's row in `doc`: its fields stand beside the sample's. */
  readonly row: Row
  readonly file: EvalFile
}

const ID_FIELDS = ['question_id', 'questionId', 'doc_id', 'index', 'id', 'pid']

export function tableRows(file: EvalFile, { id, keep }: TableForm = {}): TableRow[] {
  const rows = readRows(file).map((sample, i): TableRow => {
    const row = isRow(sample['doc']) ? { ...sample, ...sample['doc'] } : sample
    const name = ID_FIELDS.find((field) => field in sample)
    if (name !== undefined) return { id: textField(sample, name, file), row, file }
    if (id) return { id: id(row, i, file), row, file }
    return { id: file.rows ? String(i) : textField(sample, 'question_id', file), row, file }
  })
  return keep ? rows.filter(({ row }) => keep(row)) : rows
}

const TRUTH_FIELDS = ['answers', 'answer', 'label', 'target']

/** The accepted answers. Throws InputError where the row has none. */
export function acceptedAnswers({ id, row, file }: TableRow): string[] {
  // lmms-eval's `target` is the text that the prompt asks for.
  const own =
    row['target'] ?? TRUTH_FIELDS.map((name) => row[name]).find((one) => one !== undefined)
  const accepted = (Array.isArray(own) ? own : [own]).filter(
    (truth) => typeof truth === 'string' || typeof truth === 'number',
  )
  if (accepted.length > 0) return accepted.map(String)
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval: rows of ${file.name} should have one of ${TRUTH_FIELDS.join(', ')}, ${id} has none; give the truth as labels.`,
  )
}
