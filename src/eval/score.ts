/**
 * Scores answer files: numbers with their intervals and published rows, counts of what went wrong, submissions, and a
 * recipe that says what the numbers were made from.
 */
import { InputError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { answerFiles } from './answer-files.ts'
import type {
  Benchmark,
  Counts,
  Metric,
  Outcome,
  PublishedScore,
  SetFiles,
  Sheet,
} from './benchmark.ts'
import { BENCHMARKS } from './benchmarks/index.ts'
import { miniBenchmark } from './benchmarks/mini.ts'
import { checkPlaces } from './check-places.ts'
import type { EvalFile } from './eval-file.ts'
import {
  intervalOf,
  resampledSums,
  valueOf,
  type Interval,
  type Statistic,
} from './metrics/intervals.ts'
import { levenshtein } from './metrics/anls.ts'
import type { WordNet } from './metrics/wordnet.ts'
import { setOf } from './question-set.ts'
import { releasedFiles, type ReleasedFiles } from './question.ts'
import { hashFiles, hashText } from './recipe-hash.ts'
import { unitScores, type UnitScores } from './unit-scores.ts'

export type ScoreRequest = {
  readonly answers: readonly EvalFile[]
  readonly questions?: readonly EvalFile[]
  readonly labels?: readonly EvalFile[]
  /** For intervals, and for rules that draw. */
  readonly seed?: number
  /** The questions that a limited run asked; all others of the files are left out. */
  readonly asked?: ReadonlySet<string> | undefined
  /** Files that the benchmark's rule does not take: they say of which set the answers are. */
  readonly askedFrom?: SetFiles
  /** Where every answer may have failed. Else a file without answers is refused. */
  readonly allowsNone?: boolean
  /** For benchmarks that measure how close words are: WUPS. */
  readonly wordNet?: WordNet | undefined
  /** Whose answers they are, where they are reviews that a judge wrote just now. */
  readonly model?: string
  /** Where the answers are reviews that a judge wrote just now: who, and the answers that it read. For the recipe. */
  readonly judge?: readonly Readonly<Record<string, unknown>>[]
  readonly answersFrom?: readonly EvalFile[]
  /** Version of this program. */
  readonly codeVersion?: string
}

export type ScoreReport = {
  readonly benchmark: string
  readonly title: string
  readonly metrics: readonly ScoredMetric[]
  readonly counts: Counts
  readonly outcomes: readonly Outcome[]
  /** Of the benchmark's own numbers, for a comparison with another run. */
  readonly units: readonly UnitScores[]
  readonly printed: string | null
  readonly written: Readonly<Record<string, string>>
  /** Tables for `writeSheet`. */
  readonly sheets: Readonly<Record<string, Sheet>>
  readonly recipe: Recipe
}

export type ScoredMetric = {
  readonly name: string
  /** `null` where it has no value: the accuracy of questions with pictures where there are none. */
  readonly value: number | null
  readonly unit: 'percent' | 'points'
  readonly digits: number
  readonly interval95: Interval | null
  readonly questions?: number
  readonly part?: string
  readonly isLowerBetter?: boolean
  readonly baseline?: Metric['baseline']
  readonly published: readonly PublishedScore[]
}

/** What the numbers depend on. What is not known from an answer file alone (model, decoding) is not in it. */
export type Recipe = {
  readonly hash: string
  readonly benchmark: string
  readonly rule: string
  readonly seed: number
  /** Of the dictionary and tagger that words were compared by, where they were. */
  readonly wordNet?: string | null
  readonly answersHash: string
  readonly questionsHash: string | null
  readonly labelsHash: string | null
  /** Who reviewed the answers, where a judge was asked. */
  readonly judge: readonly Readonly<Record<string, unknown>>[] | null
  /** Version of this program, where the caller said it. */
  readonly code: string | null
}

/**
 * Throws InputError for an unknown benchmark, a kind of file that it needs or does not take, and files that are damaged,
 * empty, of another benchmark, or answer a question twice. Missing, extra and unreadable answers are counted.
 */
export async function score(name: string, request: ScoreRequest): Promise<ScoreReport> {
  const benchmark = findBenchmark(name)
  const { asked, wordNet, model } = request
  const answers = answerFiles(request.answers, benchmark, benchmark.judge !== undefined)
  const given = { questions: request.questions ?? [], labels: request.labels ?? [] }
  const released = releasedFiles(benchmark.ask, given)
  const { questions, labels } = takenFiles(benchmark, { given, released })
  checkKinds(benchmark, { answers, questions, labels })
  checkPlaces(benchmark, { answers, ...released })
  const seed = request.seed ?? benchmark.seed ?? 0
  const rng = new Rng(seed)
  const { metrics, counts, outcomes, printed, written, sheets } = benchmark.score({
    answers,
    questions,
    labels,
    rng,
    seed,
    asked,
    wordNet,
    model,
  })
  const { title, published } = setOf(benchmark, {
    questions,
    labels,
    answers,
    ...request.askedFrom,
  })
  if (counts.answers === 0 && request.allowsNone !== true) throw noAnswers(benchmark)
  return {
    benchmark: benchmark.name,
    title,
    metrics: withIntervals(metrics, published, seed),
    counts,
    outcomes,
    units: counts.answers === 0 ? [] : unitScores(metrics, outcomes),
    printed: printed ?? null,
    written: written ?? {},
    sheets: sheets ?? {},
    recipe: await recipeOf(benchmark, { ...request, answers, questions, labels, seed }),
  }
}

/** The released files without questions that were made of the hub's tables for a benchmark that takes none. */
function takenFiles(
  { files }: Benchmark,
  { given, released }: { readonly given: ReleasedFiles; readonly released: ReleasedFiles },
): ReleasedFiles {
  const isMade = released.questions !== given.questions
  return isMade && files.questions === undefined ? { ...released, questions: [] } : released
}

function noAnswers({ name, files }: Benchmark): InputError {
  return new InputError(
    'INPUT_ANSWERS_MISSING',
    `eval.${name}: the files should hold answers (${files.answers}), they hold none.`,
  )
}

function withIntervals(
  metrics: readonly Metric[],
  published: readonly PublishedScore[],
  seed: number,
): ScoredMetric[] {
  const drawn = new Map<Statistic['rows'], number[][]>()
  return metrics.map(({ statistic, isHeadline: _isHeadline, ...metric }) => {
    // The same draws for every metric: adding one moves no other.
    const sums = drawn.get(statistic.rows) ?? resampledSums(statistic.rows, new Rng(seed))
    drawn.set(statistic.rows, sums)
    return {
      ...metric,
      value: finite(valueOf(statistic)),
      interval95: intervalOf(sums, statistic.of),
      published:
        metric.part === undefined ? published.filter((row) => row.metric === metric.name) : [],
    }
  })
}

/** By name, without regard to case and marks: `ScienceQA`, `science-qa` and `scienceqa` are one. */
export function findBenchmark(name: string): Benchmark {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const found = BENCHMARKS.find((benchmark) => plain(benchmark.name) === plain(name))
  if (found) return found
  if (/^(?:quick|mini(?:-[\w-]+)?)$/.test(name)) return miniBenchmark(name)
  throw new InputError(
    'INPUT_BENCHMARK_UNKNOWN',
    `eval: there is no benchmark "${name}"; ${nearest(plain(name), plain)}there are ${BENCHMARKS.map((one) => one.name).join(', ')}, quick and mini-<task>.`,
  )
}

/** The benchmark that may be meant, as a question; nothing where none is near. */
function nearest(name: string, plain: (text: string) => string): string {
  const [best] = BENCHMARKS.map((one) => ({
    ...one,
    away: levenshtein(plain(one.name), name),
  })).sort((a, b) => a.away - b.away)
  return best && best.away <= Math.max(1, name.length / 4) ? `did you mean ${best.name}? ` : ''
}

function checkKinds(
  { name, files, needs }: Benchmark,
  given: Pick<Required<ScoreRequest>, 'answers' | 'questions' | 'labels'>,
): void {
  if (given.answers.length === 0) {
    throw new InputError(
      'INPUT_ANSWERS_MISSING',
      `eval.${name}: answers should come (${files.answers}), none did.`,
    )
  }
  for (const kind of ['questions', 'labels'] as const) {
    if (given[kind].length === 0 && needs.includes(kind)) {
      throw new InputError(
        `INPUT_${kind.toUpperCase()}_MISSING`,
        `eval.${name}: ${kind} should come too (${files[kind]}), none did.`,
      )
    }
    if (given[kind].length > 0 && files[kind] === undefined) {
      throw new InputError(
        'INPUT_FILES_UNUSED',
        `eval.${name}: no ${kind} are needed, some came; leave them out.`,
      )
    }
  }
}

async function recipeOf(
  { name, rule, usesWordNet }: Benchmark,
  {
    answers,
    answersFrom = answers,
    questions,
    labels,
    seed,
    judge,
    wordNet,
    codeVersion,
  }: ScoreRequest & Required<Pick<ScoreRequest, 'questions' | 'labels' | 'seed'>>,
): Promise<Recipe> {
  const parts = {
    benchmark: name,
    rule,
    seed,
    answersHash: await hashFiles(answersFrom),
    questionsHash: questions.length > 0 ? await hashFiles(questions) : null,
    labelsHash: labels.length > 0 ? await hashFiles(labels) : null,
    judge: judge ?? null,
    ...(usesWordNet ? { wordNet: wordNet?.sha256 ?? null } : {}),
    code: codeVersion ?? null,
  }
  return { hash: await hashText(JSON.stringify(parts)), ...parts }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
