/**
 * MM-Vet: open questions that need several capabilities at once; a judge gives 0.0 to 1.0.
 *
 * Paper: arXiv:2308.02490. Data: github.com/yuweihao/MM-Vet (CC BY-NC 4.0), mm-vet.json:
 *   {"v1_0": {"imagename": "v1_0.png", "question": "What is x in the equation?", "answer": "-1<AND>-5", "capability": ["ocr", "math"]}, …}
 * Answers: {"question_id": 0, "text": "…"} become the evaluator's input {"v1_0": "…"}: haotian-liu/LLaVA
 * scripts/convert_mmvet_for_eval.py at c121f04. The evaluator (mm-vet_evaluator.py at acde843) writes grades, which score:
 *   {"v1_0": {"model": ["gpt-4-0613"], "content": ["0.5"], "score": [0.5, …one a run]}, …}
 * and its tables by capability and by set of capabilities, which are written as it does. Its sets are printed in no certain order; here
 * a set is named in the order of the question file.
 */
import { InputError } from '../../core/errors.ts'
import {
  answersById,
  countAnswers,
  onlyAsked,
  ownIds,
  readAnswers,
  truthsIn,
  type Answer,
} from '../answers.ts'
import {
  meanScore,
  publishedRows,
  type Benchmark,
  type Metric,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import {
  baseName,
  isRow,
  readJson,
  readRows,
  shownField,
  textField,
  unreadable,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { truthId } from '../question.ts'
import { pythonJson } from '../python-text.ts'
import { reviewedAnswer } from '../samples.ts'
import { releasedMmVet } from './hub-vqa-tables.ts'
import { mmVetJudge } from './mm-vet-judge.ts'
import { mmVetTables, type GradedQuestion } from './mm-vet-tables.ts'
import { zooRow, januaryRow, oneVisionRow } from './published-tables.ts'

export const mmVet: Benchmark = {
  name: 'mm-vet',
  tasks: ['mmvet'],
  title: 'MM-Vet',
  files: {
    answers:
      "the evaluator's grades, or a table with score (scores); or answers (writes the evaluator's input)",
    questions: 'llava-mm-vet.jsonl, for answers: those that are missing are found by it',
    labels: 'mm-vet.json, for scores by capability',
  },
  needs: [],
  rule: "the judge's grades, averaged over its runs; mean of all questions, and of those with a capability",
  score: scoreMmVet,
  ask: {
    questions: (files) => {
      const questions = readQuestionsOf(files)
      ownIds(questions.map(truthId))
      return questions
    },
    fromTables: releasedMmVet,
    prompt: LLAVA_PROMPT,
    folder: { questions: 'llava-mm-vet.jsonl', labels: 'mm-vet.json', images: 'images' },
  },
  judge: { ...mmVetJudge, answers: readMmVetAnswers },
  submission: ({ answers, questions, asked }) =>
    submit(answers, askedIds(questions, asked)).written,
  published: [
    ...zooRow('total', [31.1, 36.1, 30.2, 38.3, 39.4], 'judge gpt-4-0613'),
    ...januaryRow('total', [36.3, 43.9, 47.3, 48.4, 57.4]),
    ...publishedRows('total', 'arXiv:2310.03744', {
      'llava-v1.5-7b': 30.5,
      'llava-v1.5-13b': 35.4,
      'llava-7b-v1': 25.5,
    }),
    ...oneVisionRow('total', [26.9, 29.1, 58.8, 57.5, 60.0, 63.7]),
  ],
}

const readQuestionsOf = llavaQuestions(1024, (question) => ({
  ...question,
  truth: truthOf(question.id),
}))

/** A question's name in the evaluator's files, which some question files have as well. */
function truthOf(id: string | number): string {
  return `v1_${String(id).replace(/^v1_/, '')}`
}

const CAPABILITIES = ['rec', 'ocr', 'know', 'gen', 'spat', 'math']

function scoreMmVet({ answers, questions: asking, labels, asked, model }: ScoreInput): Scored {
  const files = withoutTables(answers)
  const samples = files.flatMap(readSamples)
  if (samples.length === 0 && !files.every(isGrades)) {
    return submit(files, askedIds(asking, asked))
  }
  const grades = gradesById(
    samples.length > 0 ? samples.map(({ id, grade }) => [id, [grade]]) : files.flatMap(readGrades),
  )
  const questions = new Map<string, readonly string[]>(
    labels.length > 0
      ? truthsIn(labels, labels.flatMap(readQuestions))
      : samples.map(({ id, capabilities }) => [id, capabilities]),
  )
  const all = questions.size > 0 ? [...questions.keys()] : [...grades.keys()]
  const graded = onlyAsked(all, asked, (id) => id).map((id) => {
    const scores = grades.get(id) ?? []
    const score = scores.reduce((sum, value) => sum + value, 0) / Math.max(1, scores.length)
    return { id, scores, score, capabilities: questions.get(id) ?? [] }
  })
  const ids = graded.map(({ id }) => id)
  const words = new Map(
    samples.length > 0 ? samples.map((one) => [one.id, one]) : files.flatMap(readWords),
  )
  const marked = (mark: 'unread' | 'missing') =>
    new Set(samples.length > 0 ? [] : files.flatMap((file) => markedIn(file, mark)))
  const [unread, missing] = [marked('unread'), marked('missing')]
  const answered = new Map([...grades].filter(([id]) => !missing.has(id)))
  const isUnread = (id: string) => unread.has(id) || answered.get(id)?.length === 0
  const unreadable = ids.filter((id) => answered.has(id) && isUnread(id)).length
  // Where the judge has read nothing at all there is no number, and 0 would look like one.
  const isRead = unreadable === 0 || unreadable < answered.size
  return {
    counts: countAnswers(ids, answered, unreadable),
    outcomes: graded.map(({ id, scores, score }) => {
      const { given = '', judged = '' } = words.get(id) ?? {}
      return { id, given, judged, read: scores.join(', '), expected: '', score }
    }),
    metrics: isRead ? metricsOf(graded) : [],
    ...(isRead && labels.length > 0
      ? { written: mmVetTables(model ?? gradedModel(files), graded) }
      : {}),
  }
}

/** The evaluator's grades are named after model and judge. */
function gradedModel([first]: readonly EvalFile[]): string {
  return (first ? baseName(first) : '').replace(/_gpt-.*$|\.json$/, '')
}

function gradesById(
  grades: readonly (readonly [string, readonly number[]])[],
): ReadonlyMap<string, readonly number[]> {
  const answers = grades.map(([id, scores]) => ({ id, text: scores.join(' '), scores }))
  return new Map([...answersById(answers)].map(([id, { scores }]) => [id, scores]))
}

function metricsOf(graded: readonly GradedQuestion[]): Metric[] {
  return [
    meanScore('total', graded, 1),
    ...CAPABILITIES.flatMap((name): Metric[] => {
      const own = graded.filter(({ capabilities }) => capabilities.includes(name))
      return own.length > 0 ? [meanScore(name, own, 1)] : []
    }),
  ]
}

function askedIds(questions: readonly EvalFile[], asked: ScoreInput['asked']): readonly string[] {
  return onlyAsked(readQuestionsOf(questions).map(truthId), asked, (id) => id)
}

/** The evaluator fails where a question has no answer: it gets an empty one, which is graded. */
function submit(files: readonly EvalFile[], questions: readonly string[]) {
  const given = answersById(files.flatMap(readMmVetAnswers))
  const answers = new Map([...given].map(([id, { text }]) => [truthOf(id), text]))
  const ids = questions.length > 0 ? questions : [...answers.keys()]
  const rows = new Map(ids.map((id) => [id, answers.get(id) ?? '']))
  return {
    counts: countAnswers(ids, answers),
    outcomes: [],
    metrics: [],
    written: { 'mm-vet.json': pythonJson(rows, { indent: 2 }) },
  }
}

/** The evaluator writes its tables beside its grades; they hold no question's grade. */
function withoutTables(files: readonly EvalFile[]): readonly EvalFile[] {
  const isTable = ({ name, text }: EvalFile) =>
    /\.csv$/i.test(name) && /^[^\n]*,total,std,runs\s*$/m.test(text)
  const others = files.filter((file) => !isTable(file))
  if (others.length > 0) return others
  throw new InputError(
    'INPUT_ANSWERS_FOREIGN',
    `eval.mm-vet: the answers should be grades of single questions, ${files[0]?.name} is the evaluator's table of means; give the file …-grade-….json beside it.`,
  )
}

type Words = { readonly given: string; readonly judged: string }

type GradedSample = Words & {
  readonly id: string
  readonly grade: number
  readonly capabilities: readonly string[]
}

/** The samples of lmms-eval and VLMEvalKit's graded tables hold grade and capabilities; other files have none. */
function readSamples(file: EvalFile): GradedSample[] {
  if (file.cells || /\.[tc]sv$/i.test(file.name)) return readRows(file).map(fromTable(file))
  if (!file.text.includes('"gpt_eval_score"')) return []
  return readRows(file).map((row) => {
    const inner = row['gpt_eval_score']
    const { question_id: id, score, capabilities } = isRow(inner) ? inner : {}
    return gradedSample(file, { id: String(id), score, capabilities, row })
  })
}

/** Rows of VLMEvalKit's table, where a question without a grade has an empty cell. */
function fromTable(file: EvalFile) {
  return (row: Row): GradedSample => {
    const index = textField(row, 'index', file)
    const id = index.startsWith('v1_') ? index : `v1_${index}`
    const score = row['score'] === '' ? 0 : Number(row['score'] ?? Number.NaN)
    return gradedSample(file, { id, score, capabilities: row['category'], row })
  }
}

function gradedSample(
  file: EvalFile,
  { id, score, capabilities, row }: { id: string; score: unknown; capabilities: unknown; row: Row },
): GradedSample {
  if (typeof score !== 'number' || !(score >= 0 && score <= 1)) {
    throw unreadable(file, `grades from 0 to 1 in a column score or gpt_eval_score, also of ${id}`)
  }
  const names = String(capabilities ?? '').split(',')
  return { id, grade: score, capabilities: names.map((name) => name.trim()), ...wordsOf(row) }
}

/** Of grades of ours, the answers that they are of; of the evaluator's, what its judge said in each run. */
function readWords(file: EvalFile): [string, Words][] {
  return entriesOf(file).map(([id, row]) => [id, wordsOf(row)])
}

function wordsOf(row: Row): Words {
  const { content } = row
  const said = (Array.isArray(content) ? content : [content]).filter(
    (one) => typeof one === 'string',
  )
  return { given: reviewedAnswer(row), judged: said.join('\n') }
}

/** One object over many lines, keyed by question: answers have an object on every line, or a text for each key. */
function isGrades({ text }: EvalFile): boolean {
  return /^\s*\{\s*"v1_\d+"\s*:\s*\{/.test(text)
}

/** The evaluator's input again, or answer lines. */
function readMmVetAnswers(file: EvalFile): Answer[] {
  if (!/^\s*\{\s*"v1_\d+"\s*:/.test(file.text)) {
    // VLMEvalKit's table has the evaluator's names.
    return readAnswers([file]).map((answer) => ({ ...answer, id: answer.id.replace(/^v1_/, '') }))
  }
  const whole = readJson(file)
  if (!isRow(whole)) throw unreadable(file, 'an object keyed by question')
  return Object.entries(whole).map(([id, text]) => ({
    id: id.slice(3),
    text: String(text),
    row: {},
  }))
}

function readGrades(file: EvalFile): [string, number[]][] {
  return entriesOf(file).map(([id, row]) => {
    const scores = Array.isArray(row['score']) ? row['score'] : [row['score']]
    const grades = scores.filter((score) => typeof score === 'number')
    const isGrade = grades.every((score) => score >= 0 && score <= 1)
    if (grades.length < scores.length || !isGrade) {
      throw new InputError(
        'INPUT_GRADES_BROKEN',
        `eval.mm-vet: grades should be numbers from 0 to 1, ${id} of ${file.name} has ${shownField(row['score'])}; run the evaluator on it again.`,
      )
    }
    return [id, grades]
  })
}

/** Questions on which our judge gave no grade, or that have no answer: they count as 0, as in the official script. */
function markedIn(file: EvalFile, mark: 'unread' | 'missing'): string[] {
  return entriesOf(file).flatMap(([id, row]) => (row[mark] === true ? [id] : []))
}

function readQuestions(file: EvalFile): [string, string[]][] {
  return entriesOf(file).map(([id, { capability }]) => {
    if (Array.isArray(capability)) return [id, capability.map(String)]
    throw unreadable(file, `questions with "capability", ${id} among them`)
  })
}

function entriesOf(file: EvalFile): [string, Row][] {
  const whole = readJson(file)
  if (!isRow(whole)) throw unreadable(file, 'an object keyed by question')
  return Object.entries(whole).map(([id, row]) => {
    if (isRow(row)) return [id, row]
    throw unreadable(file, `an object of objects, ${id} among them`)
  })
}
