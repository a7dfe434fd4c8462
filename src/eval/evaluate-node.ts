/**
 * One benchmark, from its question files to a result: asked, judged where it needs a judge, scored, written down with the
 * recipe it was made by.
 *
 * In the folder: `run.json` (the recipe, before the first answer), `answers.jsonl` (the original's form, grows as answers
 * come), `reviews-JUDGE.jsonl` (what each judge said, and of which answer), submissions, and last of all `result.json`. The same call over the same folder
 * goes on where the last one ended; another recipe in it is refused, unless it differs in what answers do not depend on.
 */
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { AnswerEngine } from './answer-engine.ts'
import { ownIds } from './answers.ts'
import { AnswerJournal, readWholeLines } from './answer-journal-node.ts'
import { isJudgeNeeded, type Benchmark, type Outcome } from './benchmark.ts'
import type { Contamination } from '../data/contamination.ts'
import { resultContamination, type ResultContamination } from './contamination-node.ts'
import { isRow, type EvalFile, type Row } from './eval-file.ts'
import { judgedRecipe, makeRecipe, type EvalRecipe } from './eval-recipe.ts'
import type { Agreement } from './judge-agreement.ts'
import {
  answersOf,
  judgeAll,
  judgeTasks,
  type JudgedFacts,
  type JudgingRequest,
} from './judge-answers-node.ts'
import { MediaFolder } from './media-node.ts'
import type { WordNet } from './metrics/wordnet.ts'
import {
  namedMedia,
  questionFinder,
  questionKeys,
  releasedFiles,
  truthId,
  type AskSpec,
  type Question,
} from './question.ts'
import { keepExamples, writeResult } from './result-files-node.ts'
import { claimFolder, keepInputs } from './run-folder-node.ts'
import { answerLine, isErrorLine, runQuestions } from './run-questions.ts'
import { setOf } from './question-set.ts'
import { score, type ScoreReport } from './score.ts'
import { selectQuestions } from './select-questions.ts'

export type EvaluateRequest = JudgingRequest & {
  /** All questions of the submission, where they are more than those asked. */
  readonly submission?: readonly EvalFile[]
  /** All of one model. */
  readonly engines: readonly AnswerEngine[]
  readonly out: string
  readonly batch: number
  readonly limit?: number | undefined
  /** Draws the questions of a limited run, where it is given; for intervals and drawn options, else 0. */
  readonly seed?: number | undefined
  readonly isBlind?: boolean
  readonly maxTokens?: number | undefined
  readonly codeVersion: string
  readonly wordNet?: WordNet | undefined
  /** What of the questions was in the training data, to stand beside the scores. */
  readonly contamination?: Contamination | undefined
  readonly now?: () => number
}

export type EvalReport = Omit<ScoreReport, 'recipe' | 'outcomes'> & {
  readonly recipe: EvalRecipe
  readonly outcomes: readonly AskedOutcome[]
  readonly run: RunFacts
  readonly judged: readonly JudgedFacts[]
  readonly agreement: Agreement | null
  readonly contamination?: ResultContamination
}

export type AskedOutcome = Outcome & {
  readonly prompt?: string
  readonly image?: string
  /** The least distance between the chosen token and the next best, in log-probability. */
  readonly margin?: number
}

export type RunFacts = {
  readonly model: string
  /** Questions that could not be answered; they count as wrong. */
  readonly errors: readonly { readonly id: string; readonly error: string }[]
  /** Answers that were cut off at their longest. */
  readonly cutOff: number
  readonly batch: number
  readonly seconds: number
  /** Answered in this call; the others were there before. */
  readonly answered: number
}

/** Throws InputError for files and pictures that do not fit, and what engines and judges throw when they are gone. */
export async function evaluate(given: EvaluateRequest): Promise<EvalReport> {
  const { benchmark, out } = given
  const ask = askSpecOf(benchmark)
  const request = { ...given, ...releasedFiles(ask, given) }
  const all = ask.questions(request.questions)
  if (all.length === 0) throw noQuestions(benchmark)
  ownIds(all.map(truthId).filter((id) => ask.sharesId?.(id) !== true))
  const questions = selectQuestions(all, request)
  const asked = questions.length < all.length ? new Set(questions.map(truthId)) : undefined
  const written = await preflight(request, ask, { questions, asked })
  const names = ['run.json', 'answers.jsonl', 'result.json', ...written]
  const unknown = Object.fromEntries(names.map((name) => [name, null]))
  keepInputs(out, unknown, [...request.questions, ...request.labels])
  const media = new MediaFolder(request.mediaFolder, namedMedia(all))
  checkPictures(questions, media, request)
  const recipe = await makeRecipe({
    ...request,
    ask,
    asked: questions,
    sizeOf: (name) => media.size(name),
  })
  claimFolder(out, { recipe, judges: request.judges })
  const { lines, run } = await answerAll(request, questions, media)
  const answers = linesFile(
    'answers.jsonl',
    lines.filter((line) => !isErrorLine(line)),
  )
  const errors = run.errors.map(({ id }) => id)
  const judged = await judgeAll(request, [answers], errors)
  const scored = judged.reviews ?? (isJudgeNeeded(benchmark) ? null : answers)
  const files = filesOf(request, ask)
  const report = scored
    ? await score(benchmark.name, {
        ...files,
        answers: [scored],
        ...(request.seed === undefined ? {} : { seed: request.seed }),
        asked,
        askedFrom: { questions: request.questions },
        allowsNone: judged.reviews !== null,
        model: run.model,
        wordNet: request.wordNet,
      })
    : unjudged(setOf(benchmark, request).title, benchmark, {
        questions: questions.length,
        answers: lines.length - errors.length,
      })
  const outcomes = withQuestions(report.outcomes, questions, lines)
  const { facts, identities, agreement } = judged
  const { contamination } = request
  const result: EvalReport = {
    ...report,
    written: {
      ...benchmark.submission?.({ ...files, answers: [answers], asked }),
      ...report.written,
    },
    counts: judged.reviews ? { ...report.counts, extra: judged.extra } : report.counts,
    recipe: facts.length > 0 ? await judgedRecipe(recipe, identities) : recipe,
    outcomes,
    run,
    judged: facts,
    agreement,
    ...(contamination
      ? { contamination: resultContamination(contamination, report.outcomes, all) }
      : {}),
  }
  await keepExamples(out, { outcomes: report.outcomes, questions, media })
  writeResult(out, result)
  return result
}

/** Answers without a number: a judge may come later, over the same folder. */
function unjudged(
  title: string,
  { name }: Benchmark,
  { questions, answers }: { readonly questions: number; readonly answers: number },
): Omit<ScoreReport, 'recipe'> {
  const counts = { questions, answers, missing: questions - answers, extra: 0, unreadable: 0 }
  return {
    benchmark: name,
    title,
    metrics: [],
    counts,
    outcomes: [],
    units: [],
    printed: null,
    written: {},
    sheets: {},
  }
}

function askSpecOf({ name, ask }: Benchmark): AskSpec {
  if (ask) return ask
  throw new InputError(
    'INPUT_BENCHMARK_UNASKED',
    `eval.${name}: this benchmark is only scored; give its answers to llava score.`,
  )
}

function noQuestions({ name, files }: Benchmark): InputError {
  return new InputError(
    'INPUT_QUESTIONS_MISSING',
    `eval.${name}: the question file should hold questions (${files.questions ?? 'the dataset'}), it holds none.`,
  )
}

/** What the scorer is given beside answers: a kind that the benchmark does not take is left out. */
export function filesOf(
  {
    benchmark,
    questions,
    labels,
    submission,
  }: Pick<EvaluateRequest, 'benchmark' | 'questions' | 'labels' | 'submission'>,
  ask: Pick<AskSpec, 'hasTruth'>,
) {
  const { files } = benchmark
  const truth = labels.length > 0 ? labels : ask.hasTruth ? questions : []
  return {
    questions: files.questions === undefined ? [] : (submission ?? questions),
    labels: files.labels === undefined ? [] : truth,
  }
}

/**
 * Scores empty answers to all questions, or sees what a judge would be asked about them: truth that is missing, or of other questions, shows
 * now, not after a night. Gives the names of the files that will be written.
 */
async function preflight(
  request: EvaluateRequest,
  ask: AskSpec,
  {
    questions,
    asked,
  }: {
    readonly questions: readonly Question[]
    readonly asked: ReadonlySet<string> | undefined
  },
): Promise<string[]> {
  const { benchmark, judges = [] } = request
  const judge = judges.length > 0 ? benchmark.judge : undefined
  const empty = questions.map((one) => answerLine(one, { text: '', finishReason: 'stop' }, ''))
  const input = { ...filesOf(request, ask), answers: [linesFile('answers.jsonl', empty)], asked }
  if (judge) judgeTasks(judge, request, answersOf(judge, input.answers))
  const submitted = Object.keys(benchmark.submission?.(input) ?? {})
  if (judge || isJudgeNeeded(benchmark)) return submitted
  const { written, sheets } = await score(benchmark.name, { ...input, wordNet: request.wordNet })
  return [...submitted, ...Object.keys(written), ...Object.keys(sheets)]
}

function checkPictures(
  questions: readonly Question[],
  media: MediaFolder,
  { mediaFolder, isBlind, benchmark }: EvaluateRequest,
): void {
  const named = namedMedia(questions)
  // Those whose pictures came with them can be asked all the same.
  const isNamed = questions.every(({ images }) => images.every((one) => typeof one === 'string'))
  if (named.length === 0 || !isNamed || isBlind) return
  const missing = named.filter((name) => media.find(name) === null)
  if (missing.length < named.length) return
  throw new InputError(
    'INPUT_PICTURES_MISSING',
    `eval.${benchmark.name}: the pictures should be below ${mediaFolder ?? 'a folder of pictures, none was named'}, none of ${named.length} is (${named[0]?.slice(0, 80)}); name the folder with --images.`,
  )
}

async function answerAll(
  request: EvaluateRequest,
  questions: readonly Question[],
  media: MediaFolder,
): Promise<{ readonly lines: Row[]; readonly run: RunFacts }> {
  const { out, engines, batch, signal, onProgress } = request
  const now = request.now ?? (() => performance.now())
  const path = join(out, 'answers.jsonl')
  const start = now()
  let before = 0
  {
    using journal = new AnswerJournal(path)
    before = journal.answered.size
    await runQuestions({
      ...request,
      questions,
      engines,
      journal,
      batch,
      signal,
      now,
      openPicture: (picture) => media.open(picture),
      openVideo: (name) => media.path(name),
      onProgress: (state) => onProgress?.('answers', state),
    })
  }
  const lines = inOrder(readWholeLines(path), questions)
  return { lines, run: runFacts(lines, { request, seconds: (now() - start) / 1000, before }) }
}

/** Several engines answer in any order; files are read in the questions' order. */
function inOrder(lines: readonly Row[], questions: readonly Question[]): Row[] {
  const keys = questionKeys(lines.map(lineParts))
  const byKey = new Map(keys.map((key, i) => [key, lines[i] as Row]))
  return questionKeys(questions).flatMap((key) => {
    const line = byKey.get(key)
    return line ? [line] : []
  })
}

function lineParts(line: Row): { readonly id: string; readonly prompt: string } {
  return { id: String(line['question_id']), prompt: String(line['prompt']) }
}

function runFacts(
  lines: readonly Row[],
  { request, seconds, before }: { request: EvaluateRequest; seconds: number; before: number },
): RunFacts {
  const metadata = (line: Row): Row => (isRow(line['metadata']) ? line['metadata'] : {})
  return {
    model: request.engines[0]?.name ?? '',
    errors: lines
      .filter(isErrorLine)
      .map((line) => ({ id: String(line['question_id']), error: String(metadata(line)['error']) })),
    cutOff: lines.filter((line) => metadata(line)['finishReason'] === 'length').length,
    batch: request.batch,
    seconds,
    answered: lines.length - before,
  }
}

function withQuestions(
  outcomes: readonly Outcome[],
  questions: readonly Question[],
  lines: readonly Row[],
): AskedOutcome[] {
  const find = questionFinder(questions)
  const lineKeys = questionKeys(lines.map(lineParts))
  const margins = new Map(lines.map((line, i) => [lineKeys[i], marginOf(line)]))
  const keys = questionKeys(questions)
  const keyOf = new Map(questions.map((question, i) => [question, keys[i]]))
  return outcomes.map(({ asked, ...outcome }) => {
    const question = find({ id: outcome.id, ...(asked === undefined ? {} : { asked }) })
    if (!question) return outcome
    const [image] = question.images
    const margin = margins.get(keyOf.get(question))
    return {
      ...outcome,
      prompt: question.prompt,
      ...(typeof image === 'string' ? { image } : {}),
      ...(margin === undefined ? {} : { margin }),
    }
  })
}

function marginOf({ metadata }: Row): number | undefined {
  const margin = isRow(metadata) ? metadata['margin'] : undefined
  return typeof margin === 'number' ? margin : undefined
}

function linesFile(name: string, lines: readonly Row[]): EvalFile {
  return { name, text: lines.map((line) => `${JSON.stringify(line)}\n`).join('') }
}
