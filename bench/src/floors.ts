/** The least time that this machine could need: operations ÷ its product rate, or bytes ÷ its memory bandwidth. */
import { ratesFor, type Machine } from './machine.ts'
import {
  headElements,
  layerElements,
  patchesOf,
  towerLayerElements,
  type DecoderShape,
  type TowerShape,
} from './models/shapes.ts'
import type { GgufType } from './models/write-gguf.ts'

export type Floor = { readonly value: number; readonly from: string }

/** Bytes of one weight with its share of the scales. */
export const WEIGHT_BYTES: Readonly<Record<'int8' | 'q4b128' | GgufType, number>> = {
  int8: 1,
  q4b128: 0.5 + 4.5 / 128,
  Q4_0: 18 / 32,
  Q8_0: 34 / 32,
  F16: 2,
}
/** The head is in 8 bits with a scale per 32 everywhere but in F16 files. */
const HEAD_BYTES = 36 / 32
const KV_BYTES = 2

/** Linear layers in int8, the lower triangle of attention in float32, the head for one row. */
export function prefillFloor(machine: Machine, shape: DecoderShape, tokens: number): Floor {
  const rates = ratesFor(machine, shape.hiddenSize)
  const linear = 2 * tokens * shape.numLayers * layerElements(shape)
  const attention = 2 * tokens ** 2 * shape.hiddenSize * shape.numLayers
  return {
    value: linear / rates.int8 / 1e6 + attention / rates.f32 / 1e6,
    from: `${giga(linear)} GFLOP at int8's ${rates.int8.toFixed(0)}, ${giga(attention)} of attention at f32's ${rates.f32.toFixed(0)} GFLOP/s`,
  }
}

/** Every weight and the cache once per step, for all streams together. */
export function decodeFloor(
  machine: Machine,
  shape: DecoderShape,
  {
    precision,
    context,
    streams,
  }: { readonly precision: 'int8' | 'q4b128'; readonly context: number; readonly streams: number },
): Floor {
  const kv = 2 * KV_BYTES * kvWidth(shape) * shape.numLayers * context * streams
  const bytes = weightBytes(shape, precision) + kv
  const rates = ratesFor(machine, shape.hiddenSize)
  const operations = 2 * streams * (shape.numLayers * layerElements(shape) + headElements(shape))
  const reading = (1000 * bytes) / machine.bandwidth
  const multiplying = operations / rates[precision] / 1e6
  const value = Math.max(reading, multiplying) / streams
  const from =
    reading >= multiplying
      ? `${(bytes / 1e9).toFixed(2)} GB at ${(machine.bandwidth / 1e9).toFixed(1)} GB/s`
      : `${giga(operations)} GFLOP at ${rates[precision].toFixed(0)} GFLOP/s`
  return { value, from }
}

export function towerFloor(machine: Machine, tower: TowerShape): Floor {
  const rates = ratesFor(machine, tower.hiddenSize)
  const rows = patchesOf(tower) + (tower.kind === 'clip_vision_model' ? 1 : 0)
  const linear = 2 * rows * tower.numLayers * towerLayerElements(tower)
  const attention = 4 * rows ** 2 * tower.hiddenSize * tower.numLayers
  return {
    value: linear / rates.int8 / 1e6 + attention / rates.f32 / 1e6,
    from: `${giga(linear)} GFLOP at int8's ${rates.int8.toFixed(0)}, ${giga(attention)} of attention at f32's ${rates.f32.toFixed(0)} GFLOP/s`,
  }
}

/** Bytes of all linear weights, head included. */
export function weightBytes(shape: DecoderShape, form: keyof typeof WEIGHT_BYTES): number {
  const head = form === 'F16' ? WEIGHT_BYTES.F16 : HEAD_BYTES
  return shape.numLayers * layerElements(shape) * WEIGHT_BYTES[form] + headElements(shape) * head
}

export function kvWidth({ hiddenSize, numHeads, numKvHeads }: DecoderShape): number {
  return (hiddenSize * numKvHeads) / numHeads
}

function giga(operations: number): string {
  return (operations / 1e9).toFixed(0)
}
