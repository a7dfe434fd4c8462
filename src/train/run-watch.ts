/** How fast a run goes, how long it will take, and whether its loss does what it should. */
import type { LoadedStep } from './run-data.ts'
import type { StepEvent } from './run-events.ts'
import type { StepResult } from './trainer.ts'

/** Steps that the speed is measured over. */
const WINDOW = 20

/** A loss this many deviations above the mean of the last ones is a spike, once enough of them are known. */
const SPIKE_DEVIATIONS = 6
const SPIKE_LEAST = 20
const SPIKE_WINDOW = 100

export type WatchedStep = {
  readonly step: number
  readonly epoch: number
  readonly result: StepResult
  readonly loaded: LoadedStep
  /** When its samples were asked for, and when they were there; milliseconds. */
  readonly asked: number
  readonly began: number
}

export class StepWatch {
  readonly #totalSteps: number
  readonly #now: () => number
  readonly #recent: { seconds: number; positions: number }[] = []
  readonly #losses: number[] = []
  #warning: string | null = null

  constructor(totalSteps: number, now: () => number = () => performance.now()) {
    this.#totalSteps = totalSteps
    this.#now = now
  }

  step({ step, epoch, result, loaded, asked, began }: WatchedStep): StepEvent {
    const seconds = (this.#now() - asked) / 1000
    this.#recent.push({ seconds, positions: loaded.positions })
    if (this.#recent.length > WINDOW) this.#recent.shift()
    const total = (field: 'seconds' | 'positions') =>
      this.#recent.reduce((sum, one) => sum + one[field], 0)
    this.#watchLoss(result.loss)
    const { loss, gradNorm, learningRate, tokens, rewards, margin } = result
    return {
      kind: 'step',
      step,
      totalSteps: this.#totalSteps,
      epoch,
      loss,
      gradNorm,
      learningRate,
      tokens,
      positions: loaded.positions,
      samples: loaded.samples,
      seconds,
      waitSeconds: (began - asked) / 1000,
      positionsPerSecond: total('positions') / total('seconds'),
      remainingSeconds: (total('seconds') / this.#recent.length) * (this.#totalSteps - step),
      ...(rewards && margin !== undefined && { rewards, margin }),
    }
  }

  /** What is to be said about the last step, or null. */
  warning(): string | null {
    return this.#warning
  }

  #watchLoss(loss: number): void {
    const losses = this.#losses
    const mean = losses.reduce((sum, one) => sum + one, 0) / Math.max(1, losses.length)
    const squares = losses.reduce((sum, one) => sum + (one - mean) ** 2, 0)
    const deviation = Math.sqrt(squares / Math.max(1, losses.length))
    const isSpike = losses.length >= SPIKE_LEAST && loss > mean + SPIKE_DEVIATIONS * deviation
    this.#warning = isSpike
      ? `the loss jumped to ${loss.toPrecision(4)} from about ${mean.toPrecision(4)}; lower the learning rate if it stays there`
      : null
    losses.push(loss)
    if (losses.length > SPIKE_WINDOW) losses.shift()
  }
}
