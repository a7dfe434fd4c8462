/** Two runs over the same questions: which changed, and whether that can be chance. */
import { InputError } from '../core/errors.ts'
import type { Outcome } from './benchmark.ts'
import { mcnemar } from './metrics/intervals.ts'

export type Comparison = {
  readonly onlyFirst: readonly string[]
  readonly onlySecond: readonly string[]
  readonly bothRight: number
  readonly bothWrong: number
  /** McNemar's exact test: how likely such a difference is if neither run is better. */
  readonly pValue: number
}

/** Right is a score of at least one half. Throws InputError unless both runs have the same questions. */
export function compareRuns(first: readonly Outcome[], second: readonly Outcome[]): Comparison {
  checkSameQuestions(first, second)
  const scores = new Map(second.map(({ id, score }) => [id, score]))
  const isRight = (score: number | undefined) => (score ?? 0) >= 0.5
  const pairs = first.map(({ id, score }) => ({
    id,
    a: isRight(score),
    b: isRight(scores.get(id)),
  }))
  const ids = (a: boolean, b: boolean) =>
    pairs.filter((pair) => pair.a === a && pair.b === b).map(({ id }) => id)
  const [onlyFirst, onlySecond] = [ids(true, false), ids(false, true)]
  return {
    onlyFirst,
    onlySecond,
    bothRight: ids(true, true).length,
    bothWrong: ids(false, false).length,
    pValue: mcnemar(onlyFirst.length, onlySecond.length),
  }
}

/** Throws InputError for other questions, and for none. */
export function checkSameQuestions(
  first: readonly Pick<Outcome, 'id'>[],
  second: readonly Pick<Outcome, 'id'>[],
): void {
  const ids = new Set(second.map(({ id }) => id))
  const strays = first.filter(({ id }) => !ids.has(id)).length
  if (strays === 0 && first.length === second.length && first.length > 0) return
  throw new InputError(
    'INPUT_RUNS_DIFFER',
    `eval: two runs should be over the same questions, these have ${first.length} and ${second.length}, ${strays} of the first not in the second; score both with the same question file.`,
  )
}
