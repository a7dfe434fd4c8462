/**
 * Benchmarks whose answers only a judge can score, one number each: how the judge is asked over rows of the dataset, and
 * how its reviews add up.
 *
 * A review: {"question_id": "v_1QIUV7WYKXg-8-12_1", "pred": "yes", "score": 4, "content": "{'pred': 'yes', 'score': 4}"}; without a
 * verdict, score 0 and `no`, as in the official scripts, counted as unreadable.
 */
import { InputError } from '../core/errors.ts'
import { answersById, countAnswers, onlyAsked } from './answers.ts'
import type { Benchmark, Metric, Scored, ScoreInput } from './benchmark.ts'
import {
  isRow,
  readJson,
  readRows,
  shownField,
  textField,
  unreadable,
  type EvalFile,
  type Row,
} from './eval-file.ts'
import type { PromptPair } from './judge-prompts.ts'
import type { JudgeInput, JudgeSpec, JudgeTask } from './judge-spec.ts'
import { readPythonDict, readScore } from './python-dict.ts'
import { columnText } from './row-columns.ts'
import { reviewedAnswer } from './samples.ts'
import { allTableRows, type TableForm, type TableRow } from './table-rows.ts'

export const REVIEW_FILES: Benchmark['files'] = {
  answers: "the judge's reviews: rows with question_id, score and, where there is one, pred",
}

export type JudgedRule = {
  /** Accuracy is the share of `pred` yes, or of scores from this one on; without it there is none. */
  readonly right?: 'yes' | number
  readonly scoreName: string
  /** Reviews of different kinds are different numbers. */
  readonly part?: string
}

export type Review = {
  readonly id: string
  readonly part: string
  readonly score: number
  readonly pred: string | null
  /** The answer, where the review holds it. */
  readonly given: string
  /** What the judge said. */
  readonly content: string
  readonly isUnread: boolean
  /** There was no answer to review. */
  readonly isMissing: boolean
}

/** Accuracy and mean score of reviews. */
export function scoreReviews(
  { answers: files, asked }: ScoreInput,
  { right, scoreName }: JudgedRule,
): Scored {
  const reviews = onlyAsked(
    reviewsOnce(files.flatMap((file) => readReviews(file))),
    asked,
    ({ id }) => id,
  )
  const isRight = ({ pred, score }: Review) =>
    right === 'yes' ? pred === 'yes' : score >= (right ?? 0)
  const isNeither = ({ pred }: Review) =>
    right === 'yes' && pred !== null && pred !== 'yes' && pred !== 'no'
  const accuracy: Metric = {
    name: 'accuracy',
    statistic: {
      // The official scripts divide by yes and no; what is neither is counted as unreadable.
      rows: reviews.map((one) => [isRight(one) ? 1 : 0, isNeither(one) ? 0 : 1]),
      of: ([a = 0, b = 0]) => (a / b) * 100,
    },
    unit: 'percent',
    digits: 1,
  }
  return {
    counts: reviewCounts(reviews.map((one) => (isNeither(one) ? { ...one, isUnread: true } : one))),
    outcomes: reviews.map(outcomeOf),
    metrics: isNonsense(reviews)
      ? []
      : [...(right === undefined ? [] : [accuracy]), meanScore(scoreName, reviews)],
  }
}

/** The only review of each answer. Throws InputError where an answer has two that differ. */
export function reviewsOnce(reviews: readonly Review[]): Review[] {
  const verdicts = reviews.map((one) => ({ ...one, text: `${one.pred ?? ''} ${one.score}` }))
  return [...answersById(verdicts, { key: reviewName }).values()]
}

/** Where the judge has said nothing that can be read there is no number, and 0 would look like one. */
export function isNonsense(reviews: readonly Review[]): boolean {
  return reviews.length > 0 && reviews.every(({ isUnread, isMissing }) => isUnread || isMissing)
}

export function meanScore(name: string, reviews: readonly Review[]): Metric {
  const rows = reviews.map(({ score }) => [score, 1])
  return {
    name,
    statistic: { rows, of: ([sum = 0, count = 0]) => sum / count },
    unit: 'points',
    digits: 2,
  }
}

export function reviewCounts(reviews: readonly Review[]) {
  const named = reviews.map((one) => ({ ...one, name: reviewName(one) }))
  const answered = named.filter(({ isMissing }) => !isMissing)
  const unread = answered.filter(({ isUnread }) => isUnread).length
  return countAnswers(
    named.map(({ name }) => name),
    new Map(answered.map(({ name }) => [name, name])),
    unread,
  )
}

function reviewName({ id, part }: Review): string {
  return part === '' ? id : `${id} ${part}`
}

/** Scores are shown as shares of five, so that runs can be compared. */
export function outcomeOf(review: Review) {
  const { score, pred, given, content } = review
  return {
    id: reviewName(review),
    score: score / 5,
    given,
    judged: content,
    read: pred === null ? String(score) : `${pred} ${score}`,
    expected: '',
  }
}

/** Reviews of ours, of the official scripts, or lmms-eval's samples; of a part that the file does not name itself. */
export function readReviews(file: EvalFile, part = ''): Review[] {
  const nameOf = uniqueNames()
  return reviewRows(file).map((sample, i) => {
    const inner = sample['gpt_eval_score'] ?? sample['gpt_eval_accuracy']
    const row = isRow(inner) ? { ...sample, ...inner } : sample
    const field = ['question_id', 'id', 'doc_id', 'video_name'].find((name) => name in row)
    const score = readScore(row['score'] as string | number | undefined)
    if (score === null || score < 0 || score > 5) {
      throw new InputError(
        'INPUT_ANSWERS_FIELD',
        `eval: every review of ${file.name} should have a score from 0 to 5, row ${i + 1} has ${shownField(row['score'])}. Answers need a judge first: --judge.`,
      )
    }
    const pred = row['Correctness'] ?? row['pred']
    return {
      id: nameOf(textField(row, field ?? 'question_id', file), field === 'video_name'),
      part: typeof row['part'] === 'string' ? row['part'] : part,
      score,
      pred: typeof pred === 'string' ? verdictWord(pred) : null,
      given: reviewedAnswer(row),
      content: typeof row['content'] === 'string' ? row['content'] : '',
      isUnread: row['unread'] === true,
      isMissing: row['missing'] === true,
    }
  })
}

/**
 * Rows, or what Video-ChatGPT's scripts write: of all questions {"v_p1QGn0IzfW0_0": [{"pred": "yes", "score": 4}, {"q": …}]}, or
 * of one such a pair alone, its name the file's.
 * Source: mbzuai-oryx/Video-ChatGPT quantitative_evaluation/evaluate_activitynet_qa.py.
 */
function reviewRows(file: EvalFile): Row[] {
  if (/^\s*\{\s*"[^"]*"\s*:\s*\[/.test(file.text)) {
    const whole = readJson(file)
    return Object.entries(isRow(whole) ? whole : {}).map(([id, value]) => {
      const [verdict, asked]: unknown[] = Array.isArray(value) ? value : []
      if (isRow(verdict)) return { id, ...verdict, ...answerOf(asked) }
      throw unreadable(file, `reviews by question, ${id} among them`)
    })
  }
  const rows = readRows(file)
  const [verdict, asked] = rows
  const isPair = rows.length === 2 && asked !== undefined && ('q' in asked || 'q1' in asked)
  if (!isPair || !verdict || 'question_id' in verdict) return rows
  return [{ id: file.name.replace(/\.json$/, ''), ...verdict, ...answerOf(asked) }]
}

/** Of what the script writes beside a verdict, where `pred` is the answer. */
function answerOf(asked: unknown): Row {
  return isRow(asked) && typeof asked['pred'] === 'string' ? { given: asked['pred'] } : {}
}

/** Clips have several questions; those that are named by the clip alone are counted, as the official scripts do. */
function uniqueNames(): (name: string, isClip: boolean) => string {
  const seen = new Map<string, number>()
  return (name, isClip) => {
    const repeat = seen.get(name) ?? 0
    seen.set(name, repeat + 1)
    return isClip && repeat > 0 ? `${name}_${repeat}` : name
  }
}

function verdictWord(text: string): string {
  const lower = text.toLowerCase()
  if (lower.includes('yes')) return 'yes'
  return lower.includes('no') ? 'no' : lower
}

/** A judge that is asked for `{'score': n}`, or with `hasPred` for `{'pred': 'yes', 'score': n}`. */
export function dictJudge(parts: {
  readonly prompt: PromptPair
  readonly hasPred: boolean
  readonly form?: TableForm
}): JudgeSpec {
  return {
    model: 'gpt-3.5-turbo-0613',
    temperature: 0,
    maxTokens: 64,
    tasks: (input) => rowTasks(input, parts),
    // Video-ChatGPT's inference writes {"id", "question", "answer", "pred"}.
    holdsTruth: (file) =>
      readRows(file).every((row) => ['question', 'answer', 'pred'].every((name) => name in row)),
    read: (reply) => readVerdict(reply, parts.hasPred),
  }
}

/** Score 0 to 5, cut to a whole number as the scripts do; yes or no where it is asked for. */
export function readVerdict(reply: string, hasPred: boolean): Row | null {
  const verdict = readPythonDict(reply)
  const score = verdict && readScore(verdict['score'])
  if (verdict === null || score === null || score < 0 || score > 5) return null
  if (!hasPred) return { score }
  const pred = verdictWord(String(verdict['pred'] ?? ''))
  return pred === 'yes' || pred === 'no' ? { pred, score } : null
}

function rowTasks(
  { answers, questions, labels }: JudgeInput,
  {
    prompt,
    hasPred,
    form,
  }: { readonly prompt: PromptPair; readonly hasPred: boolean; readonly form?: TableForm },
): JudgeTask[] {
  const given = new Map(answers.map((answer) => [answer.id, answer.text]))
  const rows = judgedRows({ questions, labels }, form)
  return rows.flatMap((one) => {
    const { id } = one
    const pred = given.get(id)
    if (pred === undefined) return []
    const values = {
      question: columnText(one, 'question'),
      answer: columnText(one, 'answer'),
      pred,
    }
    return [
      {
        id,
        answer: pred,
        messages: fillPair(prompt, values),
        fields: { question_id: id },
        unread: { ...(hasPred ? { pred: 'no' } : {}), score: 0, unread: true },
      },
    ]
  })
}

/** Rows of the truth; what it does not say, as ActivityNet-QA's test_a.json has no questions, the question's row does. */
export function judgedRows(
  { questions, labels }: Pick<JudgeInput, 'questions' | 'labels'>,
  form?: TableForm,
): TableRow[] {
  const asked = allTableRows(questions, form)
  if (labels.length === 0) return asked
  const byId = new Map(asked.map(({ id, row }) => [id, row]))
  return allTableRows(labels, form).map((one) => {
    return { ...one, row: { ...byId.get(one.id), ...one.row } }
  })
}

/** Each place once, so that an answer with braces in it fills nothing else. */
export function fillPair(
  { system, user }: PromptPair,
  values: Readonly<Record<string, string>>,
): JudgeTask['messages'] {
  return [
    { role: 'system', content: system },
    { role: 'user', content: fill(user, values) },
  ]
}

export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}
