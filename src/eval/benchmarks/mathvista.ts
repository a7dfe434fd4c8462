/**
 * MathVista: mathematics in pictures; free answers, from which a judge first extracts the value.
 *
 * Paper: arXiv:2310.02255. Data: huggingface.co/datasets/AI4Math/MathVista (CC BY-SA 4.0), testmini, 1,000 questions:
 *   {"pid": "1", "question_type": "free_form", "answer_type": "float", "precision": 1.0, "choices": null, "answer": "1.2", "response": "…",
 *    "extraction": "1.2"}
 * Answers are the official result files, {"1": {…}, …}, or rows with these fields; the truth may be in them or in labels.
 * Official scorer: lupantech/MathVista evaluation/extract_answer.py and calculate_score.py, as lmms-eval
 * tasks/mathvista/mathvista_evals.py. Without an extraction only what needs no judge is read: an option's text, its letter alone (`B`,
 * `(b)`), a number alone. The rest is unreadable, counted, and wrong; so is what our judge extracted no value from: of options it has to name one. In files of
 * others an empty extraction is counted, and the nearest option as the script has it unless told --ignore_empty_extractions. Of
 * the split test, whose answers are empty, the result file is written instead.
 */
import { answersById, countAnswers, onlyAsked, truthsById, type Answer } from '../answers.ts'
import {
  meanScore,
  partScores,
  type Benchmark,
  type Outcome,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, textField, type Row } from '../eval-file.ts'
import { letterAt } from '../metrics/choice-letter.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { ofSplit, questionText } from '../table-rows.ts'
import { readPythonList } from '../python-dict.ts'
import { nearestChoice, plainChoice } from './mathvista-choices.ts'
import { mathvistaJudge, readByPid, readMathvistaQuestions, type ByPid } from './mathvista-judge.ts'
import {
  parsePythonFloat,
  pythonFloat,
  pythonJson,
  pythonRound,
  pythonStrip,
} from '../python-text.ts'
import { januaryRow, mayRow, oneVisionRow } from './published-tables.ts'

export const mathvista: Benchmark = {
  name: 'mathvista',
  tasks: [
    'mathvista_testmini',
    'mathvista_testmini_cot',
    'mathvista_testmini_format',
    'mathvista_testmini_solution',
    'MathVista_MINI',
    'MathVista',
  ],
  split: 'testmini',
  otherSets: [{ title: 'MathVista (test)', tasks: ['mathvista_test'], split: 'test' }],
  title: 'MathVista (testmini)',
  files: {
    answers: 'the official result file, with response or extraction and, without labels, the truth',
    labels: 'testmini.json: question_type, answer_type, choices, precision and answer by pid',
  },
  needs: [],
  rule: 'the extracted value; a letter is its option, another text the nearest option; numbers at the precision asked for; equal texts',
  score: scoreMathvista,
  ask: {
    questions: (files) => ofSplit(files, 'testmini').flatMap(readMathvistaQuestions),
    pick: (files) => ofSplit(files, 'testmini'),
    prompt: 'the released query: hint, question and choices, after the picture; greedy',
    folder: { questions: 'testmini', images: '.' },
    hasTruth: true,
  },
  judge: mathvistaJudge,
  published: [
    ...januaryRow('accuracy', [27.6, 34.6, 37.7, 35.3, 46.5]),
    ...mayRow('accuracy', [49.0, 46.6, 37.5, 46.0, 35.1, 34.4, 37.4, 49.9, 26.7]),
    ...oneVisionRow('accuracy', [34.6, 34.8, 56.1, 63.2, 66.5, 67.5]),
  ],
}

function scoreMathvista({ answers: files, labels, asked }: ScoreInput): Scored {
  const given = files.flatMap(readByPid)
  const answers = answersById(
    given.flatMap(({ id, row }) => {
      if (row['missing'] === true) return []
      const text = row['extraction'] ?? row['response'] ?? row['text']
      return typeof text === 'string' || typeof text === 'number'
        ? [{ id, text: String(text), row }]
        : []
    }),
  )
  const all =
    labels.length > 0 ? ofSplit(labels, 'testmini').flatMap(readByPid) : ownProblems(given)
  const problems = onlyAsked(all, asked, ({ id }) => id)
  if (problems.length > 0 && problems.every(({ row }) => row['answer'] === ''))
    return submitted(problems, answers)
  const outcomes = problems.map(({ id, row, file }) => {
    const answer = answers.get(id)
    const expected = pythonStrip(textField(row, 'answer', file))
    const value = answer === undefined ? null : readValue(answer.row, row)
    const read = value === null ? null : pythonStrip(value)
    const isRight =
      answer && isTableRow(answer.row) ? isRightInTable(answer.row) : read === expected
    const score = isRight ? 1 : 0
    return { id, ...wordsOf(answer), read: read ?? '', expected, score }
  })
  const isUnread = ({ id, read }: Outcome) =>
    read === '' || answers.get(id)?.row['extraction'] === ''
  const unreadable = outcomes.filter((one) => answers.has(one.id) && isUnread(one)).length
  return {
    counts: countAnswers(
      problems.map(({ id }) => id),
      answers,
      unreadable,
    ),
    outcomes,
    metrics: isNonsense(answers)
      ? []
      : [meanScore('accuracy', outcomes, 1), ...partScores(outcomes, problems.map(partsOf), 1)],
  }
}

function ownProblems(given: readonly ByPid[]): ByPid[] {
  const text = ({ row }: ByPid) => String(row['answer'])
  const question = ({ row }: ByPid) => questionText(row)
  return [...truthsById(given, { id: ({ id }) => id, text, question }).values()]
}

/** The response, and beside it what a judge extracted from it. */
function wordsOf(answer: Answer | undefined): Pick<Outcome, 'given' | 'judged'> {
  const { text = '', row = {} } = answer ?? {}
  const { response, extraction } = row
  if (typeof response !== 'string' || response === text) return { given: text }
  return { given: response, ...(extraction === undefined ? {} : { judged: text }) }
}

const SENT = [
  'question',
  'choices',
  'unit',
  'precision',
  'question_type',
  'answer_type',
  'metadata',
]

/** Of the test split, whose truth its authors keep: the result file that they take. */
function submitted(problems: readonly ByPid[], answers: ReadonlyMap<string, Answer>): Scored {
  const rows = problems.map(({ id, row }) => {
    const given = answers.get(id)
    const extraction = given?.row['extraction']
    const own = Object.fromEntries(SENT.flatMap((name) => (name in row ? [[name, row[name]]] : [])))
    const response = String(given?.row['response'] ?? given?.text ?? '')
    return [id, { pid: id, ...own, response, ...(extraction === undefined ? {} : { extraction }) }]
  })
  return {
    counts: countAnswers(
      problems.map(({ id }) => id),
      answers,
    ),
    outcomes: [],
    metrics: [],
    written: { 'submission.json': pythonJson(Object.fromEntries(rows), { indent: 4 }) },
  }
}

/** Where the judge has extracted nothing at all there is no number, and 0 would look like one. */
function isNonsense(answers: ReadonlyMap<string, { readonly row: Row }>): boolean {
  return answers.size > 0 && [...answers.values()].every(({ row }) => row['extraction'] === '')
}

/** VLMEvalKit's tables have the letter of the answer, and what its judge extracted with its log. */
function isTableRow(row: Row): boolean {
  return 'answer_option' in row && 'log' in row
}

/**
 * VLMEvalKit's verdict: of options the letter or text that it infers, numbers as Python reads them; lists are never right.
 * Source: open-compass/VLMEvalKit vlmeval/dataset/utils/mathvista.py at e8e78f0, post_check.
 */
function isRightInTable(row: Row): boolean {
  const { question_type: question, answer_type: type, choices, answer, answer_option: letter } = row
  const given = String(row['extraction'] ?? '')
  if (question === 'multi_choice') {
    const texts = Array.isArray(choices) ? choices.map(String) : []
    const options = Object.fromEntries(texts.map((text, i) => [letterAt(i), text]))
    return inferredLetter(given, options) === letter
  }
  const isWhole = (text: string) => type !== 'integer' || /^\s*[+-]?\d+\s*$/.test(text)
  if ((type !== 'integer' && type !== 'float') || !isWhole(given)) return false
  const value = parsePythonFloat(given)
  return value !== null && value === parsePythonFloat(String(answer))
}

/** The columns of the paper's table: tasks, and the skills that a problem needs. */
function partsOf({ row }: ByPid): string[] {
  const { task, skills } = isRow(row['metadata']) ? row['metadata'] : row
  // VLMEvalKit's table has skills as Python prints them.
  const list = typeof skills === 'string' ? (readPythonList(skills) ?? []) : skills
  return [task, ...(Array.isArray(list) ? (list as unknown[]) : [])].filter(
    (name): name is string => typeof name === 'string' && name !== '',
  )
}

/** What the answer says, in the form of the truth; `null` where that cannot be told. */
function readValue(answer: Row, problem: Row): string | null {
  const choices = Array.isArray(problem['choices']) ? problem['choices'].map(String) : []
  const isChoice = problem['question_type'] === 'multi_choice'
  const extraction = answer['extraction']
  const response = String(answer['response'] ?? answer['text'] ?? '')
  // An extraction may be the whole response: then that is what its judge said.
  const hasExtraction = extraction !== undefined && extraction !== null
  const text = hasExtraction ? String(extraction) : response
  if (answer['unread'] === true) return null
  if (isChoice) return hasExtraction ? nearestChoice(text, choices) : plainChoice(text, choices)
  const type = problem['answer_type']
  if (type !== 'integer' && type !== 'float') return text
  const value = parsePythonFloat(text)
  if (value === null || !Number.isFinite(value)) return null
  if (type === 'integer') return String(Math.trunc(value))
  return pythonFloat(pythonRound(value, precisionOf(problem)))
}

/** VLMEvalKit's table has no column of it: there the truth shows how many decimals are asked for. */
function precisionOf({ precision, answer }: Row): number {
  if (precision !== undefined && precision !== null && precision !== '') return Number(precision)
  return /\.(\d+)$/.exec(String(answer).trim())?.[1]?.length ?? 0
}
