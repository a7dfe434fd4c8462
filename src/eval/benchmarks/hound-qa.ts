/**
 * LLaVA-Hound's question sets about clips: its own, judged against a caption, and those of MSVD, MSRVTT and TGIF, judged by yes or no.
 *
 * Paper: arXiv:2404.01258 (Apache-2.0). Data: huggingface.co/datasets/ShareGPTVideo/test_video_and_instruction, as the repository reads it:
 *   {"id": "8467_2_0", "video": "v_9SiYS0SEKTw-Scene-006", "conversations": [{"from": "human", "value": "<video>\nWhat …?"}, {"from": "gpt",
 *    "value": "The …"}]}
 * or {"id": …, "video": …, "question": …, "answer": …, "caption": …}. A row with a caption is judged by 1 to 5, right from 3 on; one without by
 * Video-ChatGPT's yes or no and 0 to 5. Answers: {"id": "8467_2_0", "query": "…", "answer": "…", "model_prediction": {"status": "success",
 * "message": "…"}}; reviews: {"id": "8467_2_0", "response": "{'pred': 'yes', 'score': 5}"}, or "Explanation: …\nScore: 4".
 * Official scorers: RifleZhang/LLaVA-Hound-DPO dpo_experiment/test/eval/eval_qa.py (caption) and llava_hound_dpo/test/eval/eval_official_qa.py
 * at 2cf6146. They leave replies that they cannot read out of the mean; here they are no and 0.
 * The README's table is of the second protocol, and scores hang on the judge's version: 62.65 with one gpt-3.5-turbo is 74.83 with another.
 */
import { InputError } from '../../core/errors.ts'
import {
  publishedRows,
  type Benchmark,
  type PublishedScore,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, readRows, type EvalFile, type Row } from '../eval-file.ts'
import { fill, fillPair, judgedRows, REVIEW_FILES, scoreReviews } from '../judged-answers.ts'
import { HOUND_JUDGE, HOUND_YES_NO } from '../judge-prompts.ts'
import type { JudgeInput, JudgeTask } from '../judge-spec.ts'
import { columnText } from '../row-columns.ts'
import { askTable, type TableForm, type TableRow } from '../table-rows.ts'

const README = 'LLaVA-Hound-DPO test/README'

/** By judge, then model: accuracy and score of MSVD, MSRVTT and TGIF, and the mean of the three accuracies. */
const HOUND: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  '0613': {
    'llava-hound-sft': [75.7, 3.86, 58.73, 3.31, 53.51, 3.3, 62.65],
    'llava-hound-dpo': [80.73, 4.07, 70.15, 3.66, 61.38, 3.46, 70.75],
    'video-llava-7b': [71.75, 3.88, 58.97, 3.39, 48.39, 3.24, 59.7],
  },
  '0301': {
    'llava-hound-sft': [85.65, 4.1, 73.85, 3.62, 64.98, 3.65, 74.83],
    'llava-hound-dpo': [88.5, 4.2, 82.1, 3.84, 75.48, 3.81, 82.03],
  },
  '1106': {
    'llava-hound-sft': [81.09, 4.08, 64.13, 3.57, 58.05, 3.53, 67.76],
    'llava-hound-dpo': [86.05, 4.23, 76.75, 3.85, 70.02, 3.71, 77.61],
  },
}

const SETS = ['MSVD', 'MSRVTT', 'TGIF']

function houndRows(): PublishedScore[] {
  return Object.entries(HOUND).flatMap(([judge, models]) =>
    Object.entries(models).flatMap(([model, values]) => {
      const row = (metric: string, value = Number.NaN, of: string) =>
        publishedRows(metric, `${README} (${of}, judge gpt-3.5-turbo-${judge})`, { [model]: value })
      return [
        ...row('accuracy (yes/no)', values[6], 'mean of MSVD, MSRVTT and TGIF'),
        ...SETS.flatMap((set, i) => [
          ...row('accuracy (yes/no)', values[2 * i], set),
          ...row('score (yes/no)', values[2 * i + 1], set),
        ]),
      ]
    }),
  )
}

const form: TableForm = { id: ({ idx }, i) => String(idx ?? i), adapt: plainRow }

export const houndQa: Benchmark = {
  name: 'hound-qa',
  title: 'LLaVA-Hound QA',
  files: REVIEW_FILES,
  needs: [],
  rule: "of questions with a caption the judge's 1 to 5 as right from 3 on, and averaged, no verdict is 0; of others its yes as right, its whole numbers 0 to 5 averaged, no verdict is no and 0",
  score: scoreHound,
  ask: askTable(
    {
      prompt: (row) => columnText(row, 'question'),
      about: 'the question, after the clip',
      maxTokens: 1024,
      file: 'test.jsonl',
      images: () => [],
      video: (row) => columnText(row, 'video', 'modal_path'),
      folder: 'videos',
    },
    form,
  ),
  judge: {
    model: 'gpt-3.5-turbo-0613',
    temperature: 0,
    maxTokens: 512,
    tasks: houndTasks,
    holdsTruth: (file) =>
      readRows(file).every(({ query, answer }) => query !== undefined && answer !== undefined),
    read: (reply, { unread }) =>
      'pred' in unread ? readHoundVerdict(reply) : readHoundScore(reply),
  },
  published: houndRows(),
}

/** The columns of the plain form, made of a conversation or of an answer's row. */
function plainRow(row: Row): Row {
  const { conversations, query } = row
  if (query !== undefined) return { question: query, ...row }
  if (!Array.isArray(conversations)) return row
  const [question, answer] = conversations.map((turn: unknown) =>
    isRow(turn) && typeof turn['value'] === 'string' ? withoutMarks(turn['value']) : undefined,
  )
  return { question, answer, ...row }
}

/** The places of clips and pictures in a text. */
function withoutMarks(text: string): string {
  return text.replaceAll(/<(?:video|image)>/g, '').trim()
}

/** `Score: 4` on a line of its own, 1 to 5. */
export function readHoundScore(reply: string): Row | null {
  const score = /^\W*Score:\W*([1-5])(?!\d)/im.exec(reply)?.[1]
  return score === undefined ? null : { score: Number(score) }
}

/** As the official script: a yes anywhere, else a no; the digits behind `'score':`. */
export function readHoundVerdict(reply: string): Row | null {
  const digits = /['"]score['"]\s*:\s*(\d+)/.exec(reply)?.[1]
  const lower = reply.toLowerCase()
  const pred = lower.includes('yes') ? 'yes' : lower.includes('no') ? 'no' : null
  const score = Number(digits ?? Number.NaN)
  return pred !== null && score >= 0 && score <= 5 ? { pred, score } : null
}

function scoreHound({ answers, ...input }: ScoreInput): Scored {
  const files = answers.map(withScores)
  const isYesNo = (row: Row) => row['pred'] !== undefined
  const rows = files.flatMap(({ rows: own = [] }) => own)
  const hasYesNo = rows.some(isYesNo)
  if (hasYesNo && !rows.every(isYesNo)) {
    throw new InputError(
      'INPUT_ANSWERS_FOREIGN',
      'eval.hound-qa: reviews should be of one protocol, some have yes or no and some have not; score questions with captions and those without apart.',
    )
  }
  const request = { ...input, answers: files }
  if (!hasYesNo) return scoreReviews(request, { right: 3, scoreName: 'score' })
  const scored = scoreReviews(request, { right: 'yes', scoreName: 'score' })
  const metrics = scored.metrics.map((one) => ({ ...one, name: `${one.name} (yes/no)` }))
  return { ...scored, metrics }
}

/** The official scripts keep replies and read them last; which of the two wrote a file its replies tell. */
function withScores(file: EvalFile): EvalFile {
  const all = readRows(file)
  const replies = all.map(({ response }) => (typeof response === 'string' ? response : ''))
  const isYesNo = replies.some((reply) => readHoundVerdict(reply) !== null)
  const read = isYesNo ? readHoundVerdict : readHoundScore
  const unread = { ...(isYesNo ? { pred: 'no' } : {}), score: 0, unread: true }
  const rows = all.map((row, i): Row => {
    const { response, score } = row
    if (typeof response !== 'string' || score !== undefined) return row
    return { ...row, ...(read(replies[i] ?? '') ?? unread), content: response }
  })
  return { ...file, rows }
}

function houndTasks({ answers, questions, labels }: JudgeInput): JudgeTask[] {
  const given = new Map(answers.map((answer) => [answer.id, answer.text]))
  const rows = judgedRows({ questions, labels }, form)
  return rows.flatMap((one) => {
    const answer = given.get(one.id)
    if (answer === undefined) return []
    const hasCaption = one.row['caption'] !== undefined
    return [
      {
        id: one.id,
        answer,
        messages: messagesOf(one, firstWords(answer), hasCaption),
        fields: { question_id: one.id },
        unread: { ...(hasCaption ? {} : { pred: 'no' }), score: 0, unread: true },
      },
    ]
  })
}

function messagesOf(one: TableRow, prediction: string, hasCaption: boolean): JudgeTask['messages'] {
  const question = columnText(one, 'question')
  const values = { question, answer: columnText(one, 'answer'), prediction }
  if (!hasCaption) return fillPair(HOUND_YES_NO, values)
  const content = fill(HOUND_JUDGE, { ...values, caption: columnText(one, 'caption') })
  return [{ role: 'user', content }]
}

/** A judge sees so many words of an answer. */
const MOST_WORDS = 256

function firstWords(text: string): string {
  const words = text.trim().split(/\s+/)
  return words.length > MOST_WORDS ? words.slice(0, MOST_WORDS).join(' ') : text
}
