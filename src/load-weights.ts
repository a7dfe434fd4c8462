/** A graph, a precision and a checkpoint become a session: what is stored is read, what is wanted smaller is quantised. */
import { toFloat32, type HostTensor } from './core/tensor.ts'
import type { ParameterMap } from './families/parameter-map.ts'
import type { Graph, Value } from './graph/graph.ts'
import { lower, type PrecisionPolicy } from './graph/lower.ts'
import { liveParameters, writeOnnx } from './graph/onnx-writer.ts'
import type { Runtime, Session, SharedWeights } from './runtime/runtime.ts'
import { assertFinite, type WeightSource } from './weights/index.ts'

export type SessionParts = {
  readonly runtime: Runtime
  readonly parameters: ParameterMap
  /** Quantised weights by `NAME.int8`, `NAME.scale`, …; null where no layer is quantised. */
  readonly quantized: WeightSource | null
  readonly sharedWeights?: SharedWeights
  readonly signal?: AbortSignal | undefined
}

/** Lowers `graph` by `policy` and makes a session with its weights. */
export async function createModelSession(
  graph: Graph,
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session> {
  const lowered = lower(graph, policy).graph
  const initializers = new Map<string, HostTensor>()
  for (const value of liveParameters(lowered)) initializers.set(value.name, read(value, parts))
  return parts.runtime.createSession(writeOnnx(lowered), {
    initializers,
    ...(parts.sharedWeights && { sharedWeights: parts.sharedWeights }),
    // Folding would read weights from the placeholder file that stands for memory handed over.
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
    signal: parts.signal,
  })
}

function read(value: Value, { parameters, quantized }: SessionParts): HostTensor {
  const shape = value.shape as readonly number[]
  if (quantized?.tensors.has(value.name)) return { ...quantized.read(value.name), shape }
  const stored = parameters.read(value.name)
  assertFinite(stored, value.name, 'the checkpoint')
  return { dtype: 'float32', shape, data: toFloat32(stored) }
}
