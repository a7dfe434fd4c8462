/** How far two judges agree about the same answers. */
import type { Row } from './eval-file.ts'
import type { Review } from './judge.ts'

export type Agreement = {
  /** Questions on which both were asked and gave a verdict. */
  readonly both: number
  /** Those on which the verdicts are the same. */
  readonly equal: number
  /** Cohen's kappa, where verdicts are yes or no: agreement beyond what their frequencies alone would give. */
  readonly kappa: number | null
  /** Spearman's rank correlation of the scores. */
  readonly rank: number | null
  readonly meanDifference: number | null
}

/** `first` and `second` are reviews of the same tasks. */
export function judgeAgreement(first: readonly Review[], second: readonly Review[]): Agreement {
  const others = new Map(second.map(({ task, verdict }) => [task.id, verdict]))
  const pairs = first.flatMap(({ task, verdict }) => {
    const other = others.get(task.id)
    return verdict && other && !task.known ? [[verdict, other] as const] : []
  })
  const words = pairs.map(([a, b]) => [a['pred'], b['pred']] as const)
  const isWords =
    words.length > 0 && words.every((pair) => pair.every((word) => typeof word === 'string'))
  const scores = pairs.flatMap(([a, b]) => {
    const [x, y] = [scoreOf(a), scoreOf(b)]
    return x === null || y === null ? [] : [[x, y] as const]
  })
  return {
    both: pairs.length,
    equal: pairs.filter(([a, b]) => JSON.stringify(a) === JSON.stringify(b)).length,
    kappa: isWords ? cohensKappa(words.map(([a, b]) => [String(a), String(b)])) : null,
    rank: spearman(scores),
    meanDifference:
      scores.length > 0 ? scores.reduce((sum, [x, y]) => sum + y - x, 0) / scores.length : null,
  }
}

/** The number of a verdict: of a pair, the answer's. */
function scoreOf(verdict: Row): number | null {
  const pair = verdict['tuple']
  const list = verdict['score']
  const value: unknown = Array.isArray(pair) ? pair[1] : Array.isArray(list) ? list[0] : list
  return typeof value === 'number' ? value : null
}

/** (observed − expected) / (1 − expected). Source: Cohen, Educational and Psychological Measurement 20 (1960). */
export function cohensKappa(pairs: readonly (readonly [string, string])[]): number | null {
  if (pairs.length === 0) return null
  const share = (side: 0 | 1, word: string) =>
    pairs.filter((pair) => pair[side] === word).length / pairs.length
  const words = new Set(pairs.flat())
  const expected = [...words].reduce((sum, word) => sum + share(0, word) * share(1, word), 0)
  const observed = pairs.filter(([a, b]) => a === b).length / pairs.length
  return expected === 1 ? null : (observed - expected) / (1 - expected)
}

/** Pearson's correlation of ranks, ties sharing the mean of theirs; null where one side never changes. */
export function spearman(pairs: readonly (readonly [number, number])[]): number | null {
  const [x, y] = [ranks(pairs.map(([a]) => a)), ranks(pairs.map(([, b]) => b))]
  const mean = (pairs.length + 1) / 2
  let [xy, xx, yy] = [0, 0, 0]
  x.forEach((rank, i) => {
    const [dx, dy] = [rank - mean, (y[i] as number) - mean]
    xy += dx * dy
    xx += dx * dx
    yy += dy * dy
  })
  return xx === 0 || yy === 0 ? null : xy / Math.sqrt(xx * yy)
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    return below + (equal + 1) / 2
  })
}
