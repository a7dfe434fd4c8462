/** Rows of datasets' own tables: their ids, their truth, and how they are asked. */
import { InputError } from '../core/errors.ts'
import { truthsById } from './answers.ts'
import { baseName, openData, readRows, textField, type EvalFile, type Row } from './eval-file.ts'
import { pictureField, pictureOfOther } from './llava-questions.ts'
import { readPythonList } from './python-dict.ts'
import type { AskSpec, ClipSeconds, Named, Picture, Question } from './question.ts'
import { isSample, sampleFields, sampleName } from './samples.ts'

/** What is particular to a table. */
export type TableForm = {
  /** A row's id where no column of the usual names has it; without this, or where it is null, rows of Parquet files are counted. */
  readonly id?: (row: Row, i: number, file: EvalFile) => string | null
  /** The row as the hub's table has it, where a file has another form. */
  readonly adapt?: (row: Row) => Row
  /** Rows of other benchmarks in the same table are passed over. */
  readonly keep?: (row: Row) => boolean
  /** The split that is asked; files of the others, which a whole download holds too, are passed over. */
  readonly split?: Split
  /** The folder of this benchmark in a download that holds others too. */
  readonly folder?: string
}

/** How rows are asked. */
export type TableAsk = {
  readonly prompt: (row: TableRow) => string
  /** The prompt in one sentence. */
  readonly about: string
  readonly maxTokens: number
  /** The usual name of the table, or of the folder of its files. */
  readonly file: string
  /** The column `image`, or what datasets' own files call it, unless said otherwise. */
  readonly images?: (row: Row) => readonly Picture[]
  readonly video?: (row: TableRow) => string
  readonly seconds?: (row: Row, file: EvalFile) => ClipSeconds | null
  /** The folder of pictures or clips that rows name. */
  readonly folder?: string
  readonly isInterleaved?: boolean
}

/** Questions of a table that holds the truth as well. */
export function askTable(ask: TableAsk, form: TableForm = {}): AskSpec {
  const { prompt, about, maxTokens, images, video, isInterleaved = false } = ask
  const clipOf = (one: TableRow) => {
    const seconds = ask.seconds?.(one.row, one.file)
    return video ? { video: video(one), ...(seconds ? { seconds } : {}) } : {}
  }
  const question = (one: TableRow): Question => ({
    id: one.id,
    prompt: prompt(one),
    images: (images ?? rowPictures)(one.row),
    maxTokens,
    isVisual: true,
    ...clipOf(one),
    ...(isInterleaved ? { isInterleaved } : {}),
  })
  return {
    questions: (files) => allTableRows(files, form).map(question),
    pick: (files) => ofSplit(ofFolder(files, form.folder), form.split),
    prompt: `${about}; greedy`,
    folder: { questions: ask.file, ...(ask.folder === undefined ? {} : { images: ask.folder }) },
    hasTruth: true,
  }
}

/** Of DocVQA's, InfographicVQA's and ChartQA's own files too. */
const PICTURE_FIELDS = ['image', 'imgname', 'image_local_name', 'image_path']

export function rowPictures(row: Row): readonly Picture[] {
  const pictures = PICTURE_FIELDS.map((name) => pictureField(row[name]))
  return pictures.find(({ length }) => length > 0) ?? []
}

export type TableRow = {
  readonly id: string
  /** What lmms-eval keeps of the dataset's row stands beside the sample's fields. */
  readonly row: Row
  readonly file: EvalFile
  /** Among all rows of the files, those included that are passed over. */
  readonly place: number
}

const ID_FIELDS = ['question_id', 'questionId', 'doc_id', 'index', 'id', 'pid']

export function tableRows(file: EvalFile, form?: TableForm): TableRow[] {
  return allTableRows([file], form)
}

/** Rows of all files as of one table: a dataset's Parquet files are pieces of it. */
export function allTableRows(
  files: readonly EvalFile[],
  { id, adapt = (row) => row, keep, split, folder }: TableForm = {},
): TableRow[] {
  let place = 0
  const nameOf = (sample: Row, row: Row, i: number, file: EvalFile) => {
    const name = ID_FIELDS.find((field) => field in sample)
    if (name === 'doc_id' && isSample(sample)) {
      return sampleName(textField(sample, name, file), file)
    }
    if (name !== undefined) return textField(sample, name, file)
    const own = id?.(row, i, file)
    if (typeof own === 'string') return own
    return file.rows ? String(place) : textField(sample, 'question_id', file)
  }
  const rows = ofSplit(ofFolder(files, folder), split).flatMap((file) =>
    withPictures(readRows(openData(file))).map((sample, i): TableRow => {
      const row = adapt(sampleFields(sample))
      return { id: nameOf(sample, row, i, file), row, file, place: place++ }
    }),
  )
  return keep ? rows.filter(({ row }) => keep(row)) : rows
}

/** In VLMEvalKit's tables a picture that an earlier row has is its index. */
export function withPictures(rows: readonly Row[]): readonly Row[] {
  if (rows[0]?.['index'] === undefined || rows[0]['image'] === undefined) return rows
  const byIndex = new Map(rows.map((row) => [String(row['index']), row['image']]))
  return rows.map((row) => ({ ...row, image: pictureOfOther(row['image'], byIndex) }))
}

const SPLITS = {
  train: /^train/,
  validation: /^val/,
  test: /^test(?!mini|dev)/,
  testdev: /^testdev/,
  testmini: /^testmini/,
  dev: /^dev/,
} as const
export type Split = keyof typeof SPLITS

/** Without the files of other splits, if any is of this one: `data/test-00000-of-00002.parquet` is of test. */
export function ofSplit<File extends Named>(
  files: readonly File[],
  split: Split | undefined,
): readonly File[] {
  if (split === undefined || !files.some((file) => splitOf(file) === split)) return files
  return files.filter((file) => [split, undefined].includes(splitOf(file)))
}

/** The split that a file is named by. */
export function splitOf(file: Named): Split | undefined {
  const base = baseName(file)
  return (Object.keys(SPLITS) as Split[]).find((one) => SPLITS[one].test(base))
}

/** Without the files beside a folder of this name, if there is one. */
export function ofFolder<File extends Named>(
  files: readonly File[],
  folder: string | undefined,
): readonly File[] {
  if (folder === undefined) return files
  const own = files.filter(({ name }) =>
    name.toLowerCase().split('/').slice(0, -1).includes(folder.toLowerCase()),
  )
  return own.length > 0 ? own : files
}

const TRUTH_FIELDS = ['answers', 'answer', 'label', 'target', 'gt_answer', 'gt_content']

function truthField(row: Row): unknown {
  // lmms-eval's `target` is the text that the prompt asks for.
  return row['target'] ?? TRUTH_FIELDS.map((name) => row[name]).find((one) => one !== undefined)
}

/** The only row of each id. Throws InputError where two of one id have questions or truths that differ. */
export function rowsOnce(rows: readonly TableRow[]): TableRow[] {
  const text = ({ row }: TableRow) => String(JSON.stringify(truthField(row)))
  const question = ({ row }: TableRow) => questionText(row)
  return [...truthsById(rows, { id: ({ id }) => id, text, question }).values()]
}

/** As datasets call what is asked; empty where a row has none of them. */
export function questionText(row: Row): string {
  const texts = ['question', 'query', 'prompt'].map((name) => row[name])
  return texts.find((text) => typeof text === 'string') ?? ''
}

/** The truth as one text, also where it looks like a list: `[2017, 2023]`; null where the row has another. */
export function truthText(row: Row): string | null {
  const own = truthField(row)
  return typeof own === 'string' ? own : null
}

/** Whether the row is of a split whose truth only a server knows. */
export function isUnanswered({ row }: TableRow): boolean {
  const own = truthField(row)
  const texts = Array.isArray(own) ? (own as unknown[]) : [own]
  return texts.every((text) => text === undefined || text === null || text === '')
}

/** The accepted answers. Throws InputError where the row has none. */
export function acceptedAnswers({ id, row, file }: TableRow): string[] {
  const own = truthField(row)
  // lmms-eval's newer samples and VLMEvalKit's tables hold lists as Python prints them.
  const printed = typeof own === 'string' ? (readPythonList(own) ?? []) : []
  const list = printed.length > 0 ? printed : own
  const accepted = (Array.isArray(list) ? list : [list]).filter(
    // An empty cell is no truth: an empty answer would be right.
    (truth) => (typeof truth === 'string' && truth !== '') || typeof truth === 'number',
  )
  if (accepted.length > 0) return accepted.map(String)
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval: rows of ${file.name} should have one of ${TRUTH_FIELDS.slice(0, 4).join(', ')}, ${id} has none; give the truth as labels.`,
  )
}
