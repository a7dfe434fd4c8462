/** What a benchmark asks a judge, and how it reads what the judge says. */
import type { Answer } from './answers.ts'
import type { EvalFile, Row } from './eval-file.ts'
import type { Picture } from './question.ts'

export type JudgeSpec = {
  /** The model that the published scores were judged by. */
  readonly model: string
  readonly temperature: number
  /** A rule scores the answers too, as far as they need no judge. */
  readonly isOptional?: boolean
  readonly maxTokens: number
  /** Temperatures at which what is no verdict is asked for again. */
  readonly retryTemperatures?: readonly number[]
  /** The reviews as the one JSON value that the scorer reads; without it they are lines. */
  readonly collect?: (reviews: readonly Row[]) => unknown
  /** Answers in the files of the official scripts, where they are of a form of their own. */
  readonly answers?: (file: EvalFile) => Answer[]
  /** Whether a file of answers holds questions and truth as well, so that a judge needs no others. */
  readonly holdsTruth?: (file: EvalFile) => boolean
  /** Questions are known by their number alone, which moves where an answer is missing: answers with a truth of their own keep it. */
  readonly isNumbered?: boolean
  /** One task for each verdict that the score needs. Throws InputError where files that it needs are missing. */
  readonly tasks: (input: JudgeInput) => JudgeTask[]
  /** The fields of the verdict in a reply; `null` for what is none. A verdict out of its range is none. */
  readonly read: (reply: string, task: JudgeTask) => Row | null
  /** The verdict's fields of a question without an answer, by the verdicts on all others; by default, and where it is null, those of `unread`. */
  readonly missing?: (verdicts: readonly Row[]) => Row | null
}

export type JudgeInput = {
  readonly answers: readonly Answer[]
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
}

export type JudgeTask = {
  /** The question's id, and the part of its verdict where there are several. */
  readonly id: string
  /** Whose answers it is about, where that is not the one question that its id names. */
  readonly questions?: readonly string[]
  /** There is no answer to judge: no judge is asked. */
  readonly isMissing?: boolean
  readonly messages: readonly { readonly role: 'system' | 'user'; readonly content: string }[]
  /** The answer that is judged, as it stands in the messages. */
  readonly answer: string
  readonly images?: readonly Picture[]
  /** What a review holds beside the verdict: ids, categories. */
  readonly fields: Row
  /** What else the reading of a reply depends on: the row of the question. */
  readonly problem?: Row
  /** The verdict where no judge is needed. */
  readonly known?: Row
  /** The verdict's fields where the judge gave none. */
  readonly unread: Row
}
