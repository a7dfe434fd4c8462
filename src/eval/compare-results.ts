/**
 * Two results of one benchmark: which is better, by how much, whether that can be chance, and which questions changed.
 */
import { InputError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import type { Outcome } from './benchmark.ts'
import { checkSameQuestions } from './compare.ts'
import { isRow, type Row } from './eval-file.ts'
import {
  differenceOf,
  mcnemar,
  pairedBootstrap,
  type PairedDifference,
} from './metrics/intervals.ts'
import type { UnitScores } from './unit-scores.ts'

/** What a comparison reads of a result file. */
export type ComparedResult = {
  readonly benchmark: string
  readonly outcomes: readonly (Outcome & { readonly prompt?: string; readonly margin?: number })[]
  /** Older files have none. */
  readonly units?: readonly UnitScores[]
  readonly recipe: Row
  readonly metrics: readonly {
    readonly name: string
    readonly value: number | null
    readonly unit?: 'percent' | 'points'
    readonly digits?: number
  }[]
}

export type ResultComparison = {
  readonly benchmark: string
  readonly questions: number
  /** The benchmark's own numbers; where the files do not hold what these need, the mean score of questions. */
  readonly metrics: readonly MetricComparison[]
  /** Why the numbers are not the benchmark's own; null where they are. */
  readonly fallback: string | null
  /** Questions whose score changed. */
  readonly changed: readonly ChangedQuestion[]
  /** Questions whose answer is another text, whatever it scores. */
  readonly otherTexts: number
  /** Of those, the ones where the model stood between two tokens: such answers flip when arithmetic changes. */
  readonly nearTies: number
  /** Parts of the recipes that differ: what the difference may come from. */
  readonly recipeDiffers: readonly string[]
}

export type MetricComparison = {
  readonly metric: string
  readonly unit: 'percent' | 'points'
  readonly digits: number
  readonly values: readonly [number, number]
  /** What is drawn: questions, or the pictures and rotations that questions share. */
  readonly units: number
  /** `mcnemar`, exact, where units are right or wrong and the number is their share; a paired bootstrap otherwise. */
  readonly test: 'mcnemar' | 'bootstrap'
  readonly pValue: number
  /** Second less first, with its 95 % interval by paired bootstrap. */
  readonly difference: PairedDifference
}

export type ChangedQuestion = {
  readonly id: string
  readonly prompt: string
  readonly expected: string
  readonly given: readonly [string, string]
  readonly scores: readonly [number, number]
  readonly isNearTie: boolean
}

/** In log-probability between the best two tokens: a ratio of 1.1 between their probabilities. */
const NEAR = 0.1

/** Throws InputError unless both are of one benchmark and the same questions. */
export function compareResults(
  first: ComparedResult,
  second: ComparedResult,
  seed = 0,
): ResultComparison {
  if (first.benchmark !== second.benchmark) {
    throw new InputError(
      'INPUT_RUNS_DIFFER',
      `eval: two results of one benchmark should come, ${first.benchmark} and ${second.benchmark} came.`,
    )
  }
  checkSameQuestions(first.outcomes, second.outcomes)
  const others = new Map(second.outcomes.map((outcome) => [outcome.id, outcome]))
  const pairs = first.outcomes.map((a): Pair => ({ a, b: others.get(a.id) ?? a }))
  const own = ownMetrics(first, second)
  const otherTexts = pairs.filter(({ a, b }) => a.given !== b.given)
  return {
    benchmark: first.benchmark,
    questions: pairs.length,
    metrics: own.length > 0 ? own : [meanOfQuestions(pairs, seed)],
    fallback: own.length > 0 ? null : fallbackReason(first, second),
    changed: pairs.filter(({ a, b }) => a.score !== b.score).map(changedQuestion),
    otherTexts: otherTexts.length,
    nearTies: otherTexts.filter(isNearTie).length,
    recipeDiffers: differingParts(first.recipe, second.recipe),
  }
}

/** Of the numbers that both files hold with the same units. */
function ownMetrics(first: ComparedResult, second: ComparedResult): MetricComparison[] {
  return (first.units ?? []).flatMap((a) => {
    const b = second.units?.find(({ metric }) => metric === a.metric)
    const [own, other] = [first, second].map((result) =>
      result.metrics.find(({ name }) => name === a.metric),
    )
    const values = [own?.value ?? null, other?.value ?? null]
    if (!b || !own || !hasSameUnits(a, b) || values.includes(null)) return []
    const [x, y] = values as [number, number]
    return [
      {
        metric: a.metric,
        unit: own.unit ?? 'percent',
        digits: own.digits ?? 2,
        values: [x, y],
        units: Object.keys(a.units).length,
        ...testOf(a, b, y - x),
      },
    ]
  })
}

function hasSameUnits(a: UnitScores, b: UnitScores): boolean {
  const names = Object.keys(a.units)
  return (
    names.length === Object.keys(b.units).length &&
    names.every((name) => Object.hasOwn(b.units, name))
  )
}

function testOf(a: UnitScores, b: UnitScores, mean: number) {
  const pairs = Object.entries(a.units).map(([name, one]) => [one, b.units[name]] as const)
  const draws = b.draws.flatMap((value, i) => {
    const other = a.draws[i] ?? null
    return value === null || other === null ? [] : [value - other]
  })
  const difference = differenceOf(mean, draws, pairs.filter(([one, other]) => one !== other).length)
  const isRightOrWrong = pairs.flat().every((counts) => counts === RIGHT || counts === WRONG)
  if (!isRightOrWrong) return { test: 'bootstrap' as const, pValue: difference.pValue, difference }
  const only = (mark: string) =>
    pairs.filter(([one, other]) => one === mark && other !== mark).length
  return { test: 'mcnemar' as const, pValue: mcnemar(only(RIGHT), only(WRONG)), difference }
}

/** As `UnitScores` writes a score and a count. */
const [RIGHT, WRONG] = ['1 1', '0 1']

function fallbackReason({ units: a }: ComparedResult, { units: b }: ComparedResult): string {
  return a === undefined || b === undefined
    ? 'a result was written by an older version, without what its numbers are made of; the command that made it writes it again, without asking again'
    : 'the results do not have one number over the same units'
}

/** Each question drawn on its own, whatever it shares with others. */
function meanOfQuestions(pairs: readonly Pair[], seed: number): MetricComparison {
  const scores = pairs.map(({ a, b }): [number, number] => [100 * a.score, 100 * b.score])
  const isBinary = scores.flat().every((score) => score === 0 || score === 100)
  const difference = pairedBootstrap(scores, new Rng(seed))
  const mean = (k: 0 | 1) => scores.reduce((sum, pair) => sum + pair[k], 0) / scores.length
  const only = (k: 0 | 1) => scores.filter((pair) => pair[k] > (pair[1 - k] as number)).length
  return {
    metric: 'mean score of questions',
    unit: 'percent',
    digits: 2,
    values: [mean(0), mean(1)],
    units: pairs.length,
    test: isBinary ? 'mcnemar' : 'bootstrap',
    pValue: isBinary ? mcnemar(only(0), only(1)) : difference.pValue,
    difference,
  }
}

type Pair = {
  readonly a: ComparedResult['outcomes'][number]
  readonly b: ComparedResult['outcomes'][number]
}

function isNearTie({ a, b }: Pair): boolean {
  return Math.min(a.margin ?? 1, b.margin ?? 1) < NEAR
}

function changedQuestion(pair: Pair): ChangedQuestion {
  const { a, b } = pair
  return {
    id: a.id,
    prompt: a.prompt ?? '',
    expected: a.expected,
    given: [a.given, b.given],
    scores: [a.score, b.score],
    isNearTie: isNearTie(pair),
  }
}

/** Dotted paths of what differs, hashes of the whole left out. */
function differingParts(a: Row, b: Row, path = ''): string[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => key !== 'hash')
  return keys.flatMap((key) => {
    const [x, y] = [a[key], b[key]]
    if (JSON.stringify(x) === JSON.stringify(y)) return []
    return isRow(x) && isRow(y) ? differingParts(x, y, `${path}${key}.`) : [`${path}${key}`]
  })
}

/** Throws InputError for what is no result file. */
export function parseResult(value: unknown, name: string): ComparedResult {
  const outcomes = isRow(value) ? value['outcomes'] : null
  if (
    !isRow(value) ||
    typeof value['benchmark'] !== 'string' ||
    !Array.isArray(outcomes) ||
    !isRow(value['recipe'])
  ) {
    throw new InputError(
      'INPUT_RESULT_BROKEN',
      `eval: ${name} should be a result of llava eval or score, with benchmark, outcomes and recipe; is it another file?`,
    )
  }
  return value as unknown as ComparedResult // its fields were written by this program
}
