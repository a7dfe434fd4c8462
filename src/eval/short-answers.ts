/**
 * Benchmarks whose answers are short and whose truth comes beside them: lmms-eval's samples, VLMEvalKit's tables, or a
 * label file with the same ids. What they share is here; a benchmark brings how it compares.
 */
import { InputError } from '../core/errors.ts'
import { answersById, countAnswers, readAnswers } from './answers.ts'
import {
  meanPercent,
  type Benchmark,
  type Outcome,
  type Scored,
  type ScoreInput,
} from './benchmark.ts'
import { isRow, readRows, textField, type EvalFile, type Row } from './eval-file.ts'

export type ShortAnswerRule = Pick<Benchmark, 'name' | 'title' | 'rule' | 'published'> & {
  /** Scores 0 to 1, and what was read. */
  readonly judge: (
    answer: string,
    accepted: readonly string[],
    row: Row,
  ) => { readonly score: number; readonly read: string }
  /** Which part of the benchmark a row is of, where its table has parts. */
  readonly part?: (row: Row) => string | null
}

export function shortAnswerBenchmark({ judge, part, ...rule }: ShortAnswerRule): Benchmark {
  return {
    ...rule,
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
  { answers: files, labels }: ScoreInput,
  judge: ShortAnswerRule['judge'],
  part: (row: Row) => string | null,
): Scored {
  const answers = answersById(readAnswers(files))
  const truths = (labels.length > 0 ? labels : files).flatMap(readTruths)
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

type Truth = { readonly id: string; readonly accepted: readonly string[]; readonly row: Row }

const ID_FIELDS = ['question_id', 'questionId', 'doc_id', 'index', 'id', 'pid']
const TRUTH_FIELDS = ['answers', 'answer', 'label', 'target']

function readTruths(file: EvalFile): Truth[] {
  return readRows(file).map((sample) => {
    const id = textField(sample, ID_FIELDS.find((name) => name in sample) ?? 'question_id', file)
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
