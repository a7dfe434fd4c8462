/**
 * MathVista's problems, how they are asked, and how a judge extracts the value from a free answer.
 *
 * Source: lupantech/MathVista evaluation/extract_answer.py (its five examples, temperature 0, 256 tokens); lmms-eval
 * tasks/mathvista/mathvista_evals.py.
 */
import { isRow, readJson, readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { MATHVISTA_DEMO } from '../judge-prompts.ts'
import type { JudgeInput, JudgeSpec, JudgeTask } from '../judge-spec.ts'
import { pictureField } from '../llava-questions.ts'
import { readPythonList } from '../python-dict.ts'
import { parsePythonFloat } from '../python-text.ts'
import type { Question } from '../question.ts'
import { columnText } from '../row-columns.ts'
import { ofSplit, withPictures } from '../table-rows.ts'
import { firstText, sampleFields } from '../samples.ts'
import { namingPart } from './mathvista-choices.ts'

export const mathvistaJudge: JudgeSpec = {
  model: 'gpt-3.5-turbo',
  temperature: 0,
  isOptional: true,
  maxTokens: 256,
  tasks,
  read: readExtraction,
  answers: (file) =>
    readByPid(file).flatMap(({ id, row }) => {
      const text = row['response'] ?? row['text']
      return typeof text === 'string' ? [{ id, text, row }] : []
    }),
  holdsTruth: (file) =>
    readByPid(file).every(({ row }) => row['answer'] !== undefined && row['query'] !== undefined),
}

export type ByPid = { readonly id: string; readonly row: Row; readonly file: EvalFile }

/** Problems or answers: an object keyed by problem, rows with pid, or the samples of lmms-eval. */
export function readByPid(file: EvalFile): ByPid[] {
  if (isScores(file)) return []
  const isObject = /^\s*\{\s*"\d+"\s*:/.test(file.text)
  const whole = isObject ? readJson(file) : null
  if (isRow(whole)) {
    return Object.entries(whole).map(([id, row]) => ({ id, row: isRow(row) ? row : {}, file }))
  }
  return withPictures(readRows(file)).map((sample) => {
    const row = withLists(sampleFields(sample))
    const field = ['pid', 'question_id', 'index'].find((name) => name in row)
    return { id: textField(row, field ?? 'pid', file), row, file }
  })
}

/** The official script writes its table, scores_….json, beside the answers that it scored. */
function isScores({ text }: EvalFile): boolean {
  return /^\s*\{\s*"average"\s*:\s*\{/.test(text)
}

/** VLMEvalKit's table has choices as Python prints them, and the extracted value as `res`. */
function withLists(row: Row): Row {
  const { choices, res } = row
  const list = typeof choices === 'string' ? (readPythonList(choices) ?? []) : choices
  const extraction = 'log' in row && typeof res === 'string' ? { extraction: res } : {}
  const response = firstText(row['filtered_resps'] ?? row['prediction'])
  const own = response === null ? {} : { response }
  return { ...own, ...row, ...extraction, ...(list === undefined ? {} : { choices: list }) }
}

export function readMathvistaQuestions(file: EvalFile): Question[] {
  return readByPid(file).map((one) => ({
    id: one.id,
    prompt: queryOf(one),
    images: pictureField(one.row['decoded_image'] ?? one.row['image']),
    maxTokens: 1024,
    isVisual: true,
    extra: { pid: one.id },
  }))
}

/** Hint, question and choices: to VLMEvalKit, whose table has `answer_option`, that is the question. */
function queryOf(one: ByPid): string {
  return columnText(one, 'query', ...('answer_option' in one.row ? ['question'] : []))
}

/** Nothing was extracted. */
const UNREAD: Row = { extraction: '', unread: true }

/** A value is short: what is longer repeats the answer. */
const MOST_CHARACTERS = 200

function readExtraction(reply: string, { problem = {} }: JudgeTask): Row | null {
  const text = reply.trim()
  const value = text.length <= MOST_CHARACTERS ? valueIn(text, problem) : null
  return value === null ? null : { extraction: value }
}

/** What the official rule reads without a guess; null where the judge extracted nothing of the kind that is asked for. */
function valueIn(text: string, { question_type, answer_type, choices }: Row): string | null {
  if (question_type === 'multi_choice' && Array.isArray(choices))
    return namingPart(text, choices.map(String))
  const isNumber = answer_type === 'integer' || answer_type === 'float'
  if (isNumber) return Number.isFinite(parsePythonFloat(text) ?? Number.NaN) ? text : null
  if (answer_type === 'list') return /^\[[^]*\]$/.test(text) ? text : null
  return text === '' ? null : text
}

function tasks({ answers, questions, labels }: JudgeInput): JudgeTask[] {
  const problems = new Map(
    ofSplit(labels.length > 0 ? labels : questions, 'testmini')
      .flatMap(readByPid)
      .map((one) => [one.id, one]),
  )
  return answers.flatMap(({ id, text }) => {
    const problem = problems.get(id)
    if (!problem) return []
    const query = queryOf(problem)
    const content = `${MATHVISTA_DEMO.trim()}\n\n${query}\n\n${text}\n\nExtracted answer: `
    const known = plainValue(text, problem.row)
    return [
      {
        id,
        answer: text,
        messages: [{ role: 'user' as const, content }],
        fields: { pid: id, response: text },
        problem: problem.row,
        unread: UNREAD,
        ...(known === null ? {} : { known: known === '' ? UNREAD : { extraction: known } }),
      },
    ]
  })
}

/** What the official script takes without a judge: an option's text, a number alone; an empty answer is none. */
function plainValue(text: string, { question_type, answer_type, choices }: Row): string | null {
  if (text === '') return ''
  if (question_type === 'multi_choice' && Array.isArray(choices) && choices.includes(text))
    return text
  if (answer_type === 'integer' && /^\s*[+-]?\d+\s*$/.test(text)) return String(Number(text))
  if (answer_type === 'float' && parsePythonFloat(text) !== null) return text.trim()
  return null
}
