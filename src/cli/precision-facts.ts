/** In which precision a model would run on this machine, layer by layer, and why. */
import type { ChosenPrecision } from '../choose-precision.ts'
import { bytesPerElement } from '../core/dtype.ts'
import { elementCount } from '../core/shape.ts'
import type { Graph } from '../graph/graph.ts'
import { lower, type LinearPrecision, type PrecisionPolicy } from '../graph/lower.ts'
import { liveParameters } from '../graph/onnx-writer.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { modelGraphs, precisionOf } from '../load-model.ts'
import { checkInt8 } from '../quantize-model.ts'
import { cpuFeatures } from '../runtime/node.ts'
import type { Arguments } from './arguments.ts'
import { choiceOptions } from './load-flags.ts'

export type LayerCount = {
  readonly part: 'vision' | 'projector' | 'decoder' | 'singleStream'
  readonly form: LinearPrecision
  /** Linear layers, and their weights. */
  readonly count: number
  readonly weights: number
}

export type PrecisionReport = {
  readonly precision: {
    readonly name: ChosenPrecision['name']
    readonly reason: string
    readonly layers: readonly LayerCount[]
    readonly kvCache: ChosenPrecision['kvCache']
    /** Of all weights of the graphs, in their precisions. */
    readonly bytes: number
  }
  readonly processor: {
    readonly model: string
    readonly cores: number
    readonly features: readonly string[]
    readonly isInt8Exact: boolean
  }
}

export async function precisionFacts(
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<PrecisionReport> {
  const isInt8Exact = await checkInt8(args.number('threads'))
  const graphs = modelGraphs(checkpoint)
  const { vision, projector, decoder } = graphs
  const chosen = precisionOf(choiceOptions(args), checkpoint, { graphs, isInt8Exact })
  const parts = [
    examine('vision', vision, chosen.vision),
    examine('projector', projector, chosen.vision),
    examine('decoder', decoder, chosen.decoder),
    examine('singleStream', decoder, chosen.singleStream),
  ]
  return {
    precision: {
      name: chosen.name,
      reason: chosen.reason,
      layers: parts.flatMap(({ layers }) => layers),
      kvCache: chosen.kvCache,
      bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    processor: { ...processorFacts(), isInt8Exact },
  }
}

/** Elements of all linear weights. */
export function linearElements(graph: Graph): number {
  return lower(graph, () => 'f32').linears.reduce(
    (sum, { rows, columns }) => sum + rows * columns,
    0,
  )
}

/** Its linear layers by form, and the bytes of all weights and of the largest one. */
export function examine(
  part: LayerCount['part'],
  graph: Graph | null,
  policy: PrecisionPolicy | null,
): { readonly layers: LayerCount[]; readonly bytes: number; readonly largest: number } {
  if (!graph || !policy) return { layers: [], bytes: 0, largest: 0 }
  const lowered = lower(graph, policy)
  const layers = new Map<LinearPrecision, LayerCount>()
  for (const { precision: form, rows, columns } of lowered.linears) {
    const { count, weights } = layers.get(form) ?? { count: 0, weights: 0 }
    layers.set(form, { part, form, count: count + 1, weights: weights + rows * columns })
  }
  const sizes = parameterSizes(lowered.graph)
  return { layers: [...layers.values()], bytes: sumOf(sizes), largest: Math.max(0, ...sizes) }
}

export function parameterBytes(graph: Graph): number {
  return sumOf(parameterSizes(graph))
}

function parameterSizes(graph: Graph): number[] {
  return liveParameters(graph).map(
    ({ dtype, shape }) => elementCount(shape as readonly number[]) * bytesPerElement(dtype),
  )
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0)
}

function processorFacts(): Omit<PrecisionReport['processor'], 'isInt8Exact'> {
  const { model, cores, vnni, avx512, amx, neon } = cpuFeatures()
  const flags = { AVX512: avx512, VNNI: vnni, AMX: amx, NEON: neon }
  const features = Object.entries(flags).flatMap(([name, has]) => (has ? [name] : []))
  return { model, cores, features }
}
