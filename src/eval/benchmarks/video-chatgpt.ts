/**
 * Video-ChatGPT: answers about clips, judged in five dimensions.
 *
 * Paper: arXiv:2306.05424. Data: huggingface.co/datasets/lmms-lab/VideoChatGPT (CC BY-SA 4.0), Generic, Temporal and Consistency:
 *   {"video_name": "v_p1QGn0IzfW0", "question": "What is happening in the video?", "question_1": "None", "question_2": "None", "answer": "…"}
 * Of Consistency, a row has question_1 or question_2; the two rows of a clip are judged together. The authors' generic_qa.json,
 * temporal_qa.json and consistency_qa.json have Q and A, or Q1, Q2 and A, in one row.
 * Official scorer: mbzuai-oryx/Video-ChatGPT quantitative_evaluation/, in the form of lmms-eval tasks/videochatgpt/utils.py.
 * Correctness, detail and context are three calls over each generic answer.
 */
import {
  meanOfParts,
  type Benchmark,
  type Metric,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { onlyAsked, readAnswers, type Answer } from '../answers.ts'
import { isRow, readRows, type EvalFile, type Row } from '../eval-file.ts'
import {
  fillPair,
  isNonsense,
  meanScore,
  outcomeOf,
  readReviews,
  readVerdict,
  REVIEW_FILES,
  reviewCounts,
  reviewsOnce,
  type Review,
} from '../judged-answers.ts'
import { VIDEO_CHATGPT } from '../judge-prompts.ts'
import type { JudgeInput, JudgeTask } from '../judge-spec.ts'
import type { Question } from '../question.ts'
import { columnText, withoutColumn } from '../row-columns.ts'
import { reviewedAnswer, sampleName } from '../samples.ts'
import { tableRows } from '../table-rows.ts'
import { aprilRow, juneRow, oneVisionRow, JUDGE_0613 } from './published-tables.ts'

type Dimension = keyof typeof VIDEO_CHATGPT

const DIMENSIONS: readonly Dimension[] = [
  'correctness',
  'detail',
  'context',
  'temporal',
  'consistency',
]
const GENERIC = ['correctness', 'detail', 'context'] as const

export const videoChatGpt: Benchmark = {
  name: 'video-chatgpt',
  tasks: ['videochatgpt_*'],
  title: 'Video-ChatGPT',
  files: REVIEW_FILES,
  needs: [],
  rule: "the judge's whole numbers 0 to 5, averaged by dimension; the mean of the dimensions; no verdict is 0",
  score: scoreVideoChatGpt,
  ask: {
    questions: (files) => files.flatMap(readVideoQuestions),
    prompt: 'the question, after the clip; greedy',
    folder: { questions: '.', images: 'Test_Videos' },
    hasTruth: true,
  },
  judge: {
    model: 'gpt-3.5-turbo-0613',
    temperature: 0,
    maxTokens: 64,
    tasks,
    read: (reply) => readVerdict(reply, false),
    answers: readPredictions,
    holdsTruth: (file) => readVideoRows(file).every(({ row }) => typeof row['pred'] === 'string'),
    isNumbered: true,
  },
  published: [
    ...oneVisionRow('mean', [3.08, 3.12, 3.54, 3.51, 3.55, 3.62]),
    ...juneRow('mean', [3.07, 3.43, null, 3.83]),
    ...aprilRow(
      'correctness',
      [2.29, 2.94, 3.05, 3.39, 3.64, 3.21, 3.29, 3.48, 3.81, 2.4, 2.87, 2.44, 3.02, 3.01, 4.09],
      JUDGE_0613,
    ),
    ...aprilRow(
      'detail',
      [2.38, 2.91, 3.12, 3.29, 3.45, 3.06, 3.23, 3.37, 3.55, 2.52, 2.94, 2.31, 2.88, 2.97, 3.88],
      JUDGE_0613,
    ),
    ...aprilRow(
      'context',
      [2.83, 3.43, 3.68, 3.92, 4.17, 3.49, 3.83, 3.95, 4.24, 2.62, 3.44, 2.64, 3.51, 3.54, 4.37],
      JUDGE_0613,
    ),
    ...aprilRow(
      'temporal',
      [2.41, 2.23, 2.37, 2.6, 2.95, 2.53, 2.51, 2.64, 3.14, 1.98, 2.45, 3.18, 2.66, 2.53, 3.94],
      JUDGE_0613,
    ),
    ...aprilRow(
      'consistency',
      [2.47, 3.0, 3.16, 3.12, 4.08, 3.31, 3.47, 3.28, 4.12, 2.37, 2.51, 2.26, 2.81, 2.6, 4.02],
      JUDGE_0613,
    ),
    ...juneRow('correctness', [3.12, 3.51, 3.65, 3.99]),
    ...juneRow('detail', [2.97, 3.28, 3.37, 3.61]),
    ...juneRow('context', [3.62, 3.89, 3.98, 4.24]),
    ...juneRow('temporal', [2.36, 2.77, 2.74, 3.19]),
    ...juneRow('consistency', [3.27, 3.68, 3.67, 4.12]),
  ],
}

function scoreVideoChatGpt({ answers: files, asked }: ScoreInput): Scored {
  const reviews = onlyAsked(reviewsOnce(files.flatMap(readDimensions)), asked, ({ id }) => id)
  const parts = DIMENSIONS.map((name) => ({
    name,
    own: reviews.filter(({ part }) => part === name),
  })).filter(({ own }) => own.length > 0)
  return {
    counts: reviewCounts(reviews),
    outcomes: reviews.map(outcomeOf),
    metrics: isNonsense(reviews)
      ? []
      : [
          { ...meanOf(parts), ...partOf(parts.map(({ name }) => name)) },
          ...parts.map(({ name, own }) => meanScore(name, own)),
        ],
  }
}

function meanOf(parts: readonly { readonly own: readonly Review[] }[]): Metric {
  return meanOfParts(
    parts.map(({ own }) => own.map(({ score }) => score)),
    // Three dimensions are judged of one answer.
    {
      name: 'mean',
      unit: 'points',
      digits: 2,
      units: parts.flatMap(({ own }) => own.map(({ id }) => id)),
    },
  )
}

/** The published mean is of all dimensions. */
function partOf(names: readonly Dimension[]): Pick<Metric, 'part'> {
  return names.length < DIMENSIONS.length ? { part: `${names.join(', ')} alone` } : {}
}

/** lmms-eval's task of the generic questions is `videochatgpt_gen`; of the other two a part is called as the set is. */
function ofSet(file: EvalFile): EvalFile {
  return file.part === 'gen' ? { ...file, part: 'generic' } : file
}

/** A dimension is named in each review, in lmms-eval's samples by their metric, or by the file: `correctness_results.json`. */
function readDimensions(given: EvalFile): Review[] {
  const file = ofSet(given)
  const part = dimensionOf(file.name)
  if (!file.text.includes('"gpt_eval_score_')) return readReviews(file, part)
  return readRows(file).flatMap((sample) =>
    Object.entries(sample).flatMap(([metric, inner]) => {
      const name = /^gpt_eval_score_(.+)$/.exec(metric)?.[1]
      // Of consistency a sample holds half a pair, which is judged after it was written.
      if (name === undefined || !isRow(inner) || !('score' in inner)) return []
      const id = sampleName(String(sample['doc_id']), file)
      const given = reviewedAnswer(sample)
      const review = { ...inner, question_id: id, part: dimensionOf(name), given }
      return readReviews({ ...file, text: '', rows: [review] })
    }),
  )
}

function dimensionOf(name: string): string {
  return DIMENSIONS.find((one) => name.includes(one)) ?? ''
}

type VideoRow = {
  readonly id: string
  readonly row: Row
  readonly file: EvalFile
  readonly set: 'generic' | 'temporal' | 'consistency'
}

/** Which of the three sets a file is, by its name or its columns. */
function readVideoRows(file: EvalFile): VideoRow[] {
  const name = file.name.toLowerCase()
  const form = { id: (_: Row, i: number) => String(i) }
  const whole = { ...file, rows: readRows(file).flatMap(ofHubForm) }
  return tableRows(whole, form).map(({ id, row }) => {
    const isPair = [row['question_1'], row['question_2']].some(
      (text) => typeof text === 'string' && text !== 'None',
    )
    const set = isPair ? 'consistency' : name.includes('temporal') ? 'temporal' : 'generic'
    return { id: `${set}/${id}`, row, set, file }
  })
}

/** Rows of the authors' generic_qa.json and temporal_qa.json, {"Q", "A", "video_name"}; of consistency_qa.json, {"Q1", "Q2", "A"}, two. */
function ofHubForm(row: Row): Row[] {
  const { Q, Q1, Q2, A, pred1, pred2, ...others } = row
  if (A === undefined) return [row]
  const own = { ...others, answer: A }
  if (Q1 === undefined || Q2 === undefined) return [{ ...own, question: Q }]
  return [
    { ...own, question_1: Q1, ...(pred1 === undefined ? {} : { pred: pred1 }) },
    { ...own, question_2: Q2, ...(pred2 === undefined ? {} : { pred: pred2 }) },
  ]
}

/** What the authors' inference writes: the rows of a set with `pred`, of consistency with `pred1` and `pred2`; else answers. */
function readPredictions(file: EvalFile): Answer[] {
  if (readRows(file).some((row) => row['A'] === undefined)) return readAnswers([ofSet(file)])
  return readVideoRows(file).flatMap(({ id, row }) => {
    const { pred } = row
    return typeof pred === 'string' ? [{ id, text: pred, row }] : []
  })
}

function readVideoQuestions(file: EvalFile): Question[] {
  return readVideoRows(file).map((one) => ({
    id: one.id,
    prompt: questionOf(one),
    images: [],
    video: `${columnText(one, 'video_name')}.mp4`,
    group: columnText(one, 'video_name'),
    maxTokens: 1024,
  }))
}

/** The columns that are not asked say "None". */
function questionOf(one: VideoRow): string {
  const column = ['question_1', 'question_2'].find((name) => isAsked(one.row[name])) ?? 'question'
  if (one.row[column] !== 'None') return columnText(one, column)
  throw withoutColumn(one, 'a text as question, question_1 or question_2')
}

function tasks({ answers, questions, labels }: JudgeInput): JudgeTask[] {
  const given = new Map(answers.map((answer) => [answer.id, answer.text]))
  const rows = (labels.length > 0 ? labels : questions).flatMap(readVideoRows)
  const answered = rows.flatMap((one) => {
    const pred = given.get(one.id)
    return pred === undefined ? [] : [{ ...one, pred }]
  })
  const single = answered.flatMap((one) => {
    const { id, set, pred } = one
    const dimensions =
      set === 'generic' ? GENERIC : set === 'temporal' ? (['temporal'] as const) : []
    if (dimensions.length === 0) return []
    const values = { question: questionOf(one), answer: columnText(one, 'answer'), pred }
    return dimensions.map((part) => taskOf([id], part, pred, values))
  })
  return [...single, ...pairTasks(answered.filter(({ set }) => set === 'consistency'))]
}

/** The two questions of a clip, first and second. */
function pairTasks(rows: readonly (VideoRow & { readonly pred: string })[]): JudgeTask[] {
  const seconds = rows.filter(({ row }) => isAsked(row['question_2']))
  return rows
    .filter(({ row }) => isAsked(row['question_1']))
    .flatMap((first) => {
      const second = seconds.find(({ row }) => row['video_name'] === first.row['video_name'])
      if (!second) return []
      const values = {
        question1: questionOf(first),
        question2: questionOf(second),
        answer: columnText(first, 'answer'),
        pred1: first.pred,
        pred2: second.pred,
      }
      const answers = `${first.pred}\n${second.pred}`
      return [taskOf([first.id, second.id], 'consistency', answers, values)]
    })
}

function isAsked(text: unknown): boolean {
  return typeof text === 'string' && text !== 'None'
}

/** Named by the first of the questions. */
function taskOf(
  questions: readonly [string, ...string[]],
  part: Dimension,
  answer: string,
  values: Readonly<Record<string, string>>,
): JudgeTask {
  const [id] = questions
  return {
    id: `${id} ${part}`,
    questions,
    answer,
    messages: fillPair(VIDEO_CHATGPT[part], values),
    fields: { question_id: id, part },
    unread: { score: 0, unread: true },
  }
}
