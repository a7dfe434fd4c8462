/**
 * SEED-Bench: multiple choice over pictures and clips, twelve types of question.
 *
 * Paper: arXiv:2307.16125. Data: huggingface.co/datasets/AILab-CVC/SEED-Bench (CC BY-NC 4.0), SEED-Bench.json:
 *   {"question_type": {"Scene Understanding": 1, …}, "questions": [{"question_id": "101669", "question_type_id": 1,
 *    "data_type": "image", "question": "…", "choice_a": "…", "answer": "A", "data_id": "1454426_2591111986"}, …]}
 * Answers: {"question_id": 101669, "prompt": "…", "text": "B"}
 * Two of its questions have one id: the last answer stands for both, as in the official script.
 * Official scorer and submission: haotian-liu/LLaVA scripts/convert_seed_for_submission.py at c121f04.
 */
import {
  answersById,
  countAnswers,
  onlyAsked,
  ownIds,
  readAnswers,
  truthsById,
  type Answer,
} from '../answers.ts'
import {
  meanPercent,
  publishedRows,
  type Benchmark,
  type Metric,
  type PublishedScore,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, readJson, textField, unreadable, type EvalFile, type Row } from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import { pythonFixed, pythonJson } from '../python-text.ts'
import type { AskSpec, Picture } from '../question.ts'
import { isSample } from '../samples.ts'
import { questionText } from '../table-rows.ts'
import { isSeedFile, releasedSeed } from './hub-tables.ts'
import { SEED_TYPES } from './seed-types.ts'
import { zooRow, januaryRow, oneVisionRow } from './published-tables.ts'

const PAPER = 'arXiv:2310.03744'

/** Of two questions. */
const SHARED_ID = '49914'

const ASK: AskSpec = {
  sharesId: (id) => id === SHARED_ID,
  questions: llavaQuestions(128),
  fromTables: (tables) => releasedSeed(tables),
  isTable: isSeedFile,
  prompt: LLAVA_PROMPT,
  folder: { questions: 'llava-seed-bench.jsonl', labels: 'SEED-Bench.json', images: '.' },
}

export const seedBench: Benchmark = {
  name: 'seed-bench',
  tasks: ['seedbench'],
  otherSets: [{ title: 'SEED-Bench (lite)', tasks: ['seedbench_lite'] }],
  title: 'SEED-Bench',
  files: {
    answers: "answers, a submission, lmms-eval's samples or VLMEvalKit's table",
    labels:
      'SEED-Bench.json; without it, and without the truth in the answers, only the submission is written',
  },
  needs: [],
  rule: 'the answer is the letter and nothing else (of samples of lmms-eval its first character, of tables of VLMEvalKit also at the start or the option); accuracy',
  missing:
    'no submission is written while a question has no answer: the server takes whole ones alone',
  score: (input) => scoreSeedBench(input),
  ask: ASK,
  published: [
    ...zooRow('accuracy', [58.6, 61.6, 60.1, 61.3, 62.6]),
    ...publishedRows('accuracy', PAPER, { 'llava-7b-v1': 33.5 }),
    ...publishedOfPictures('accuracy image'),
    ...oneVisionRow('accuracy video', [43.4, 44.2, 51.1, 56.9, 60.9, 62.1]),
    ...publishedRows('accuracy video', PAPER, {
      'llava-v1.5-7b': 37.3,
      'llava-v1.5-13b': 42.7,
      'llava-v1.5-hd-13b': 41.3,
      'llava-7b-v1': 23.8,
    }),
  ],
}

/** SEED-IMG of the NeXT posts: its pictures alone. */
export const seedImg: Benchmark = {
  ...seedBench,
  name: 'seed-img',
  tasks: ['SEEDBench_IMG', 'seedbench'],
  otherSets: [{ title: 'SEED-Bench (image, lite)', tasks: ['seedbench_lite'] }],
  title: 'SEED-Bench (image)',
  score: (input) => scoreSeedBench(input, 'image'),
  ask: {
    ...ASK,
    // Of clips, LLaVA's questions name a frame in the folder SEED-Bench-video-image.
    questions: (files) => ASK.questions(files).filter(({ images: [one] }) => !isOfClip(one)),
    fromTables: (tables) => releasedSeed(tables, 'image'),
  },
  published: publishedOfPictures('accuracy'),
}

function isOfClip(picture: Picture | undefined): boolean {
  return typeof picture === 'string' && /video/i.test(picture)
}

function publishedOfPictures(metric: string): PublishedScore[] {
  return [
    ...publishedRows(metric, PAPER, {
      'llava-v1.5-7b': 66.1,
      'llava-v1.5-13b': 68.2,
      'llava-v1.5-hd-13b': 70.1,
      'llava-7b-v1': 37.0,
    }),
    ...januaryRow(metric, [68.2, 70.2, 72.2, 71.9, 75.9]),
    ...oneVisionRow(metric, [63.4, 65.5, 74.8, 75.4, 77.6, 78.0]),
  ]
}

type Question = {
  readonly id: string
  readonly answer: string
  readonly medium: string
  readonly type: number
  readonly typeName: string
  /** What is asked, where its row says it; else empty. */
  readonly text: string
}

type Judged = Question & { readonly score: number }

function scoreSeedBench(
  { answers: files, labels, asked }: ScoreInput,
  only?: 'image' | 'video',
): Scored {
  const given = readAnswers(files)
  const known =
    labels.length > 0 ? labels.flatMap(readQuestions) : ownQuestions(given.flatMap(questionOf))
  const all = known.filter(({ medium }) => only === undefined || medium === only)
  const questions = onlyAsked(all, asked, ({ id }) => id)
  const answers = answersById(given, { shared: new Set([SHARED_ID]) })
  const isKnown = questions.length > 0
  const ids = isKnown ? questions.map(({ id }) => id) : answeredIds(given)
  ownIds(ids.filter((id) => id !== SHARED_ID))
  const counts = { ...countAnswers([...new Set(ids)], answers), questions: ids.length }
  const judged = questions.map((question): Judged => {
    const answer = answers.get(question.id)
    const isRight = answer !== undefined && readLetter(answer) === question.answer
    return { ...question, score: isRight ? 1 : 0 }
  })
  return {
    counts,
    outcomes: judged.map(({ id, answer, score }) => {
      const own = answers.get(id)
      const read = own === undefined ? '' : readLetter(own)
      return { id, given: own?.text ?? '', read, expected: answer, score }
    }),
    metrics: isKnown ? metricsOf(judged, only === undefined) : [],
    ...(isKnown ? { printed: printAll(judged) } : {}),
    ...(counts.missing === 0 ? { written: { 'submission.jsonl': submission(ids, answers) } } : {}),
  }
}

/** The answer is the letter; to lmms-eval its first character is; in VLMEvalKit's tables options are texts too. */
function readLetter({ text, row }: Answer): string {
  if (isSample(row)) return text.trim().charAt(0).toUpperCase()
  const options = optionColumns(row)
  return options ? (inferredLetter(text, options) ?? '') : text
}

/** lmms-eval's samples and VLMEvalKit's tables hold the truth. */
function questionOf({ id, row }: Answer): Question[] {
  const { answer = row['target'], data_type: medium, question_type_id: type } = row
  if (typeof answer !== 'string' || !/^[A-D]$/.test(answer)) return []
  const kind = Number(type ?? 0)
  const category = row['category']
  const typeName = typeof category === 'string' ? category : (SEED_TYPES[kind - 1] ?? '')
  const text = questionText(row)
  return [{ id, answer, medium: mediumOf(row, medium), type: kind, typeName, text }]
}

/** Newer samples say it in a metric's name; VLMEvalKit's table is of pictures. */
function mediumOf(row: Row, medium: unknown): string {
  if (typeof medium === 'string') return medium
  return row['seed_video'] === undefined ? 'image' : 'video'
}

function ownQuestions(questions: readonly Question[]): Question[] {
  const once = truthsById(questions, {
    id: ({ id, text }) => (id === SHARED_ID ? `${id} ${text}` : id),
    text: ({ answer }) => answer,
    question: ({ text }) => text,
  })
  return [...once.values()]
}

/** The questions that were answered, each once: two of one id are told apart by their prompts, in a submission by its lines. */
function answeredIds(given: readonly Answer[]): string[] {
  const names = given.map(({ id, row }, i) =>
    id === SHARED_ID ? `${id} ${String(row['prompt'] ?? i)}` : id,
  )
  return [...new Map(names.map((name, i) => [name, given[i]?.id ?? name])).values()]
}

/** Of `isBoth`, pictures and clips, one alone has no published row of the whole. */
function metricsOf(judged: readonly Judged[], isBoth: boolean): Metric[] {
  const media = ['image', 'video'].filter((name) => judged.some(({ medium }) => medium === name))
  const scores = (part: readonly Judged[]) => part.map(({ score }) => score)
  return [
    {
      ...meanPercent('accuracy', scores(judged)),
      ...(isBoth && media.length === 1 ? { part: `${media[0]}s alone` } : {}),
    },
    ...media.map((name) =>
      meanPercent(`accuracy ${name}`, scores(judged.filter(({ medium }) => medium === name))),
    ),
    ...byType(judged).map(([name, part]) => meanPercent(name, scores(part))),
  ]
}

/** In the order of the types' numbers. */
function byType(judged: readonly Judged[]): [string, Judged[]][] {
  const order = new Map(judged.map(({ typeName, type }) => [typeName, type]))
  const names = [...order.keys()].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
  return names
    .filter((name) => name !== '')
    .map((name) => [name, judged.filter(({ typeName }) => typeName === name)])
}

function printAll(judged: readonly Judged[]): string {
  const share = (part: readonly Judged[]) =>
    pythonFixed((part.reduce((sum, { score }) => sum + score, 0) / part.length) * 100, 2)
  const lines = byType(judged).map(([name, part]) => `${name}: ${share(part)}%\n`)
  lines.push(`Total accuracy: ${share(judged)}%\n`)
  for (const name of ['image', 'video']) {
    const part = judged.filter(({ medium }) => medium === name)
    if (part.length > 0) lines.push(`${name} accuracy: ${share(part)}%\n`)
  }
  return lines.join('')
}

function submission(ids: readonly string[], answers: ReadonlyMap<string, Answer>): string {
  return ids
    .map((id) => `${pythonJson({ question_id: id, prediction: answers.get(id)?.text ?? '' })}\n`)
    .join('')
}

function readQuestions(file: EvalFile): Question[] {
  const whole = readJson(file)
  const types: unknown = isRow(whole) ? whole['question_type'] : null
  const list: unknown = isRow(whole) ? whole['questions'] : null
  if (!isRow(types) || !Array.isArray(list) || !list.every(isRow)) {
    throw unreadable(file, 'an object with "question_type" and "questions"')
  }
  const names = new Map(Object.entries(types).map(([name, type]) => [Number(type), name]))
  return list.map((row) => {
    const type = Number(row['question_type_id'])
    return {
      id: textField(row, 'question_id', file),
      answer: textField(row, 'answer', file),
      medium: textField(row, 'data_type', file),
      type,
      typeName: names.get(type) ?? `type ${type}`,
      text: questionText(row),
    }
  })
}
