/**
 * Losses over pairs of answers, from their log-probabilities under the model and a frozen reference.
 *
 * With a = policy − reference of the chosen answers, b = that of the rejected ones, x = a − b:
 *
 *   sigmoid   −(1 − ε) log σ(βx) − ε log σ(−βx)
 *   robust    (−(1 − ε) log σ(βx) + ε log σ(−βx)) / (1 − 2ε)
 *   hinge     max(0, 1 − βx)
 *   ipo       (x − 1 / 2β)²                       log-probabilities are means over tokens here, sums elsewhere
 *   kto_pair  1 − σ(β(a − KL_b)) and 1 − σ(β(KL_a − b)), two a pair; KL = max(0, mean)
 *
 * Sources: arXiv:2305.18290 (DPO), arXiv:2403.00409 (robust), arXiv:2310.12036 (IPO); the NeXT fork of trl at df17966,
 * `trl/trainer/dpo_trainer.py`; `robust`, trl 0.9.
 */

export type PreferenceLoss = 'sigmoid' | 'robust' | 'hinge' | 'ipo' | 'kto_pair'

export const PREFERENCE_LOSSES: readonly PreferenceLoss[] = [
  'sigmoid',
  'robust',
  'hinge',
  'ipo',
  'kto_pair',
]

/** Of n pairs each. */
export type PairLogProbs = {
  readonly chosen: readonly number[]
  readonly rejected: readonly number[]
  readonly referenceChosen: readonly number[]
  readonly referenceRejected: readonly number[]
}

export type PairLosses = {
  readonly mean: number
  readonly perItem: readonly number[]
  /** Of the mean, with respect to the policy's log-probabilities. */
  readonly gradients: { readonly chosen: readonly number[]; readonly rejected: readonly number[] }
}

export function preferenceLosses(
  kind: PreferenceLoss,
  logProbs: PairLogProbs,
  settings: { readonly beta: number; readonly labelSmoothing: number },
): PairLosses {
  const a = logProbs.chosen.map((value, i) => value - (logProbs.referenceChosen[i] as number))
  const b = logProbs.rejected.map((value, i) => value - (logProbs.referenceRejected[i] as number))
  if (kind === 'kto_pair') return ktoPair(a, b, settings.beta)
  const margins = a.map((value, i) => value - (b[i] as number))
  const items = margins.map((x) => MARGIN_LOSSES[kind](x, settings))
  const slopes = items.map(([, slope]) => slope / items.length)
  return {
    mean: mean(items.map(([loss]) => loss)),
    perItem: items.map(([loss]) => loss),
    gradients: { chosen: slopes, rejected: slopes.map((slope) => -slope) },
  }
}

/** Loss and slope at a margin x. */
type MarginLoss = (
  x: number,
  settings: { readonly beta: number; readonly labelSmoothing: number },
) => readonly [number, number]

const MARGIN_LOSSES: { readonly [K in Exclude<PreferenceLoss, 'kto_pair'>]: MarginLoss } = {
  sigmoid: (x, { beta, labelSmoothing: e }) => [
    -(1 - e) * logSigmoid(beta * x) - e * logSigmoid(-beta * x),
    beta * (e * sigmoid(beta * x) - (1 - e) * sigmoid(-beta * x)),
  ],
  robust: (x, { beta, labelSmoothing: e }) => [
    (-(1 - e) * logSigmoid(beta * x) + e * logSigmoid(-beta * x)) / (1 - 2 * e),
    (-beta * ((1 - e) * sigmoid(-beta * x) + e * sigmoid(beta * x))) / (1 - 2 * e),
  ],
  hinge: (x, { beta }) => [Math.max(0, 1 - beta * x), beta * x < 1 ? -beta : 0],
  ipo: (x, { beta }) => {
    const distance = x - 1 / (2 * beta)
    return [distance * distance, 2 * distance]
  },
}

/** The gradient also flows through the two means, as it does in the original. */
function ktoPair(a: readonly number[], b: readonly number[], beta: number): PairLosses {
  const count = a.length
  const [meanA, meanB] = [mean(a), mean(b)]
  const [klA, klB] = [Math.max(0, meanA), Math.max(0, meanB)]
  const chosen = a.map((value) => sigmoid(beta * (value - klB)))
  const rejected = b.map((value) => sigmoid(beta * (klA - value)))
  const slope = (s: number) => (beta * s * (1 - s)) / (2 * count)
  const [slopesA, slopesB] = [chosen.map(slope), rejected.map(slope)]
  const throughA = meanA >= 0 ? sum(slopesB) / count : 0
  const throughB = meanB >= 0 ? sum(slopesA) / count : 0
  const perItem = [...chosen, ...rejected].map((s) => 1 - s)
  return {
    mean: mean(perItem),
    perItem,
    gradients: {
      chosen: slopesA.map((s) => -s - throughA),
      rejected: slopesB.map((s) => s + throughB),
    },
  }
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** Without overflow for large negative x. */
function logSigmoid(x: number): number {
  return Math.min(0, x) - Math.log1p(Math.exp(-Math.abs(x)))
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length
}
