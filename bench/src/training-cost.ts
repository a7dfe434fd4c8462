/**
 * What one training step has to do, in four parts, and the least time each takes on this machine:
 *
 *   products       linear layers, forward, input gradients and weight gradients: operations ÷ the measured rate
 *   attention      scores and sums of the lower triangle, three and a half times the forward pass in all
 *   element-wise   norms, rotations, gates, residuals and their gradients: bytes ÷ the measured bandwidth
 *   AdamW          weight, gradient and two moments read, three of them written, and the norm of the gradients
 */
import { ratesFor, type Machine } from './machine.ts'
import { headElements, layerElements, type DecoderShape } from './models/shapes.ts'

export type StepShape = {
  readonly shape: DecoderShape
  readonly tokens: number
  readonly supervised: number
  /** Numbers that AdamW moves. */
  readonly trained: number
  /** The arithmetic of forward products and of input gradients. */
  readonly compute: 'f32' | 'int8'
  /** Layers that train nothing have no weight gradients. */
  readonly isFrozen: boolean
  /** The forward pass of the layers is made a second time. */
  readonly isRecomputed: boolean
}

export type StepCost = {
  /** Milliseconds. */
  readonly products: number
  readonly attention: number
  readonly elementWise: number
  readonly adamw: number
  readonly total: number
  /** Operations of the products. */
  readonly productOperations: number
}

/** Float32 numbers of width D and of width F that a layer reads and writes element by element, forward and backward. */
const WIDE_PASSES = 34
const GATE_PASSES = 14
/** float32 words of AdamW for each trained number, those of the norm included. */
const ADAMW_WORDS = 8

export function stepCost(machine: Machine, step: StepShape): StepCost {
  const { shape, tokens, supervised, trained, compute, isFrozen, isRecomputed } = step
  const rates = ratesFor(machine, shape.hiddenSize)
  const once = 2 * tokens * shape.numLayers * layerElements(shape)
  const head = 2 * supervised * headElements(shape)
  const forwards = isRecomputed ? 2 : 1
  const quick = (forwards + 1) * once
  const slow = (isFrozen ? 0 : once) + head * (isFrozen ? 2 : 3)
  const products = quick / rates[compute] / 1e6 + slow / rates.f32 / 1e6
  const triangle = 2 * tokens ** 2 * shape.hiddenSize * shape.numLayers
  const attention = ((forwards + 2.5) * triangle) / rates.f32 / 1e6
  const { hiddenSize, intermediateSize, numLayers } = shape
  const words = WIDE_PASSES * hiddenSize + GATE_PASSES * intermediateSize
  const milliseconds = (bytes: number) => (1000 * bytes) / machine.bandwidth
  const elementWise = milliseconds(4 * tokens * numLayers * words)
  const adamw = milliseconds(4 * ADAMW_WORDS * trained)
  const total = products + attention + elementWise + adamw
  return { products, attention, elementWise, adamw, total, productOperations: quick + slow }
}

/** The parts in words. */
export function describeCost({ products, attention, elementWise, adamw }: StepCost): string {
  const part = (name: string, ms: number) => `${name} ${ms.toFixed(0)} ms`
  return [
    part('products', products),
    part('attention', attention),
    part('element-wise', elementWise),
    part('AdamW', adamw),
  ].join(', ')
}
