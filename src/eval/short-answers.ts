/**
 * Benchmarks whose answers are short and whose truth comes beside them: lmms-eval's samples, VLMEvalKit's tables, or a
 * label file with the same ids. What they share is here; a benchmark brings how it compares.
 */
import { InputError } from '../core/errors.ts'
import { answersById, countAnswers, onlyAsked, readAnswers } from './answers.ts'
import {
  meanPercent,
  type Benchmark,
  type Outcome,
  type Scored,
  type ScoreInput,
} from './benchmark.ts'
import { isRow, readRows, textField, type EvalFile, type Row } from './eval-file.ts'
import { pictureField } from './llava-questions.ts'
import type { AskSpec, Picture, Question } from './question.ts'

export type ShortAnswerRule = Pick<Benchmark, 'name' | 'title' | 'rule' | 'published'> & {
  /** Scores 0 to 1, and what was read. */
  readonly judge: (
    answer: string,
    accepted: readonly string[],
    row: Row,
  ) => { readonly score: number; readonly read: string }
  /** Which part of the benchmark a row is of, where its table has parts. */
  readonly part?: (row: Row) => string | null
  readonly ask?: TableAsk
}

/** How rows of the dataset's own table are asked. */
export type TableAsk = {
  readonly prompt: (row: Row) => string
  /** The prompt in one sentence. */
  readonly about: string
  readonly maxTokens: number
  /** The usual name of the table. */
  readonly file: string
  /** The column `image`, unless said otherwise. */
  readonly images?: (row: Row) => readonly Picture[]
  readonly video?: (row: Row) => string
  /** The folder of pictures or clips that rows name. */
  readonly folder?: string
  readonly isInterleaved?: boolean
}

export function shortAnswerBenchmark({ judge, part, ask, ...rule }: ShortAnswerRule): Benchmark {
  return {
    ...rule,
    ...(ask ? { ask: askTable(ask) } : {}),
    files: {
      answers: 'lmms-eval samples (.jsonl), a table with prediction and answer, or answers',
      labels:
        'rows with the same ids and answer, answers or target; needed where answers hold no truth',
    },
    needs: [],
    score: (input) => scoreShortAnswers(input, judge, part ?? (() => null)),
  }
}

function scoreShortAnswers(
  { answers: files, labels, asked }: ScoreInput,
  judge: ShortAnswerRule['judge'],
  part: (row: Row) => string | null,
): Scored {
  const answers = answersById(readAnswers(files))
  const all = (labels.length > 0 ? labels : files).flatMap(readTruths)
  const truths = onlyAsked(all, asked, ({ id }) => id)
  const outcomes = truths.map(({ id, accepted, row }): Outcome => {
    const given = answers.get(id)?.text
    const { score, read } =
      given === undefined ? { score: 0, read: '' } : judge(given, accepted, row)
    return { id, given: given ?? '', read, expected: accepted.join(' | '), score }
  })
  const parts = [...new Set(truths.flatMap(({ row }) => part(row) ?? []))].sort()
  const scoresOf = (name: string | null) =>
    outcomes
      .filter((_, i) => name === null || part(truths[i]?.row ?? {}) === name)
      .map(({ score }) => score)
  return {
    counts: countAnswers(
      truths.map(({ id }) => id),
      answers,
    ),
    outcomes,
    metrics: [null, ...parts].map((name) => meanPercent(name ?? 'overall', scoresOf(name), 1)),
  }
}

/** Questions of a table that holds the truth as well. */
export function askTable(ask: TableAsk): AskSpec {
  const { prompt, about, maxTokens, images, video, isInterleaved = false } = ask
  const question = (row: Row, id: string): Question => ({
    id,
    prompt: prompt(row),
    images: images ? images(row) : pictureField(row['image']),
    maxTokens,
    ...(video ? { video: video(row) } : {}),
    ...(isInterleaved ? { isInterleaved } : {}),
  })
  return {
    questions: (files) =>
      files.flatMap((file) => readRows(file).map((row, i) => question(row, rowId(row, i, file)))),
    prompt: `${about}; greedy`,
    folder: { questions: ask.file, ...(ask.folder === undefined ? {} : { images: ask.folder }) },
    hasTruth: true,
  }
}

/** A row's id; Parquet files without one are counted, as lmms-eval counts their rows. */
export function rowId(row: Row, i: number, file: EvalFile): string {
  const name = ID_FIELDS.find((field) => field in row)
  return name === undefined && file.rows ? String(i) : textField(row, name ?? 'question_id', file)
}

type Truth = { readonly id: string; readonly accepted: readonly string[]; readonly row: Row }

const ID_FIELDS = ['question_id', 'questionId', 'doc_id', 'index', 'id', 'pid']
const TRUTH_FIELDS = ['answers', 'answer', 'label', 'target']

function readTruths(file: EvalFile): Truth[] {
  return readRows(file).map((sample, i) => {
    const id = rowId(sample, i, file)
    // lmms-eval keeps the dataset's row in `doc`; its `target` is the text that the prompt asks for.
    const row = isRow(sample['doc']) ? { ...sample, ...sample['doc'] } : sample
    const own =
      sample['target'] ?? TRUTH_FIELDS.map((name) => row[name]).find((one) => one !== undefined)
    const accepted = (Array.isArray(own) ? own : [own]).filter(
      (truth) => typeof truth === 'string' || typeof truth === 'number',
    )
    if (accepted.length === 0) {
      throw new InputError(
        'INPUT_LABELS_MISSING',
        `eval: rows of ${file.name} should have one of ${TRUTH_FIELDS.join(', ')}, ${id} has none; give the truth as labels.`,
      )
    }
    return { id, accepted: accepted.map(String), row }
  })
}
