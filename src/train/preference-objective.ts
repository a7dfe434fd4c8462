/**
 * Preferences of pairs of answers, against a frozen reference.
 *
 *   alpha · mean(preference loss) + gamma · mean(cross-entropy of the chosen answers' tokens)
 *
 * Source: LLaVA-NeXT at df17966, `trl/trainer/dpo_trainer.py` (concatenated forward, chosen first; sums of
 * log-probabilities, means for ipo).
 */
import { InputError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import { buildBatch, type Batch } from './batch.ts'
import type { Accumulation } from './loss-weights.ts'
import type { ForwardState } from './network.ts'
import type { Objective, ObjectiveResult, PreparedBatch } from './objective.ts'
import type { PreferenceSettings } from './options.ts'
import { preferenceLosses, type PairLosses, type PairLogProbs } from './preference-loss.ts'
import type { PreferencePair, Sample } from './sample.ts'

/** Log-probabilities of answers: sums over their tokens, means for `ipo`. Lists have an entry for each pair. */
export type PreferenceReport = {
  readonly chosenLogps: readonly number[]
  readonly rejectedLogps: readonly number[]
  readonly referenceChosenLogps: readonly number[]
  readonly referenceRejectedLogps: readonly number[]
  /** beta · (policy − reference) */
  readonly rewards: { readonly chosen: readonly number[]; readonly rejected: readonly number[] }
  readonly margins: readonly number[]
  /** Mean of the margins. */
  readonly margin: number
  /** Part of the pairs whose chosen answer has the larger reward. */
  readonly accuracy: number
  readonly preferenceLoss: number
  /** Mean cross-entropy of the chosen answers' tokens. */
  readonly sftLoss: number
}

/** Summed log-probabilities of samples under the reference. */
export type ReferenceLogProbs = (
  samples: readonly Sample[],
  options: RunOptions,
) => Promise<readonly number[]>

type Pairs = {
  /** Chosen answers, then the rejected ones in the same order. */
  readonly samples: readonly Sample[]
  /** Part of the step's loss. */
  readonly share: number
}

export class PreferenceObjective implements Objective {
  readonly #config: ModelConfig
  readonly #settings: PreferenceSettings
  readonly #accumulation: Accumulation
  readonly #reference: ReferenceLogProbs

  constructor(parts: {
    readonly config: ModelConfig
    readonly settings: PreferenceSettings
    readonly accumulation: Accumulation
    readonly reference: ReferenceLogProbs
  }) {
    this.#config = parts.config
    this.#settings = parts.settings
    this.#accumulation = parts.accumulation
    this.#reference = parts.reference
  }

  prepare(microBatches: readonly (readonly unknown[])[]): readonly PreparedBatch<Pairs>[] {
    const total = microBatches.reduce((sum, pairs) => sum + pairs.length, 0)
    return microBatches.map((given) => {
      const pairs = given as readonly PreferencePair[]
      checkPairs(pairs)
      const samples = [
        ...pairs.map(({ chosen }) => chosen),
        ...pairs.map(({ rejected }) => rejected),
      ]
      const batch = buildBatch(samples, this.#config)
      checkTargets(batch, samples.length)
      const share = this.#accumulation === 'tokens' ? pairs.length / total : 1 / microBatches.length
      return { batch, tokens: batch.targets.rows.length, extra: { samples, share } }
    })
  }

  async run(
    prepared: PreparedBatch,
    { network, mode }: Parameters<Objective['run']>[1],
    options: RunOptions,
  ): Promise<ObjectiveResult> {
    const { batch, extra } = prepared as PreparedBatch<Pairs>
    // Before the forward pass of the policy, whose activations lie in memory until backward.
    const reference = await this.#reference(extra.samples, options)
    const state = await network.forward(batch, mode, options)
    const logProbs = await network.logProbs(state, options)
    const judged = this.#judge(state, logProbs, reference)
    const { alpha, gamma } = this.#settings
    const { preferenceLoss, sftLoss } = judged.report
    const loss = extra.share * (alpha * preferenceLoss + gamma * sftLoss)
    if (mode !== 'evaluate') {
      const weights = this.#targetWeights(batch, { ...judged, share: extra.share })
      await network.backward(state, weights, options)
    }
    return { state, loss, report: judged.report }
  }

  #judge({ batch }: ForwardState, logProbs: Float32Array, reference: readonly number[]) {
    const { beta, loss } = this.#settings
    const counts = tokenCounts(batch, reference.length)
    const divisors = counts.map((count) => (loss === 'ipo' ? count : 1))
    const sums = Array.from({ length: reference.length }, () => 0)
    batch.targets.samples.forEach((sample, i) => {
      sums[sample] = (sums[sample] as number) + (logProbs[i] as number)
    })
    const half = reference.length / 2
    const scaled = (values: readonly number[]) =>
      values.map((value, i) => value / (divisors[i] as number))
    const [policy, frozen] = [scaled(sums), scaled(reference)]
    const pairs: PairLogProbs = {
      chosen: policy.slice(0, half),
      rejected: policy.slice(half),
      referenceChosen: frozen.slice(0, half),
      referenceRejected: frozen.slice(half),
    }
    const losses = preferenceLosses(loss, pairs, this.#settings)
    const chosenTokens = counts.slice(0, half).reduce((a, b) => a + b, 0)
    const sftLoss = -sums.slice(0, half).reduce((a, b) => a + b, 0) / chosenTokens
    const report = reportOf(pairs, { beta, sftLoss, preferenceLoss: losses.mean })
    return { report, losses, divisors, chosenTokens }
  }

  /** −∂loss / ∂log p of each target. */
  #targetWeights(
    { targets }: Batch,
    judged: {
      readonly losses: PairLosses
      readonly divisors: readonly number[]
      readonly chosenTokens: number
      readonly share: number
    },
  ): Float32Array {
    const { alpha, gamma } = this.#settings
    const { losses, divisors, chosenTokens, share } = judged
    const slopes = [...losses.gradients.chosen, ...losses.gradients.rejected]
    const isChosen = (sample: number) => sample < slopes.length / 2
    return Float32Array.from(targets.samples, (sample) => {
      const preference = (-alpha * (slopes[sample] as number)) / (divisors[sample] as number)
      return share * (preference + (isChosen(sample) ? gamma / chosenTokens : 0))
    })
  }
}

function reportOf(
  { chosen, rejected, referenceChosen, referenceRejected }: PairLogProbs,
  { beta, ...losses }: { beta: number; sftLoss: number; preferenceLoss: number },
): PreferenceReport {
  const reward = (policy: readonly number[], frozen: readonly number[]) =>
    policy.map((value, i) => beta * (value - (frozen[i] as number)))
  const rewards = {
    chosen: reward(chosen, referenceChosen),
    rejected: reward(rejected, referenceRejected),
  }
  const margins = rewards.chosen.map((value, i) => value - (rewards.rejected[i] as number))
  return {
    chosenLogps: chosen,
    rejectedLogps: rejected,
    referenceChosenLogps: referenceChosen,
    referenceRejectedLogps: referenceRejected,
    rewards,
    margins,
    margin: margins.reduce((a, b) => a + b, 0) / margins.length,
    accuracy: margins.filter((margin) => margin > 0).length / margins.length,
    ...losses,
  }
}

/** The reports of a step's micro-batches as one; losses are means over pairs. */
export function joinReports(reports: readonly PreferenceReport[]): PreferenceReport {
  const list = (pick: (report: PreferenceReport) => readonly number[]) => reports.flatMap(pick)
  const pairs = list(({ margins }) => margins).length
  const mean = (pick: (report: PreferenceReport) => number) =>
    reports.reduce((sum, report) => sum + pick(report) * report.margins.length, 0) / pairs
  return {
    chosenLogps: list((report) => report.chosenLogps),
    rejectedLogps: list((report) => report.rejectedLogps),
    referenceChosenLogps: list((report) => report.referenceChosenLogps),
    referenceRejectedLogps: list((report) => report.referenceRejectedLogps),
    rewards: {
      chosen: list(({ rewards }) => rewards.chosen),
      rejected: list(({ rewards }) => rewards.rejected),
    },
    margins: list(({ margins }) => margins),
    margin: mean(({ margin }) => margin),
    accuracy: mean(({ accuracy }) => accuracy),
    preferenceLoss: mean(({ preferenceLoss }) => preferenceLoss),
    sftLoss: mean(({ sftLoss }) => sftLoss),
  }
}

export function tokenCounts({ targets }: Batch, samples: number): number[] {
  const counts = Array.from({ length: samples }, () => 0)
  for (const sample of targets.samples) counts[sample] = (counts[sample] as number) + 1
  return counts
}

function checkPairs(pairs: readonly PreferencePair[]): void {
  if (pairs.length > 0 && pairs.every((pair) => pair?.chosen && pair.rejected)) return
  throw new InputError(
    'INPUT_PAIRS',
    "samples: objective 'dpo' learns from pairs { chosen, rejected }, at least one a micro-batch; others came.",
  )
}

function checkTargets(batch: Batch, samples: number): void {
  const empty = tokenCounts(batch, samples).indexOf(0)
  if (empty < 0) return
  const [pair, side] = [empty % (samples / 2), empty < samples / 2 ? 'chosen' : 'rejected']
  throw new InputError(
    'INPUT_NOTHING_LEARNT',
    `samples: the ${side} answer of pair ${pair} has no label that is learnt, so it has no probability; leave the pair out.`,
  )
}
