/**
 * MMBench: multiple choice, asked again with the options rotated; only a question right in every rotation counts.
 *
 * Paper: arXiv:2307.06281. Data: github.com/open-compass/MMBench (Apache-2.0), mmbench_dev_20230712.tsv and
 * mmbench_dev_cn_20231003.tsv; a row has index, question, hint, A–D, answer, category, image …; the rotations of question
 * 241 are 1000241, 2000241 ….
 * Answers: {"question_id": 241, "round_id": 0, "prompt": "…", "text": "B", "options": ["…"], "option_char": ["A", "B"]}, with
 * --all-rounds a row for each rotation of the options (llava/eval/model_vqa_mmbench.py at c121f04); or the submission: a spreadsheet index | question | A | B | C | D | prediction | answer | split, which holds the truth too.
 * Official scorer: MMBench's server; circular evaluation as in §4.3 of the paper, answers read as VLMEvalKit does, which is its
 * code. What no rule reads, the server asks a language model about; here it is unreadable, counted, and wrong. Of a table without
 * answers, as that of the test split, only the submission is written.
 */
import { InputError } from '../../core/errors.ts'
import {
  answersById,
  countAnswers,
  onlyAsked,
  readAnswers,
  truthsById,
  type TruthKeys,
  type Answer,
} from '../answers.ts'
import {
  meanPercent,
  publishedRows,
  ratioPercent,
  type Benchmark,
  type Metric,
  type Outcome,
  type PublishedScore,
  type Scored,
  type Sheet,
  type ScoreInput,
} from '../benchmark.ts'
import { readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER } from '../llava-questions.ts'
import { inferredLetter, mmbenchLetter } from '../metrics/inferred-letter.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import { rowsByUnit } from '../metrics/intervals.ts'
import { isMissingCell } from '../python-text.ts'
import { isSample, sampleFields } from '../samples.ts'
import { questionText } from '../table-rows.ts'
import { pickMmbench, readMmbenchQuestions, ROTATION } from './mmbench-questions.ts'
import { mmbenchSets } from './mmbench-sets.ts'
import { zooRow, januaryRow, mayRow, oneVisionRow } from './published-tables.ts'

export const mmbench = mmbenchOf('mmbench', 'MMBench', OPTION_LETTER, [
  ...zooRow('circular', [64.3, 67.7, 66.1, 68.5, 68.8]),
  ...januaryRow('circular', [67.8, 67.4, 68.7, 70.0, 79.3]),
  ...mayRow('circular', [80.5, 80.5, 72.1, 79.3, null, null, null, 75.0, 67.8]),
  ...oneVisionRow('circular', [43.8, 52.1, 81.7, 80.8, 86.6, 85.9]),
  ...publishedRows('circular', 'arXiv:2310.03744', { 'llava-7b-v1': 38.7 }),
])

export const mmbenchCn = mmbenchOf('mmbench-cn', 'MMBench-CN', '请直接回答选项字母。', [
  ...zooRow('circular', [58.3, 63.6, 58.9, 61.5, 61.9]),
  ...januaryRow('circular', [63.3, 60.6, 61.2, 64.4, 79.0]),
  ...publishedRows('circular', 'arXiv:2310.03744', { 'llava-7b-v1': 36.4 }),
])

function mmbenchOf(
  name: string,
  label: string,
  instruction: string,
  published: readonly PublishedScore[],
): Benchmark {
  const language = name === 'mmbench' ? 'en' : 'cn'
  return {
    name,
    ...mmbenchSets(label, language),
    title: `${label} (dev)`,
    files: {
      answers: 'the submission .xlsx or .tsv (with the columns prediction and answer), or answers',
      labels: "the dataset's .tsv; needed where answers hold no truth",
    },
    needs: [],
    rule: 'the only letter among the words, or the only option that occurs (samples of lmms-eval: as its task without a judge); circular: all rotations right; vanilla: every row on its own',
    score: scoreMmbench,
    ask: {
      questions: (files) => files.flatMap((file) => readMmbenchQuestions(file, instruction)),
      pick: (files) => pickMmbench(files, language),
      pickLabels: (files) => pickMmbench(files, language),
      prompt: `hint, question, options A to D and "${instruction}", after the picture; greedy`,
      folder: {
        questions: name === 'mmbench' ? 'mmbench_dev_20230712.tsv' : 'mmbench_dev_cn_20231003.tsv',
      },
      hasTruth: true,
    },
    published,
  }
}

type Question = {
  readonly id: string
  readonly base: number
  /** Empty where its row does not say it. */
  readonly question: string
  readonly answer: string
  readonly options: Readonly<Record<string, string>>
  /** Its ability, and the group of abilities, as far as they are known. */
  readonly groups: readonly string[]
}

function scoreMmbench({ answers: files, labels, asked }: ScoreInput): Scored {
  const truthFiles = labels.length > 0 ? labels : files
  if (labels.length === 0 && files.some(isWithoutTruth)) throw noTruth(files)
  if (labels.length > 0 && labels.flatMap(readRows).every(isUnanswered))
    return submitted(labels, files, asked)
  const truths = truthFiles.flatMap((file) =>
    readRows(file).map((row) => questionOf(sampleFields(row), file)),
  )
  const keys: TruthKeys<Question> = {
    id: ({ id }) => id,
    text: ({ answer }) => answer,
    question: ({ question }) => question,
  }
  const all = labels.length > 0 ? truths : [...truthsById(truths, keys).values()]
  const given = readAnswers(files)
  const answers = answersById(given, { key: keyOf })
  const rows = onlyAsked(all, asked, ({ id }) => id)
  const questions = given.some(({ row }) => roundOf(row) > 0) ? rows.flatMap(allRounds) : rows
  const outcomes = questions.map((question) => outcomeOf(question, answers.get(question.id)))
  const unreadable = outcomes.filter(({ id, read }) => answers.has(id) && read === '').length
  const counts = countAnswers(
    questions.map(({ id }) => id),
    answers,
    unreadable,
  )
  const scores = outcomes.map(({ score }) => score)
  const circular = circularScores(questions, scores)
  const groups = [...new Set(circular.flatMap(({ groups: own }) => own))]
  return {
    counts,
    outcomes,
    ...(labels.length > 0 ? { sheets: { 'submission.xlsx': submission(labels, answers) } } : {}),
    metrics: [
      meanPercent(
        'circular',
        circular.map(({ score }) => score),
        2,
        circular.map(({ base }) => String(base)),
      ),
      vanilla(questions, scores),
      ...groups.sort().map((group) =>
        meanPercent(
          `circular ${group}`,
          circular.filter((question) => question.groups.includes(group)).map(({ score }) => score),
        ),
      ),
    ],
  }
}

/** The test split's truth is with the server: its table has no answers, or none in that column. */
function isUnanswered({ answer }: Row): boolean {
  return answer === undefined || answer === null || isMissingCell(String(answer).trim())
}

function submitted(
  labels: readonly EvalFile[],
  files: readonly EvalFile[],
  asked: ScoreInput['asked'],
): Scored {
  const ids = labels.flatMap((file) => readRows(file).map((row) => textField(row, 'index', file)))
  const answers = answersById(readAnswers(files), { key: keyOf })
  return {
    counts: countAnswers(
      onlyAsked(ids, asked, (id) => id),
      answers,
    ),
    outcomes: [],
    metrics: [],
    sheets: { 'submission.xlsx': submission(labels, answers) },
  }
}

function keyOf({ id, row }: Answer): string {
  return roundName(String(row['index'] ?? id), roundOf(row))
}

/** How often the options were turned before the question was asked; 0 for the row as it is. */
function roundOf({ round_id: round }: Row): number {
  return Number(round ?? 0)
}

function roundName(id: string, round: number): string {
  return round === 0 ? id : `${id} round ${round}`
}

/** The row as it is, and with the first option put last, until each was first. */
function allRounds(question: Question): Question[] {
  const letters = Object.keys(question.options)
  const count = letters.length
  return letters.map((_, round) => {
    const turned = letters.map((letter, i) => {
      return [letter, question.options[letters[(i + round) % count] ?? ''] ?? ''] as const
    })
    const place = letters.indexOf(question.answer)
    return {
      ...question,
      id: roundName(question.id, round),
      answer: letters[(place - round + count) % count] ?? question.answer,
      options: Object.fromEntries(turned),
    }
  })
}

/** LLaVA's answers are to rows of a table that they do not hold. */
function isWithoutTruth(file: EvalFile): boolean {
  if (file.cells || file.rows || /\.[tc]sv$/i.test(file.name)) return false
  return readRows(file).some((row) => !isSample(row) && row['answer'] === undefined)
}

function noTruth([file]: readonly EvalFile[]): InputError {
  return new InputError(
    'INPUT_LABELS_MISSING',
    `eval.mmbench: labels should come too (the dataset's .tsv, mmbench_dev_20230712.tsv), or the truth in every row as answer, ${file?.name} has neither; give the table as labels.`,
  )
}

const DROPPED = ['hint', 'category', 'source', 'image', 'comment', 'l2-category', 'prediction']
const PREDICTION_COLUMN = 6

/** The dataset's table with the answers in it. Source: haotian-liu/LLaVA scripts/convert_mmbench_for_submission.py. */
function submission(labels: readonly EvalFile[], answers: ReadonlyMap<string, Answer>): Sheet {
  const rows = labels.flatMap(readRows)
  const kept = Object.keys(rows[0] ?? {}).filter((name) => !DROPPED.includes(name))
  const columns = kept.toSpliced(PREDICTION_COLUMN, 0, 'prediction')
  const cell = (row: Row, name: string) => {
    const value = name === 'prediction' ? answers.get(String(row['index']))?.text : row[name]
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
    // The script's table is read by pandas, to which an option "None" is none.
    return name !== 'prediction' && isMissingCell(text) ? '' : text
  }
  return [columns, ...rows.map((row) => columns.map((name) => cell(row, name)))]
}

/** Every row on its own. Questions are drawn, not rows: the rotations of one go right together. */
function vanilla(questions: readonly Question[], scores: readonly number[]): Metric {
  const drawn = rowsByUnit(
    scores.map((score) => [score, 1]),
    questions.map(({ base }) => String(base)),
  )
  const statistic = { ...drawn, of: ratioPercent }
  return { name: 'vanilla', statistic, unit: 'percent', digits: 2 }
}

type Circular = {
  readonly base: number
  readonly groups: readonly string[]
  readonly score: number
}

/** 1 where all rotations of a question are right. */
export function circularScores(
  questions: readonly Pick<Question, 'base' | 'groups'>[],
  scores: readonly number[],
): Circular[] {
  const worst = new Map<number, Circular>()
  questions.forEach(({ base, groups }, i) => {
    const before = worst.get(base)?.score ?? 1
    worst.set(base, { base, groups, score: Math.min(before, scores[i] ?? 0) })
  })
  return [...worst.values()]
}

function questionOf(row: Row, file: EvalFile): Question {
  const id = textField(row, 'index', file)
  const answer = textField(row, 'answer', file).trim()
  if (!/^\d+$/.test(id) || !/^[A-Z]$/.test(answer)) {
    throw new InputError(
      'INPUT_LABELS_FOREIGN',
      `eval.mmbench: rows of ${file.name} should have a number as index and a letter as answer, "${id}" and "${answer}" came; has this split its answers?`,
    )
  }
  const groups = [row['l2-category'] ?? row['L2-category'], row['category']]
  return {
    id,
    base: Number(row['g_index'] ?? Number(id) % ROTATION),
    question: questionText(row),
    answer,
    options: optionsOf(row),
    groups: groups.filter((group): group is string => typeof group === 'string' && group !== ''),
  }
}

/** To lmms-eval, options that are missing are called `nan`. */
function optionsOf(row: Row): Readonly<Record<string, string>> {
  if (!isSample(row)) return optionColumns(row) ?? {}
  return Object.fromEntries([...'ABCD'].map((letter) => [letter, String(row[letter] ?? 'nan')]))
}

function outcomeOf({ id, answer, options }: Question, given: Answer | undefined): Outcome {
  const read = given === undefined ? '' : readLetter(given, options)
  return { id, given: given?.text ?? '', read, expected: answer, score: read === answer ? 1 : 0 }
}

function readLetter({ text, row }: Answer, options: Question['options']): string {
  if (isSample(row)) return mmbenchLetter(text, options)
  return inferredLetter(text, options) ?? ''
}
