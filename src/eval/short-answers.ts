/**
 * Benchmarks whose answers are short and whose truth comes beside them: lmms-eval's samples, VLMEvalKit's tables, or a
 * label file with the same ids. What they share is here; a benchmark brings how it compares.
 */
import type { Rng } from '../core/rng.ts'
import { answersById, countAnswers, onlyAsked, readAnswers } from './answers.ts'
import {
  meanPercent,
  type Benchmark,
  type Outcome,
  type Scored,
  type ScoreInput,
} from './benchmark.ts'
import type { Row } from './eval-file.ts'
import {
  acceptedAnswers,
  askTable,
  tableRows,
  type TableAsk,
  type TableForm,
} from './table-rows.ts'

export type ShortAnswerRule = Pick<Benchmark, 'name' | 'title' | 'rule' | 'published'> & {
  /** Scores 0 to 1, and what was read. `rng` is for rules that draw where an answer says nothing. */
  readonly judge: (
    answer: string,
    accepted: readonly string[],
    row: Row,
    rng: Rng,
  ) => { readonly score: number; readonly read: string }
  /** Which part of the benchmark a row is of, where its table has parts. */
  readonly part?: (row: Row, id: string) => string | null
  readonly form?: TableForm
  readonly ask?: TableAsk
}

export function shortAnswerBenchmark(rule: ShortAnswerRule): Benchmark {
  const { name, title, published, form, ask } = rule
  return {
    name,
    title,
    rule: rule.rule,
    published,
    ...(ask ? { ask: askTable(ask, form) } : {}),
    files: {
      answers: 'lmms-eval samples (.jsonl), a table with prediction and answer, or answers',
      labels:
        'rows with the same ids and answer, answers or target; needed where answers hold no truth',
    },
    needs: [],
    score: (input) => scoreShortAnswers(input, rule),
  }
}

function scoreShortAnswers(
  { answers: files, labels, rng, asked }: ScoreInput,
  { judge, part = () => null, form }: ShortAnswerRule,
): Scored {
  const answers = answersById(readAnswers(files))
  const all = (labels.length > 0 ? labels : files).flatMap((file) => tableRows(file, form))
  const truths = onlyAsked(all, asked, ({ id }) => id)
  const outcomes = truths.map((truth): Outcome => {
    const { id, row } = truth
    const accepted = acceptedAnswers(truth)
    const given = answers.get(id)?.text
    const { score, read } =
      given === undefined ? { score: 0, read: '' } : judge(given, accepted, row, rng)
    return { id, given: given ?? '', read, expected: accepted.join(' | '), score }
  })
  const partOf = truths.map(({ row, id }) => part(row, id))
  const parts = [...new Set(partOf.filter((name) => name !== null))].sort()
  const scoresOf = (name: string | null) =>
    outcomes.filter((_, i) => name === null || partOf[i] === name).map(({ score }) => score)
  return {
    counts: countAnswers(
      truths.map(({ id }) => id),
      answers,
    ),
    outcomes,
    metrics: [null, ...parts].map((name) => meanPercent(name ?? 'overall', scoresOf(name), 1)),
  }
}
