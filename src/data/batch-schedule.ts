/**
 * The steps of a run, epoch after epoch, from a place that can be written down and gone on from.
 *
 * Nothing random is kept: an epoch's plan follows from the seed and its number, so the place is two numbers, and a run that
 * goes on shows the very samples that an uninterrupted one would have shown.
 */
import { createHash } from 'node:crypto'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { drawEpoch, mixSeeds, type WeightedSamples } from './draw-epoch.ts'
import type { WeightedSource } from './usable-records.ts'
import { planEpoch, type BatchOptions, type SampleLength, type Step } from './plan-epoch.ts'

export type ScheduleOptions = BatchOptions & {
  /** Of every sample. */
  readonly lengths: readonly SampleLength[]
  /** Ranges of samples with weights. Default: one source without a weight. */
  readonly sources?: readonly WeightedSource[]
  readonly seed: number
}

/** JSON, for a checkpoint. */
export type CursorState = {
  readonly epoch: number
  readonly step: number
  /** Of everything that the plans follow from. */
  readonly sha256: string
}

export type ScheduledStep = {
  readonly epoch: number
  readonly step: number
  readonly samples: Step
}

export class BatchSchedule {
  readonly #options: ScheduleOptions
  readonly #sha256: string
  readonly #strata: readonly WeightedSamples[]
  #epoch = 0
  #step = 0
  #plan: { readonly epoch: number; readonly steps: readonly Step[] } | null = null

  /** Throws ConfigError for a state of other data, batches or another seed. */
  constructor(options: ScheduleOptions, state?: CursorState) {
    this.#options = options
    this.#sha256 = hashOf(options)
    this.#strata = strataOf(options)
    if (state) this.#restore(state)
  }

  get stepsPerEpoch(): number {
    return this.#planOf(this.#epoch).length
  }

  /** Of the step that comes next. */
  get state(): CursorState {
    return { epoch: this.#epoch, step: this.#step, sha256: this.#sha256 }
  }

  next(): ScheduledStep {
    const found = {
      epoch: this.#epoch,
      step: this.#step,
      samples: this.at(this.#epoch, this.#step),
    }
    this.#step++
    if (this.#step === this.stepsPerEpoch) [this.#epoch, this.#step] = [this.#epoch + 1, 0]
    return found
  }

  /** Any step, wherever the cursor stands. */
  at(epoch: number, step: number): Step {
    const found = this.#planOf(epoch)[step]
    if (found) return found
    throw new Error(`internal: epoch ${epoch} has no step ${step}`)
  }

  #restore({ epoch, step, sha256 }: CursorState): void {
    if (sha256 !== this.#sha256) {
      throw new ConfigError(
        'CONFIG_RESUME_DATA',
        'data: the run to go on with had other records, batches or another seed; give it what it began with, or begin a new one.',
      )
    }
    this.#epoch = epoch
    this.#step = step
  }

  #planOf(epoch: number): readonly Step[] {
    if (this.#plan?.epoch !== epoch) this.#plan = { epoch, steps: this.#makePlan(epoch) }
    return this.#plan.steps
  }

  #makePlan(epoch: number): Step[] {
    const { lengths, seed } = this.#options
    const drawn = drawEpoch(this.#strata, epoch, seed)
    const own = Array.from(drawn, (sample) => lengths[sample] as SampleLength)
    const plan = planEpoch(own, this.#options, new Rng(mixSeeds(mixSeeds(seed, -1), epoch)))
    return plan.map((step) => step.map((batch) => batch.map((place) => drawn[place] as number)))
  }
}

/**
 * Sources with weights, each parted into samples with and without pictures that share its weight: then every epoch has
 * as many of either, and so as many steps.
 */
function strataOf({ lengths, sources }: ScheduleOptions): WeightedSamples[] {
  const all = lengths.map((_, i) => i)
  if (!sources || sources.every(({ weight }) => weight === null))
    return [{ samples: all, weight: null }]
  return sources.flatMap(({ start, length, weight }) => {
    const own = all.slice(start, start + length)
    return [true, false].map((hasMedia) => {
      const samples = own.filter((sample) => lengths[sample]?.hasMedia === hasMedia)
      return { samples, weight: ((weight ?? 0) * samples.length) / length }
    })
  })
}

function hashOf(options: ScheduleOptions): string {
  const { batching, batchSize, accumulation, rowTokens, seed, sources = [], lengths } = options
  const hash = createHash('sha256')
  hash.update(JSON.stringify([batching, batchSize, accumulation, rowTokens, seed, sources]))
  const numbers = lengths.flatMap(({ words, tokens, hasMedia }) => [
    words,
    tokens,
    hasMedia ? 1 : 0,
  ])
  hash.update(Int32Array.from(numbers))
  return hash.digest('hex')
}
