/**
 * Answers that exist, reviewed by a judge and scored: as `evaluate` does with the answers of its run, by the same judges, cache and limits.
 *
 * Answers are what `llava score` takes: files of the original scripts, of lmms-eval, of VLMEvalKit, or ours.
 */
import { InputError } from '../core/errors.ts'
import { checkPlaces } from './check-places.ts'
import { answerFiles } from './answer-files.ts'
import type { Agreement } from './judge-agreement.ts'
import { answersOf, judgeAll, type JudgedFacts, type JudgingRequest } from './judge-answers-node.ts'
import { filesOf } from './evaluate-node.ts'
import { baseName, type EvalFile } from './eval-file.ts'
import type { JudgeSpec } from './judge-spec.ts'
import { releasedFiles, type ReleasedFiles } from './question.ts'
import { score, type ScoreReport } from './score.ts'

export type ScoreJudgedRequest = JudgingRequest & {
  readonly answers: readonly EvalFile[]
  readonly seed?: number | undefined
  readonly codeVersion?: string
}

export type JudgedReport = ScoreReport & {
  readonly judged: readonly JudgedFacts[]
  readonly agreement: Agreement | null
}

/**
 * A question without an answer counts as missing, and no judge is asked about it. Throws InputError where the benchmark needs no judge, or no
 * answer is to one of its questions, and what judges throw when they are gone.
 */
export async function scoreJudged(given: ScoreJudgedRequest): Promise<JudgedReport> {
  const { benchmark } = given
  const answers = answerFiles(given.answers, benchmark)
  const request = { ...given, answers }
  const spec = benchmark.judge
  if (!spec) throw unjudged(benchmark.name)
  const files = truthOf(spec, request)
  // The reviews, which are scored, hold no prompt; and the judge is paid for each.
  checkPlaces(benchmark, { answers, ...files })
  const missing = unanswered(request, files, spec)
  const judged = await judgeAll({ ...request, ...files }, answers, missing)
  const { reviews, extra, facts, identities, agreement } = judged
  if (!reviews) throw noJudge(benchmark.name)
  const report = await score(benchmark.name, {
    ...filesOf({ benchmark, ...files }, benchmark.ask ?? {}),
    answers: [reviews],
    answersFrom: answers,
    askedFrom: { questions: given.questions, labels: given.labels, answers },
    // Of a pair of answers one may be there: that is no verdict, and no fault of the files.
    allowsNone: true,
    model: nameOf(answers),
    judge: identities,
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    ...(request.codeVersion === undefined ? {} : { codeVersion: request.codeVersion }),
  })
  return {
    ...report,
    counts: { ...report.counts, extra },
    written: {
      ...benchmark.submission?.({ answers, questions: files.questions }),
      ...report.written,
    },
    judged: facts,
    agreement,
  }
}

/** What came, or what the answers themselves hold. */
function truthOf(spec: JudgeSpec, request: ScoreJudgedRequest): ReleasedFiles {
  const { answers, benchmark } = request
  const given = releasedFiles(benchmark.ask, request)
  const isGiven = given.questions.length > 0 || given.labels.length > 0
  const isOwn = spec.holdsTruth !== undefined && answers.every(spec.holdsTruth)
  if (!isOwn || (isGiven && spec.isNumbered !== true)) return given
  return { questions: [], labels: answers }
}

/** Of the questions that came those without an answer. */
function unanswered(
  { benchmark: { ask }, answers }: ScoreJudgedRequest,
  { questions, labels }: ReleasedFiles,
  spec: JudgeSpec,
): string[] {
  const files = questions.length > 0 || ask?.hasTruth !== true ? questions : labels
  if (!ask || files === answers || files.length === 0) return []
  const given = new Set(answersOf(spec, answers).map(({ id }) => id))
  const asked = new Set(ask.questions(files).map(({ id }) => String(id)))
  return [...asked].filter((id) => !given.has(id))
}

/** As official scripts have it: the first file's, without its ending. */
function nameOf([first]: readonly EvalFile[]): string {
  return (first ? baseName(first) : '').replace(/\.[^.]*$/, '')
}

function unjudged(name: string): InputError {
  return new InputError(
    'INPUT_JUDGE_UNUSED',
    `eval.${name}: its answers are scored by a rule and need no judge, one came; leave --judge out.`,
  )
}

function noJudge(name: string): InputError {
  return new InputError(
    'INPUT_JUDGE_MISSING',
    `eval.${name}: a judge and a cache of its replies should come, they did not; give both, or score reviews.`,
  )
}
