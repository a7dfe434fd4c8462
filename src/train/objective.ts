/** What a trainer minimises: how micro-batches become batches, and a forward pass becomes a loss. */
import type { ModelConfig } from '../families/family.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import { buildBatch, type Batch } from './batch.ts'
import type { PassMode } from './decoder-pass.ts'
import { tokenWeights, type Accumulation } from './loss-weights.ts'
import type { ForwardState, Network } from './network.ts'
import type { PreferenceReport } from './preference-objective.ts'
import type { PreferencePair, Sample } from './sample.ts'

/** One micro-batch: samples, or pairs of them where preferences are learnt. */
export type MicroBatch = readonly Sample[] | readonly PreferencePair[]

/** A checked micro-batch and how much it counts in its step. */
export type PreparedBatch<Extra = unknown> = {
  readonly batch: Batch
  readonly tokens: number
  readonly extra: Extra
}

export type ObjectiveRun = { readonly network: Network; readonly mode: PassMode }

export type ObjectiveResult = {
  /** Of the policy, for those who want to know where a loss that is not finite came from. */
  readonly state: ForwardState
  /** The part of the step's loss that this micro-batch makes. */
  readonly loss: number
  readonly report: PreferenceReport | null
}

export type Objective = {
  /** Throws InputError for samples that do not fit, naming the micro-batch. */
  prepare(microBatches: readonly MicroBatch[]): readonly PreparedBatch[]
  /** The loss, and its gradients in the store unless the mode is `evaluate`. */
  run(prepared: PreparedBatch, run: ObjectiveRun, options: RunOptions): Promise<ObjectiveResult>
}

/** Cross-entropy of the labels. */
export function supervisedObjective(config: ModelConfig, accumulation: Accumulation): Objective {
  return {
    prepare(microBatches) {
      const batches = microBatches.map((samples) =>
        buildBatch(samples as readonly Sample[], config),
      )
      const counts = batches.map(({ targets }) => targets.rows.length)
      const weights = tokenWeights(counts, accumulation)
      return batches.map((batch, i) => ({ batch, tokens: counts[i] as number, extra: weights[i] }))
    },
    async run({ batch, tokens, extra }, { network, mode }, options) {
      const weights = new Float32Array(tokens).fill(extra as number)
      const state = await network.forward(batch, mode, options)
      if (mode !== 'evaluate') {
        return { state, loss: await network.backward(state, weights, options), report: null }
      }
      const logProbs = await network.logProbs(state, options)
      const loss = logProbs.reduce((sum, logProb, i) => sum - logProb * (weights[i] as number), 0)
      return { state, loss, report: null }
    },
  }
}
