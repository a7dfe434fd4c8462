/**
 * MMMU: college questions of thirty subjects, most of them multiple choice, some open.
 *
 * Paper: arXiv:2311.16502. Data: huggingface.co/datasets/MMMU/MMMU (Apache-2.0); the truth of the validation split as the
 * official repository has it, answer_dict_val.json:
 *   {"validation_Accounting_1": {"question_type": "multiple-choice", "ground_truth": "B"}, …}
 * Answers: {"validation_Accounting_1": "B", …}; or rows with id, response (or text) and, where truths have none, answer,
 * question_type, and options, all_choices or index2ans; or the official folder of SUBJECT/output.json.
 * Official scorer: MMMU-Benchmark/MMMU mmmu/main_eval_only.py and main_parse_and_eval.py at bb0b95a; of answers that hold no
 * choices of their own, in lmms-eval's form (its open answers by the official rule: at 75571cf it compares their characters, and
 * none is ever right). Where an answer names no option, one is drawn as there, by Python's generator with
 * the seed 42 and in the order of the answers; these count as unreadable. Where the options are not known, as in answers by id
 * beside answer_dict_val.json, nothing is drawn. Micro average over all questions. Of the test split, whose answers are `?`, the file for
 * EvalAI is written instead.
 */
import { InputError } from '../../core/errors.ts'
import {
  answersById,
  countAnswers,
  onlyAsked,
  readAnswers,
  truthsById,
  type Answer,
} from '../answers.ts'
import {
  coverOf,
  meanScore,
  type Benchmark,
  type Metric,
  type OtherSet,
  type Outcome,
  type Scored,
  type ScoreInput,
  type SetFiles,
  type ShownSet,
} from '../benchmark.ts'
import {
  isRow,
  readJson,
  readRows,
  textField,
  unreadable,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import {
  mmmuChoice,
  mmmuLetter,
  mmmuOpen,
  mmmuOpenAnswers,
  mmmuOpenRead,
  type Draw,
} from '../metrics/mmmu-answer.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import { PythonRandom } from '../python-random.ts'
import { pythonFloat, pythonJson, pythonRound } from '../python-text.ts'
import { formOf, isSample } from '../samples.ts'
import { ofSplit, questionText } from '../table-rows.ts'
import { optionsOf, readMmmuQuestions } from './mmmu-questions.ts'
import { januaryRow, mayRow, oneVisionRow } from './published-tables.ts'

const TEST: OtherSet = {
  title: 'MMMU (test)',
  tasks: ['mmmu_test'],
  split: 'test',
  rows: { accuracy: 'accuracy test' },
}

export const mmmu: Benchmark = {
  name: 'mmmu',
  tasks: ['mmmu_val', 'MMMU_DEV_VAL'],
  split: 'validation',
  otherSets: [TEST],
  ofSet: mmmuSet,
  title: 'MMMU (val)',
  files: {
    answers: 'answers by id, rows with id and response, or the folder of SUBJECT/output.json',
    labels:
      'answer_dict_val.json, or rows with id, question_type, answer and options; needed where answers hold no truth',
  },
  needs: [],
  rule: 'the option named last, drawn where none is named and the options are known; open answers by containment, numbers to two decimals (tables of VLMEvalKit: the letter or option that it infers); micro average',
  seed: 42,
  score: scoreMmmu,
  ask: {
    questions: (files) => ofSplit(files, 'validation').flatMap(readMmmuQuestions),
    pick: (files) => ofSplit(files, 'validation'),
    prompt:
      'question, options by letter, an empty line and the instruction, after the pictures it names; greedy',
    folder: { questions: 'validation' },
    hasTruth: true,
  },
  published: [
    ...januaryRow('accuracy', [36.4, 35.8, 35.3, 36.2, 51.1]),
    ...mayRow('accuracy', [50.1, 49.9, 41.7, 49.7, 35.9, 35.1, 33.4, 56.8, 35.3]),
    ...mayRow('accuracy', [49.1, 46.4, null, 46.7], 'full tables'),
    ...oneVisionRow('accuracy', [31.2, 31.4, 47.3, 48.8, 57.4, 56.8]),
    ...januaryRow('accuracy test', [33.6, null, null, null, 44.7]),
  ],
}

type Truth = {
  readonly id: string
  readonly isChoice: boolean
  readonly accepted: readonly string[]
  /** `null` where only the answers may know them. */
  readonly options: readonly string[] | null
}

function scoreMmmu({ answers: files, labels, seed, asked }: ScoreInput): Scored {
  const given = answerFiles(files).flatMap(readMmmuAnswers)
  const answers = answersById(given)
  const all =
    labels.length > 0
      ? ofSplit(labels, 'validation').flatMap(readTruths)
      : ownTruths(given.filter(isOfSplit))
  const truths = onlyAsked(all, asked, ({ id }) => id)
  const readings = readAll(truths, answers, new PythonRandom(seed))
  const unreadable = [...readings.values()].filter(({ isNamed }) => !isNamed).length
  const counts = countAnswers(
    truths.map(({ id }) => id),
    answers,
    unreadable,
  )
  if (truths.length > 0 && truths.every(isUnanswered)) {
    const text = submission(truths, answers, readings)
    return { counts, outcomes: [], metrics: [], written: { 'submission.json': text } }
  }
  const outcomes = truths.map((truth) => outcomeOf(truth, answers.get(truth.id), readings))
  return {
    counts,
    outcomes,
    metrics: metricsOf(outcomes),
    printed: printed(outcomes.filter(({ id }) => answers.has(id))),
  }
}

function ownTruths(given: readonly Answer[]): Truth[] {
  const own = given.map(({ id, row }) => ({ truth: truthOf(id, row), row }))
  const once = truthsById(own, {
    id: ({ truth }) => truth.id,
    text: ({ truth }) => truth.accepted.join('\n'),
    question: ({ row }) => questionText(row),
  })
  return [...once.values()].map(({ truth }) => truth)
}

/** The test split's truth is with the server: its rows say `?`. */
function isUnanswered({ accepted }: Truth): boolean {
  return accepted.every((text) => text === '?' || text === '')
}

/** What EvalAI takes: by id the letter that was read, of open questions the answer. */
function submission(
  truths: readonly Truth[],
  answers: ReadonlyMap<string, Answer>,
  readings: ReadonlyMap<string, Reading>,
): string {
  const rows = truths.map(({ id, isChoice }) => {
    const text = isChoice ? readings.get(id)?.read : answers.get(id)?.text
    return [id, text ?? ''] as const
  })
  return pythonJson(Object.fromEntries(rows))
}

/** VLMEvalKit's table MMMU_DEV_VAL has the few questions of dev as well. */
function isOfSplit({ id }: Answer): boolean {
  return !id.startsWith('dev_')
}

/** Of an official folder the responses, not what its scripts made of them; where only that is left, what was read. */
function answerFiles(files: readonly EvalFile[]): readonly EvalFile[] {
  const named = (form: RegExp) => files.filter(({ name }) => form.test(name))
  const responses = named(/(?:^|\/)output\.json$/)
  if (responses.length > 0) return responses
  const parsed = named(/(?:^|\/)parsed_output\.json$/)
  return parsed.length > 0 ? parsed : files
}

/** Ids begin with their split, whatever the file is called. */
function mmmuSet({ labels = [], answers = [] }: SetFiles, named: OtherSet | null): ShownSet | null {
  const truths = ofSplit(labels, 'validation').flatMap(readTruths)
  const told = labels.length > 0 ? truths : answerFiles(answers).flatMap(readMmmuAnswers)
  const isOf = (split: string) => told.some(({ id }) => id.startsWith(`${split}_`))
  if (isOf('validation')) return null
  return isOf('test') ? TEST : named
}

type Reading = { readonly read: string; readonly score: number; readonly isNamed: boolean }

/** In the order of the answers: what is drawn for one depends on those before it. */
function readAll(
  truths: readonly Truth[],
  answers: ReadonlyMap<string, Answer>,
  draw: Draw,
): Map<string, Reading> {
  const byId = new Map(truths.map((truth) => [truth.id, truth]))
  return new Map(
    [...answers].flatMap(([id, answer]): [string, Reading][] => {
      const truth = byId.get(id)
      return truth ? [[id, readAnswer(truth, answer, draw)]] : []
    }),
  )
}

function readAnswer(
  { isChoice, accepted, options }: Truth,
  { text, row }: Answer,
  draw: Draw,
): Reading {
  if (formOf(row) === 'vlmevalkit') return readTableAnswer(text, row)
  if (isParsed(row)) return readParsed(row, isChoice, accepted)
  if (!isChoice) {
    const read = mmmuOpenAnswers(text).join(' | ')
    return { read, score: mmmuOpen(text, accepted), isNamed: true }
  }
  const known = options ?? optionsOf(row)
  // Newer samples of lmms-eval hold no options, and what it read or drew in their stead.
  const parsed: unknown = known === null && isSample(row) ? row['parsed_pred'] : null
  if (Array.isArray(parsed) && typeof parsed[0] === 'string') {
    return { read: parsed[0], score: accepted.includes(parsed[0]) ? 1 : 0, isNamed: true }
  }
  const form = ['all_choices', 'index2ans'].some((name) => name in row) ? 'mmmu' : 'lmms-eval'
  const { letter, isGuess } =
    known === null ? letterOnly(text) : mmmuChoice(text, known, draw, form)
  return { read: letter, score: accepted.includes(letter) ? 1 : 0, isNamed: !isGuess }
}

/**
 * VLMEvalKit's reading, which makes multiple choice of open questions: A is the truth, B any other answer.
 * Source: open-compass/VLMEvalKit vlmeval/dataset/utils/multiple_choice.py at e8e78f0, MMMU_preproc.
 */
function readTableAnswer(text: string, row: Row): Reading {
  const truth = String(row['answer'])
  const options = optionColumns(row) ?? { A: truth, B: 'Other Answers' }
  const letter = inferredLetter(text, options)
  const isRight = letter === (/^[A-Z]$/.test(truth) ? truth : 'A')
  return { read: letter ?? '', score: isRight ? 1 : 0, isNamed: letter !== null }
}

/** Rows of parsed_output.json: {"id", "question_type", "answer", "parsed_pred"}, without the response. */
function isParsed(row: Row): boolean {
  return 'parsed_pred' in row && !isSample(row) && !('response' in row)
}

/** A letter, or what was read of an open answer: numbers to two decimals, and texts in lower case. */
function readParsed({ parsed_pred: parsed }: Row, isChoice: boolean, accepted: readonly string[]) {
  const list: unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  const values = list.filter((one) => typeof one === 'string' || typeof one === 'number')
  const read = values.join(' | ')
  const score = isChoice ? (accepted.includes(read) ? 1 : 0) : mmmuOpenRead(values, accepted)
  return { read, score, isNamed: read !== '' }
}

/** Of options nobody knows the letters can be read, and nothing can be drawn. */
function letterOnly(text: string) {
  const letter = mmmuLetter(text, LETTERS, 'mmmu')
  return { letter: letter ?? '', isGuess: letter === null }
}

const LETTERS = [...'ABCDEFGHI'].map((letter) => `(${letter})`)

function outcomeOf(
  { id, accepted }: Truth,
  answer: Answer | undefined,
  readings: ReadonlyMap<string, Reading>,
): Outcome {
  const { read = '', score = 0 } = readings.get(id) ?? {}
  return { id, given: answer?.text ?? '', read, expected: accepted.join(' | '), score }
}

const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  'Art and Design': ['Art', 'Art_Theory', 'Design', 'Music'],
  Business: ['Accounting', 'Economics', 'Finance', 'Manage', 'Marketing'],
  Science: ['Biology', 'Chemistry', 'Geography', 'Math', 'Physics'],
  'Health and Medicine': [
    'Basic_Medical_Science',
    'Clinical_Medicine',
    'Diagnostics_and_Laboratory_Medicine',
    'Pharmacy',
    'Public_Health',
  ],
  'Humanities and Social Science': ['History', 'Literature', 'Sociology', 'Psychology'],
  'Tech and Engineering': [
    'Agriculture',
    'Architecture_and_Engineering',
    'Computer_Science',
    'Electronics',
    'Energy_and_Power',
    'Materials',
    'Mechanical_Engineering',
  ],
}

export const SUBJECTS = Object.values(DOMAINS).flat()

/** All questions, fields of more than one subject, subjects. */
function metricsOf(outcomes: readonly Outcome[]): Metric[] {
  const of = (subjects: readonly string[]) =>
    outcomes.filter(({ id }) => subjects.includes(subjectOf(id)))
  const subjects = [...new Set(outcomes.map(({ id }) => subjectOf(id)))].sort()
  const fields = Object.entries(DOMAINS).filter(
    ([, own]) => own.filter((subject) => subjects.includes(subject)).length > 1,
  )
  const known = new Set(subjects.filter((subject) => SUBJECTS.includes(subject)))
  return [
    { ...meanScore('accuracy', outcomes, 1), ...coverOf(known, SUBJECTS.length, 'subjects') },
    ...fields.map(([field, own]) => meanScore(field, of(own), 1)),
    ...subjects.map((subject) => meanScore(subject, of([subject]), 1)),
  ]
}

/** The dictionary that `main_eval_only.py` prints, of what was answered. */
function printed(outcomes: readonly Outcome[]): string {
  const cell = (name: string, part: readonly Outcome[]) => {
    const right = part.reduce((sum, { score }) => sum + score, 0)
    const accuracy = part.length === 0 ? '0' : pythonFloat(pythonRound(right / part.length, 3))
    return `'${name}': {'num': ${part.length}, 'acc': ${accuracy}}`
  }
  const cells = Object.entries(DOMAINS).flatMap(([field, subjects]) => {
    const parts = subjects.map((subject) => outcomes.filter(({ id }) => subjectOf(id) === subject))
    const own = parts.flatMap((part, i) => (part.length > 0 ? [cell(subjects[i] ?? '', part)] : []))
    return [cell(`Overall-${field}`, parts.flat()), ...own]
  })
  return `{${[...cells, cell('Overall', outcomes)].join(', ')}}\n`
}

/** `validation_Art_Theory_12` is of Art_Theory. */
function subjectOf(id: string): string {
  return /^[^_]+_(.+)_\d+$/.exec(id)?.[1] ?? 'other'
}

function readMmmuAnswers(file: EvalFile): Answer[] {
  const whole = isTable(file) ? null : readJson(file)
  if (/(?:^|\/)parsed_output\.json$/.test(file.name)) {
    return readRows(file).map((row) => {
      return { id: textField(row, 'id', file), text: String(row['parsed_pred'] ?? ''), row }
    })
  }
  if (!isRow(whole)) return readAnswers([file]).map((answer) => ({ ...answer, id: idOf(answer) }))
  return Object.entries(whole).map(([id, value]) => {
    const text = isRow(value) ? (value['response'] ?? value['text']) : value
    if (typeof text !== 'string' && typeof text !== 'number') {
      throw unreadable(file, `answers by id, ${id} among them`)
    }
    return { id, text: String(text), row: isRow(value) ? value : {} }
  })
}

/** Samples are counted, and their ids are the dataset's: `validation_Art_1`. */
function idOf({ id, row }: Answer): string {
  return typeof row['id'] === 'string' ? row['id'] : id
}

function readTruths(file: EvalFile): Truth[] {
  const whole = isTable(file) ? null : readJson(file)
  if (!isRow(whole)) {
    const rows = readRows(file).filter(({ split }) => split !== 'dev')
    return rows.map((row) => truthOf(textField(row, 'id', file), row))
  }
  return Object.entries(whole).map(([id, row]) => truthOf(id, isRow(row) ? row : {}))
}

/** An object with one id a key is one JSON value over the file; rows are lines, a list or a table. */
function isTable({ name, text, cells, rows }: EvalFile): boolean {
  if (cells || rows || /\.(?:[tc]sv|jsonl)$/i.test(name)) return true
  return /^\s*(?:\[|\{\s*"args"\s*:)/.test(text)
}

function truthOf(id: string, row: Row): Truth {
  const truth = row['ground_truth'] ?? row['answer']
  const list: unknown[] = Array.isArray(truth) ? truth : [truth]
  const accepted = list.filter((item) => typeof item === 'string' || typeof item === 'number')
  if (accepted.length === 0) {
    throw new InputError(
      'INPUT_LABELS_MISSING',
      `eval.mmmu: question ${id} should have "answer" or "ground_truth", it has neither; give answer_dict_val.json as labels.`,
    )
  }
  const isChoice = (row['question_type'] ?? 'multiple-choice') === 'multiple-choice'
  return { id, isChoice, accepted: accepted.map(String), options: optionsOf(row) }
}
