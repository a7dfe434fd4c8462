/**
 * Benchmarks whose answers are short and whose truth comes beside them: lmms-eval's samples, VLMEvalKit's tables, or a
 * label file with the same ids. What they share is here; a benchmark brings how it compares.
 */
import type { Rng } from '../core/rng.ts'
import { answersById, countAnswers, onlyAsked, readAnswers, type Answer } from './answers.ts'
import {
  coverOf,
  meanOfParts,
  meanScore,
  partScores,
  type Benchmark,
  type Outcome,
  type Scored,
  type ScoreInput,
} from './benchmark.ts'
import { refuseMisplaced } from './check-places.ts'
import type { EvalFile, Row } from './eval-file.ts'
import { checkSameRow, isSample, sampleName } from './samples.ts'
import {
  acceptedAnswers,
  allTableRows,
  askTable,
  isUnanswered,
  questionText,
  rowsOnce,
  type TableAsk,
  type TableForm,
  type TableRow,
} from './table-rows.ts'

export type ShortAnswerRule = Pick<
  Benchmark,
  'name' | 'title' | 'tasks' | 'otherSets' | 'rule' | 'published'
> & {
  /** Scores 0 to 1, and what was read. `row` has the truth. */
  readonly judge: (
    answer: string,
    accepted: readonly string[],
    row: Row,
    context: JudgeContext,
  ) => { readonly score: number; readonly read: string }
  /** Which part of the benchmark a row is of, where its table has parts; several where it is cut in several ways. */
  readonly part?: (row: Row, id: string) => string | readonly string[] | null
  /** How many parts the whole has, where they may come alone: of the first way in which it is cut. */
  readonly partCount?: number
  /** The mean of the parts, where the official script has it. */
  readonly hasMeanOfParts?: boolean
  /** Rows of a file that only the official scripts write; null where it is a table like others. */
  readonly unpack?: (file: EvalFile, kind: 'answers' | 'labels') => readonly Row[] | null
  readonly form?: TableForm
  readonly ask?: TableAsk
  /** Of a split without truth the file that its server takes: all ids, with an empty answer where none came. */
  readonly submission?: (answers: readonly SubmittedAnswer[]) => Readonly<Record<string, string>>
}

export type SubmittedAnswer = { readonly id: string; readonly text: string }

export type JudgeContext = {
  /** For rules that draw where an answer says nothing. */
  readonly rng: Rng
  /** All that the answer's file holds of it. */
  readonly given: Row
}

export function shortAnswerBenchmark(rule: ShortAnswerRule): Benchmark {
  const { name, title, tasks, otherSets, published, form, ask } = rule
  return {
    name,
    title,
    ...(tasks ? { tasks } : {}),
    ...(otherSets ? { otherSets } : {}),
    rule: rule.rule,
    published,
    ...(form?.split ? { split: form.split } : {}),
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
  { answers: answerFiles, labels: labelFiles, rng, asked }: ScoreInput,
  rule: ShortAnswerRule,
): Scored {
  const {
    name: benchmark,
    judge,
    part = () => null,
    form,
    unpack,
    hasMeanOfParts,
    partCount,
  } = rule
  const opened = (kind: 'answers' | 'labels') => (file: EvalFile) => {
    const rows = unpack?.(file, kind)
    return rows ? { ...file, rows } : file
  }
  const files = answerFiles.map(opened('answers'))
  const labels = labelFiles.map(opened('labels'))
  const answers = answersById(readAnswers(files))
  const all =
    labels.length > 0
      ? labelRows(allTableRows(labels, form), answers, {
          benchmark,
          part: ({ row, id }) => [part(row, id) ?? []].flat()[0],
        })
      : rowsOnce(allTableRows(files, form))
  const truths = onlyAsked(all, asked, ({ id }) => id)
  if (rule.submission && truths.length > 0 && truths.every(isUnanswered)) {
    return submitted(truths, answers, rule.submission)
  }
  const outcomes = truths.map((truth): Outcome => {
    const { id, row } = truth
    const accepted = acceptedAnswers(truth)
    const given = answers.get(id)
    const { score, read } =
      given === undefined
        ? { score: 0, read: '' }
        : judge(given.text, accepted, row, { rng, given: given.row })
    return { id, given: given?.text ?? '', read, expected: accepted.join(' | '), score }
  })
  const partsOf = truths.map(({ row, id }) => [part(row, id) ?? []].flat())
  const parts = [...new Set(partsOf.flat())].sort()
  const firstParts = new Set(partsOf.flatMap(([first]) => first ?? []))
  const scoresOf = (name: string) =>
    outcomes.filter((_, i) => partsOf[i]?.includes(name)).map(({ score }) => score)
  return {
    counts: countAnswers(
      truths.map(({ id }) => id),
      answers,
      outcomes.filter(({ id, read }) => answers.has(id) && read === '').length,
    ),
    outcomes,
    metrics: [
      { ...meanScore('overall', outcomes, 1), ...coverOf(firstParts, partCount) },
      ...(hasMeanOfParts && parts.length > 1 ? [meanOfParts(parts.map(scoresOf))] : []),
      ...partScores(outcomes, partsOf, 1),
    ],
  }
}

function submitted(
  rows: readonly TableRow[],
  answers: ReadonlyMap<string, Answer>,
  write: NonNullable<ShortAnswerRule['submission']>,
): Scored {
  const ids = rows.map(({ id }) => id)
  return {
    counts: countAnswers(ids, answers),
    outcomes: [],
    metrics: [],
    written: write(ids.map((id) => ({ id, text: answers.get(id)?.text ?? '' }))),
  }
}

export type LabelNames = {
  readonly benchmark: string
  /** The part of the benchmark that a row is of, where parts may have files of their own. */
  readonly part?: (row: TableRow) => string | undefined
}

/** Rows of the labels, named as the answers are: lmms-eval's samples say which row they are of by its place. */
export function labelRows(
  rows: readonly TableRow[],
  answers: ReadonlyMap<string, Answer>,
  { benchmark, part }: LabelNames,
): readonly TableRow[] {
  const given = [...answers.values()]
  if (given.length === 0 || !given.every(({ row }) => isSample(row))) return rows
  const parts = new Set(given.flatMap((answer) => answer.part ?? []))
  const placed =
    part && parts.size > 0
      ? placedInParts(rows, part, parts)
      : rows.map((one) => ({ ...one, id: String(one.place) }))
  for (const { id, row } of placed) {
    const sample = answers.get(id)
    if (sample) checkSameRow(sample.row, row, benchmark)
  }
  refuseMisplaced(
    benchmark,
    given.map(({ id, row }) => ({ ...row, doc_id: id })),
    placed.map(({ id, row }) => ({ ids: [id], prompt: questionText(row) })),
  )
  return placed
}

/** By the places in each part: what the dataset calls `Multi-view_Reasoning` is `multi_view_reasoning` in lmms-eval's tasks. */
function placedInParts(
  rows: readonly TableRow[],
  partOf: NonNullable<LabelNames['part']>,
  parts: ReadonlySet<string>,
): readonly TableRow[] {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const names = new Map([...parts].map((name) => [plain(name), name]))
  const counts = new Map<string, number>()
  return rows.map((one) => {
    const own = partOf(one) ?? ''
    const part = names.get(plain(own)) ?? own
    const place = counts.get(part) ?? 0
    counts.set(part, place + 1)
    return { ...one, id: sampleName(String(place), { part }) }
  })
}
