/**
 * The trainable parameters: four flat memories (weights, gradients, two moments) and named views of them.
 *
 * Parameters that are updated alike lie side by side, so that the optimizer runs over long pieces. A parameter without a
 * gradient in a step is skipped: no decay, and its count of steps stays.
 */
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import { elementCount } from '../core/shape.ts'
import type { AdamW, FlatState } from './adamw.ts'
import { hasNonFinite } from './diverged.ts'
import type { ParameterRates } from './parameter-groups.ts'

export type TrainableParameter = {
  /** Our dotted path. */
  readonly path: string
  readonly shape: readonly number[]
  readonly rates: ParameterRates
}

type Slot = TrainableParameter & {
  readonly start: number
  readonly end: number
  readonly weight: Tensor
  readonly gradient: Tensor
  /** Updates so far. */
  steps: number
  /** Whether this step's gradient has been written. */
  hasGradient: boolean
}

export class ParameterStore {
  readonly state: FlatState
  readonly #slots = new Map<string, Slot>()

  constructor(runtime: Runtime, parameters: readonly TrainableParameter[]) {
    const sorted = [...parameters].sort((a, b) => compareRates(a.rates, b.rates))
    const counts = sorted.map(({ shape }) => elementCount(shape))
    const memory = () => runtime.tensor('float32', [counts.reduce((a, b) => a + b, 0)])
    this.state = {
      weights: memory(),
      gradients: memory(),
      firstMoments: memory(),
      secondMoments: memory(),
    }
    let start = 0
    sorted.forEach((parameter, i) => {
      const end = start + (counts[i] as number)
      const view = (tensor: Tensor) => tensor.view(parameter.shape, start)
      const [weight, gradient] = [view(this.state.weights), view(this.state.gradients)]
      const slot = { ...parameter, start, end, weight, gradient, steps: 0, hasGradient: false }
      this.#slots.set(parameter.path, slot)
      start = end
    })
  }

  get paths(): readonly string[] {
    return [...this.#slots.keys()]
  }

  has(path: string): boolean {
    return this.#slots.has(path)
  }

  weight(path: string): Tensor {
    return this.#slot(path).weight
  }

  gradient(path: string): Tensor {
    return this.#slot(path).gradient
  }

  hasGradient(path: string): boolean {
    return this.#slot(path).hasGradient
  }

  /** A new step: no gradient is there. */
  forgetGradients(): void {
    for (const slot of this.#slots.values()) slot.hasGradient = false
  }

  /** Keeps the gradients that are there; the function returned puts them back. */
  saveGradients(): () => void {
    const slots = [...this.#slots.values()]
    const wereThere = slots.map(({ hasGradient }) => hasGradient)
    const memory = this.state.gradients.data as Float32Array
    const copy = wereThere.includes(true) ? memory.slice() : null
    return () => {
      if (copy) memory.set(copy)
      slots.forEach((slot, i) => {
        slot.hasGradient = wereThere[i] as boolean
      })
    }
  }

  /**
   * Whether gradients of these parameters, written together, are added to what this step wrote before: where it wrote some of
   * them, the others are zeros so far. They count as written from now on.
   */
  claim(paths: readonly string[]): boolean {
    const isAdded = paths.some((path) => this.#slot(path).hasGradient)
    if (isAdded) this.claimZeros(paths)
    for (const path of paths) this.#slot(path).hasGradient = true
    return isAdded
  }

  /** Gives these parameters a gradient of zeros, unless this step wrote one before. */
  claimZeros(paths: readonly string[]): void {
    for (const slot of paths.map((path) => this.#slot(path))) {
      if (!slot.hasGradient) (slot.gradient.data as Float32Array).fill(0)
      slot.hasGradient = true
    }
  }

  /** A parameter whose gradient is not finite. */
  nonFiniteGradient(): string | undefined {
    for (const { path, gradient, hasGradient } of this.#slots.values()) {
      if (hasGradient && hasNonFinite(gradient.data as Float32Array)) return path
    }
    return undefined
  }

  /** √Σ g² over all gradients of this step. */
  async gradientNorm(adamw: AdamW, options: RunOptions): Promise<number> {
    let squares = 0
    for (const run of runsOf(
      [...this.#slots.values()],
      (a, b) => a.hasGradient === b.hasGradient,
    )) {
      if (!run.slots[0]?.hasGradient) continue
      squares += await adamw.sumSquares(this.state.gradients, run, options)
    }
    return Math.sqrt(squares)
  }

  /** One step of the optimizer with the rates times `rateFactor` and the gradients times `gradientScale`. */
  async update(
    adamw: AdamW,
    {
      rateFactor,
      ...options
    }: RunOptions & { readonly rateFactor: number; readonly gradientScale: number },
  ): Promise<void> {
    for (const { start, end, slots } of runsOf([...this.#slots.values()], isUpdatedAlike)) {
      const [first] = slots
      if (!first?.hasGradient) continue
      const { learningRate, weightDecay } = first.rates
      const rates = { learningRate: learningRate * rateFactor, weightDecay }
      await adamw.update(this.state, { start, end, stepsBefore: first.steps, ...rates }, options)
      for (const slot of slots) slot.steps++
    }
  }

  /** Parameters with their pieces of the moments and their counts of steps, for a checkpoint. */
  *moments(): Generator<ParameterMoments> {
    const { firstMoments, secondMoments } = this.state
    for (const slot of this.#slots.values()) {
      const { path, shape, start, end, weight, steps } = slot
      const piece = (tensor: Tensor) => (tensor.data as Float32Array).subarray(start, end)
      yield {
        path,
        shape,
        weight: weight.data as Float32Array,
        firstMoment: piece(firstMoments),
        secondMoment: piece(secondMoments),
        steps,
        setSteps: (count) => {
          slot.steps = count
        },
      }
    }
  }

  #slot(path: string): Slot {
    const slot = this.#slots.get(path)
    if (slot) return slot
    throw new Error(`internal: ${path} is not trained`)
  }
}

export type ParameterMoments = {
  readonly path: string
  readonly shape: readonly number[]
  readonly weight: Float32Array
  readonly firstMoment: Float32Array
  readonly secondMoment: Float32Array
  readonly steps: number
  setSteps(count: number): void
}

function compareRates(a: ParameterRates, b: ParameterRates): number {
  return b.learningRate - a.learningRate || b.weightDecay - a.weightDecay
}

function isUpdatedAlike(a: Slot, b: Slot): boolean {
  return (
    a.hasGradient === b.hasGradient && a.steps === b.steps && compareRates(a.rates, b.rates) === 0
  )
}

type Run = { readonly start: number; readonly end: number; readonly slots: readonly Slot[] }

/** Neighbours that are alike, as one piece of memory. */
function runsOf(slots: readonly Slot[], isAlike: (a: Slot, b: Slot) => boolean): Run[] {
  const runs: { start: number; end: number; slots: Slot[] }[] = []
  for (const slot of slots) {
    const last = runs.at(-1)
    if (last && isAlike(last.slots[0] as Slot, slot)) {
      last.slots.push(slot)
      last.end = slot.end
    } else runs.push({ start: slot.start, end: slot.end, slots: [slot] })
  }
  return runs
}
