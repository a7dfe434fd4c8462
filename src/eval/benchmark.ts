/**
 * What a benchmark is to the scorer: answers and truths in, one outcome for each question out, and how they add up.
 */
import type { Rng } from '../core/rng.ts'
import type { EvalFile } from './eval-file.ts'
import type { JudgeSpec } from './judge-spec.ts'
import { rowsByUnit, type Statistic } from './metrics/intervals.ts'
import type { WordNet } from './metrics/wordnet.ts'
import type { AskSpec, ReleasedFiles } from './question.ts'
import type { Split } from './table-rows.ts'

export type Benchmark = {
  /** As it is called on the command line: `pope`, `mmbench-cn`. */
  readonly name: string
  readonly title: string
  /**
   * As lmms-eval, lm-evaluation-harness and VLMEvalKit call it in the names of their files, case aside; `*` is a part of the benchmark that
   * is a task of its own to the first two, `#` a number: of frames, of frames a second. By default `name`.
   */
  readonly tasks?: readonly string[]
  /** Of questions and truth that are named by their split, as by the hub and most authors, the one that the published rows are of. */
  readonly split?: Split
  /** What those programs have as tasks of the benchmark too, and what the published rows are not of. */
  readonly otherSets?: readonly OtherSet[]
  /** What each kind of file is, for help and for errors. Without a text there is no such file. */
  readonly files: {
    readonly answers: string
    readonly questions?: string
    readonly labels?: string
  }
  /** Kinds of file besides answers without which nothing can be done. */
  readonly needs: readonly ('questions' | 'labels')[]
  /** How answers are read and added up, in one sentence: part of the recipe. */
  readonly rule: string
  /** The seed of the official script, where it draws. */
  readonly seed?: number
  /** Whether words are compared by WordNet. */
  readonly usesWordNet?: true
  /** What follows from a question without an answer, in a sentence to be shown, where that is more than wrong. */
  readonly missing?: string
  readonly score: (input: ScoreInput) => Scored
  /** How a model is asked; without it only answers can be scored. */
  readonly ask?: AskSpec
  /** How a judge is asked about the answers, where no rule can score them. */
  readonly judge?: JudgeSpec
  /** What an official evaluator with a judge of its own takes, by name: written of the answers, whether or not a judge has read them here. */
  readonly submission?: (
    input: Pick<ScoreInput, 'answers' | 'questions' | 'asked'>,
  ) => Readonly<Record<string, string>>
  readonly published: readonly PublishedScore[]
  /** Where files say more of their set than `named`, which their names tell: null is the benchmark's own. */
  readonly ofSet?: (files: SetFiles, named: OtherSet | null) => ShownSet | null
}

/** What a set is told by. */
export type SetFiles = Partial<ReleasedFiles & Pick<ScoreInput, 'answers'>>

export type ShownSet = Pick<OtherSet, 'title' | 'rows'>

/** Another split or selection of the questions, or the same ones under another condition. */
export type OtherSet = {
  readonly title: string
  /** As the benchmark's `tasks`. */
  readonly tasks: readonly string[]
  /** As the benchmark's `split`. */
  readonly split?: Split
  /** Another benchmark with the same form: in a folder of several tasks it is none of this one's. */
  readonly isForeign?: true
  /** By metric the name under which its own published rows stand among the benchmark's. Without this it has none. */
  readonly rows?: Readonly<Record<string, string>>
}

/** Whether there is no score without a judge. */
export function isJudgeNeeded({ judge }: Pick<Benchmark, 'judge'>): boolean {
  return judge !== undefined && judge.isOptional !== true
}

export type ScoreInput = {
  readonly answers: readonly EvalFile[]
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
  /** For rules that draw where an answer says nothing. */
  readonly rng: Rng
  /** For rules whose official script draws in its own way. */
  readonly seed: number
  /** The questions that were asked, as `truthId` names them, where not all of the files were. */
  readonly asked?: ReadonlySet<string> | undefined
  /** For similarity of words. */
  readonly wordNet?: WordNet | undefined
  /** Whose answers they are, where no file is named after it: reviews that were written just now. */
  readonly model?: string | undefined
}

export type Scored = {
  /** The first is the benchmark's number. */
  readonly metrics: readonly Metric[]
  readonly counts: Counts
  /** One for each question, in the benchmark's order. Empty where only a server knows the truth. */
  readonly outcomes: readonly Outcome[]
  /** What the official script prints. */
  readonly printed?: string
  /** Files that the official scripts write: submissions and results, by name. */
  readonly written?: Readonly<Record<string, string>>
  /** Spreadsheets that the official scripts write, as rows of cells, the header first. */
  readonly sheets?: Readonly<Record<string, Sheet>>
}

export type Sheet = readonly (readonly string[])[]

export type Metric = {
  readonly name: string
  readonly statistic: Statistic
  /** `percent` of 100, or `points` on the benchmark's own scale. */
  readonly unit: 'percent' | 'points'
  /** Decimals of the published tables. */
  readonly digits: number
  /** How many questions it is of, where that is not all of them. */
  readonly questions?: number
  /** What it covers, where the benchmark's number of this name covers more: it has no published row. */
  readonly part?: string
  /** A count of faults: no score, and not shown beside scores. */
  readonly isLowerBetter?: boolean
  /** A number that the benchmark is known by, beside its first. */
  readonly isHeadline?: boolean
  /** What costs nothing and scores something all the same. */
  readonly baseline?: { readonly name: string; readonly value: number }
}

export type Counts = {
  readonly questions: number
  readonly answers: number
  /** Questions without an answer. They count as wrong. */
  readonly missing: number
  /** Answers to no question. They count for nothing. */
  readonly extra: number
  /** Answers that cannot be read. */
  readonly unreadable: number
}

export type Outcome = {
  readonly id: string
  /** The answered question, as `questionKeys` names it, where the id is the truth's alone. */
  readonly asked?: string
  readonly score: number
  /** The answer, as the model wrote it; empty where it is not known. */
  readonly given: string
  readonly read: string
  /** What the judge said of it. */
  readonly judged?: string
  readonly expected: string
}

export type PublishedScore = {
  readonly model: string
  readonly metric: string
  readonly value: number
  readonly source: string
}

/** The mean of scores between 0 and 1 as a percentage. */
export function meanPercent(
  name: string,
  scores: readonly number[],
  digits = 2,
  units?: readonly string[],
): Metric {
  const rows = scores.map((score) => [score, 1])
  const statistic = { rows, of: ratioPercent, ...(units ? { units } : {}) }
  return { name, statistic, unit: 'percent', digits, questions: scores.length }
}

/** The mean score of outcomes as a percentage. */
export function meanScore(
  name: string,
  outcomes: readonly Pick<Outcome, 'score'>[],
  digits?: number,
): Metric {
  const scores = outcomes.map(({ score }) => score)
  return meanPercent(name, scores, digits)
}

/** The mean scores of the outcomes by the parts of the benchmark that each is of, in alphabetical order. */
export function partScores(
  outcomes: readonly Pick<Outcome, 'score'>[],
  partsOf: readonly (readonly string[])[],
  digits?: number,
): Metric[] {
  const parts = [...new Set(partsOf.flat())].sort()
  return parts.map((name) =>
    meanScore(
      name,
      outcomes.filter((_, i) => partsOf[i]?.includes(name)),
      digits,
    ),
  )
}

/**
 * What a number of these parts covers, where the published one is of `count`; rows that do not say of which part they are may be
 * of all.
 */
export function coverOf(
  parts: ReadonlySet<string>,
  count = parts.size,
  kind = 'parts',
): Pick<Metric, 'part'> {
  if (parts.size === 0 || parts.size >= count) return {}
  return { part: parts.size === 1 ? `${[...parts][0]} alone` : `${parts.size} of ${count} ${kind}` }
}

/**
 * The mean over parts of their means, as a percentage or in points: a part with many questions weighs no more than another. `units`
 * names what each score is of, part by part, where scores of several parts are of one thing.
 */
export function meanOfParts(
  parts: readonly (readonly number[])[],
  {
    name = 'mean of parts',
    unit = 'percent',
    digits = 1,
    units,
  }: Partial<Pick<Metric, 'name' | 'unit' | 'digits'> & Pick<Statistic, 'units'>> = {},
): Metric {
  const scale = unit === 'percent' ? 100 : 1
  const all = parts.flatMap((scores, p) =>
    scores.map((score) => parts.flatMap((_, q) => (q === p ? [score, 1] : [0, 0]))),
  )
  const of = (sums: readonly number[]) =>
    parts.reduce((total, _, p) => total + meanIn(sums.slice(2 * p, 2 * p + 2)) * scale, 0) /
    parts.length
  const drawn = units ? rowsByUnit(all, units) : { rows: all }
  return { name, statistic: { ...drawn, of }, unit, digits }
}

export function ratioPercent(sums: readonly number[]): number {
  return meanIn(sums) * 100
}

function meanIn([sum = 0, count = 0]: readonly number[]): number {
  return sum / count
}

/** Its name with what has to be said of it. */
export function shownName(
  { name, part, isLowerBetter }: Pick<Metric, 'name' | 'part' | 'isLowerBetter'>,
  ...others: readonly string[]
): string {
  const notes = [
    ...others,
    ...(part === undefined ? [] : [part]),
    ...(isLowerBetter === true ? ['lower is better'] : []),
  ]
  return notes.length > 0 ? `${name} (${notes.join(', ')})` : name
}

/** Published numbers as one line for each source, which says of what table and under which condition they are. */
export function publishedLines(published: readonly PublishedScore[]): string[] {
  const sources = [...new Set(published.map(({ source }) => source))]
  return sources.map((source) => {
    const own = published.filter((row) => row.source === source)
    return `${own.map(({ model, value }) => `${model} ${value}`).join(', ')} (${source})`
  })
}

/** A model's published numbers of one table, by metric. */
export function publishedRows(
  metric: string,
  source: string,
  values: Readonly<Record<string, number>>,
): PublishedScore[] {
  return Object.entries(values).map(([model, value]) => ({ model, metric, value, source }))
}
