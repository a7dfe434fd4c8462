/** Answers matched with questions: one for each, none lost unseen. */
import { InputError } from '../core/errors.ts'
import type { Counts } from './benchmark.ts'
import {
  fileNames,
  isJsonLines,
  isRow,
  readJsonLines,
  readRows,
  textField,
  type EvalFile,
  type Row,
} from './eval-file.ts'
import { firstText, isSample, sampleFields, sampleName } from './samples.ts'

/** `row` has all fields; what an lmms-eval sample holds of the dataset's row stands beside its own. */
export type Answer = {
  readonly id: string
  readonly text: string
  readonly row: Row
  /** Of the benchmark, where its parts have files of their own. */
  readonly part?: string
}

/** Names of an answer's fields in the files of the original scripts, lmms-eval and VLMEvalKit. */
const ID_FIELDS = ['question_id', 'questionId', 'doc_id', 'index', 'id', 'pid', 'idx']
const RESPONSE_FIELDS = ['filtered_resps', 'resps']
const TEXT_FIELDS = ['text', 'prediction', 'pred', 'response', 'answer_text']

/** Every answer of the files: the original's, lmms-eval's samples (`filtered_resps`) or VLMEvalKit's tables. */
export function readAnswers(files: readonly EvalFile[], broken?: { count: number }): Answer[] {
  return files.flatMap((file) => {
    const rows = broken && isJsonLines(file) ? readJsonLines(file, broken) : readRows(file)
    return rows.filter(isAnswered).map((row) => ({
      id: answerId(row, file),
      text: answerText(row, file),
      row: sampleFields(row),
      ...(file.part === undefined ? {} : { part: file.part }),
    }))
  })
}

export type AnswerKeys<A> = {
  /** What tells questions apart, where it is not the id alone. */
  readonly key?: (answer: A) => string
  /** Ids that the benchmark itself gives to several questions. Of their answers the last stands for all. */
  readonly shared?: ReadonlySet<string>
}

/**
 * The only answer of each question; the same answer twice is one. Throws InputError where a question has two answers that
 * differ.
 */
export function answersById<A extends Pick<Answer, 'id' | 'text'>>(
  answers: readonly A[],
  { key = ({ id }) => id, shared = new Set() }: AnswerKeys<A> = {},
): Map<string, A> {
  const byId = new Map<string, A>()
  const twice = new Set<string>()
  for (const answer of answers) {
    const id = key(answer)
    const before = byId.get(id)
    if (before && before.text !== answer.text && !shared.has(id)) twice.add(id)
    byId.set(id, answer)
  }
  if (twice.size > 0) {
    throw new InputError(
      'INPUT_ANSWERS_DUPLICATE',
      `eval: every question should be answered once, ${twice.size} came with different answers (${some(twice)}); remove the older ones.`,
    )
  }
  return byId
}

export type TruthKeys<T> = {
  readonly id: (truth: T) => string
  readonly text: (truth: T) => string
  /** What is asked, where the truth's row says it; else empty. */
  readonly question?: (truth: T) => string
}

/**
 * The only truth of each question, in their order; the same one twice is one. Throws InputError where an id is of two questions,
 * or a question has two truths that differ.
 */
export function truthsById<T>(
  truths: readonly T[],
  { id, text, question = () => '' }: TruthKeys<T>,
): Map<string, T> {
  const byId = new Map<string, T>()
  const twice = new Set<string>()
  const shared = new Set<string>()
  for (const truth of truths) {
    const name = id(truth)
    const before = byId.get(name)
    if (before === undefined) byId.set(name, truth)
    else if (question(before) !== question(truth)) shared.add(name)
    else if (text(before) !== text(truth)) twice.add(name)
  }
  if (shared.size > 0) {
    throw new InputError(
      'INPUT_QUESTIONS_DUPLICATE',
      `eval: every question should have an id of its own, ${shared.size} are of questions that differ (${some(shared)}); check the files that hold them.`,
    )
  }
  if (twice.size > 0) {
    throw new InputError(
      'INPUT_LABELS_DUPLICATE',
      `eval: every question should have one truth, of ${twice.size} there are several that differ (${some(twice)}); check the files that hold it.`,
    )
  }
  return byId
}

/** The truths that were read of label files. Throws InputError where these hold none: without them there may be another score. */
export function truthsIn<T>(labels: readonly EvalFile[], truths: readonly T[]): readonly T[] {
  if (truths.length > 0) return truths
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval: labels should hold questions and their truth, ${fileNames(labels)} ${labels.length === 1 ? 'holds' : 'hold'} none; name the files of this benchmark, or leave labels out.`,
  )
}

/** Those of the truths that were asked about: all of them, unless a run was limited. Throws InputError where it asked about none. */
export function onlyAsked<T>(
  truths: readonly T[],
  asked: ReadonlySet<string> | undefined,
  id: (truth: T) => string,
): readonly T[] {
  if (!asked) return truths
  const own = truths.filter((truth) => asked.has(id(truth)))
  if (own.length === 0 && truths.length > 0) throw foreign(truths.map(id), asked)
  return own
}

/** What is missing and what is too much. Throws InputError where there is no question, or not one answer belongs to one. */
export function countAnswers(
  questions: readonly string[],
  answers: ReadonlyMap<string, unknown>,
  unreadable = 0,
): Counts {
  const known = ownIds(questions)
  const missing = questions.filter((id) => !answers.has(id)).length
  const extra = [...answers.keys()].filter((id) => !known.has(id)).length
  if (answers.size > 0 && known.size === 0) {
    throw new InputError(
      'INPUT_QUESTIONS_MISSING',
      `eval: questions or labels should hold what is answered (${some(answers.keys())}), they hold no question; are they of another benchmark or split?`,
    )
  }
  if (answers.size > 0 && extra === answers.size) throw foreign(known, answers.keys())
  return { questions: questions.length, answers: answers.size, missing, extra, unreadable }
}

/** Of the questions that count, and of those that were answered or are to be. */
function foreign(known: Iterable<string>, answered: Iterable<string>): InputError {
  return new InputError(
    'INPUT_ANSWERS_FOREIGN',
    `eval: answers should be to these questions (${some(known)}), none is (${some(answered)}); are labels, questions and answers of one benchmark and split?`,
  )
}

/** The ids of questions. Throws InputError where two share one. */
export function ownIds(ids: readonly string[]): ReadonlySet<string> {
  const own = new Set<string>()
  const repeats = ids.filter((id) => own.has(id) || !own.add(id))
  if (repeats.length === 0) return own
  throw new InputError(
    'INPUT_QUESTIONS_DUPLICATE',
    `eval: every question should have an id of its own, ${repeats.length} repeat one (${some(new Set(repeats))}); check the question file.`,
  )
}

function answerId(row: Row, file: EvalFile): string {
  const field = ID_FIELDS.find((name) => name in row) ?? 'question_id'
  const id = textField(row, field, file)
  return field === 'doc_id' && isSample(row) ? sampleName(id, file) : id
}

function answerText(row: Row, file: EvalFile): string {
  const responses = RESPONSE_FIELDS.filter((name) => name in row)
  const response = responses.find((name) => row[name] !== null) ?? responses[0]
  if (response !== undefined) return firstText(row[response]) ?? textField(row, response, file)
  const { model_prediction: prediction } = row
  if (isRow(prediction)) return textField(prediction, 'message', file)
  if (isSubmitted(row)) return textField(row, 'answer', file)
  const usual = isJsonLines(file) ? 'text' : 'prediction'
  return textField(row, TEXT_FIELDS.find((name) => name in row) ?? usual, file)
}

/** The submission of DocVQA and InfographicVQA: {"questionId": 1, "answer": "0.28"}, and nothing else. */
function isSubmitted(row: Row): boolean {
  return 'questionId' in row && 'answer' in row && Object.keys(row).length === 2
}

/**
 * What LLaVA-Hound's inference writes, {"model_prediction": {"status": "success", "message": "white"}}, has another status where
 * a question has no answer.
 */
function isAnswered({ model_prediction: prediction }: Row): boolean {
  return !isRow(prediction) || prediction['status'] === 'success'
}

function some(ids: Iterable<string>): string {
  const all = [...ids]
  return all.length > 3 ? `${all.slice(0, 3).join(', ')}, …` : all.join(', ')
}
