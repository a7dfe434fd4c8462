/**
 * Two results of one benchmark: which is better, by how much, whether that can be chance, and which questions changed.
 */
import { InputError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import type { Outcome } from './benchmark.ts'
import { compareRuns } from './compare.ts'
import { isRow, type Row } from './eval-file.ts'
import { pairedBootstrap, type PairedDifference } from './metrics/intervals.ts'

/** What a comparison reads of a result file. */
export type ComparedResult = {
  readonly benchmark: string
  readonly outcomes: readonly (Outcome & { readonly prompt?: string; readonly margin?: number })[]
  readonly recipe: Row
  readonly metrics: readonly { readonly name: string; readonly value: number | null }[]
}

export type ResultComparison = {
  readonly benchmark: string
  readonly questions: number
  /** Mean score of each, 0 to 1. */
  readonly means: readonly [number, number]
  /** `mcnemar`, exact, where scores are right or wrong; a paired bootstrap otherwise. */
  readonly test: 'mcnemar' | 'bootstrap'
  readonly pValue: number
  /** Second less first, with its 95 % interval by paired bootstrap. */
  readonly difference: PairedDifference
  /** Questions whose score changed. */
  readonly changed: readonly ChangedQuestion[]
  /** Questions whose answer is another text, whatever it scores. */
  readonly otherTexts: number
  /** Of those, the ones where the model stood between two tokens: such answers flip when arithmetic changes. */
  readonly nearTies: number
  /** Parts of the recipes that differ: what the difference may come from. */
  readonly recipeDiffers: readonly string[]
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
  const { pValue } = compareRuns(first.outcomes, second.outcomes)
  const others = new Map(second.outcomes.map((outcome) => [outcome.id, outcome]))
  const pairs = first.outcomes.map((a): Pair => ({ a, b: others.get(a.id) ?? a }))
  const scores = pairs.map(({ a, b }): [number, number] => [a.score, b.score])
  const isBinary = scores.flat().every((score) => score === 0 || score === 1)
  const difference = pairedBootstrap(scores, new Rng(seed))
  const mean = (k: 0 | 1) => scores.reduce((sum, pair) => sum + pair[k], 0) / scores.length
  const otherTexts = pairs.filter(({ a, b }) => a.given !== b.given)
  return {
    benchmark: first.benchmark,
    questions: pairs.length,
    means: [mean(0), mean(1)],
    test: isBinary ? 'mcnemar' : 'bootstrap',
    pValue: isBinary ? pValue : difference.pValue,
    difference,
    changed: pairs.filter(({ a, b }) => a.score !== b.score).map(changedQuestion),
    otherTexts: otherTexts.length,
    nearTies: otherTexts.filter(isNearTie).length,
    recipeDiffers: differingParts(first.recipe, second.recipe),
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
