/** A graph, a precision and a checkpoint become a session: what is stored is read, what is wanted smaller is quantised. */
import { toFloat32, type HostTensor } from './core/tensor.ts'
import type { ParameterMap } from './families/parameter-map.ts'
import type { Graph, Value } from './graph/graph.ts'
import {
  lower,
  type LinearPrecision,
  type LinearWeight,
  type PrecisionPolicy,
} from './graph/lower.ts'
import { liveParameters, writeOnnx } from './graph/onnx-writer.ts'
import type { Runtime, Session } from './runtime/runtime.ts'
import { assertFinite, type WeightSource } from './weights/index.ts'
import type { QuantizedKind } from './weights/quantize.ts'
import type { QuantizeItem } from './weights/quantizer.ts'

export type QuantizedPlanner = (plan: readonly QuantizeItem[]) => Promise<WeightSource>

export type SessionParts = {
  readonly runtime: Runtime
  readonly parameters: ParameterMap
  /** Opens the quantised forms of weights, making them where they are not there yet. Who gives it closes them. */
  readonly quantize: QuantizedPlanner
  /** Whether int8 weights may use all of [−127, 127]: `runtime/int8-check.ts`. */
  readonly isInt8Exact: boolean
  readonly signal?: AbortSignal | undefined
}

/** Lowers `graph` by `policy` and makes a session with its weights. */
export async function createModelSession(
  graph: Graph,
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session> {
  const lowered = lower(graph, policy)
  const plan = quantizePlan(lowered.linears, parts)
  const quantized = plan.length > 0 ? await parts.quantize(plan) : null
  const initializers = new Map<string, HostTensor>()
  for (const value of liveParameters(lowered.graph)) {
    initializers.set(value.name, initializer(value, parts.parameters, quantized))
  }
  const session = await parts.runtime.createSession(writeOnnx(lowered.graph), {
    initializers,
    signal: parts.signal,
    // Folding would read weights from the placeholder file that stands for memory handed over.
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
  })
  // Packed by the engine now; what was mapped need not stay in memory.
  for (const name of initializers.keys()) quantized?.release?.(name)
  return session
}

function initializer(
  value: Value,
  parameters: ParameterMap,
  quantized: WeightSource | null,
): HostTensor {
  const shape = value.shape as readonly number[]
  if (quantized?.tensors.has(value.name)) return { ...quantized.read(value.name), shape }
  const stored = parameters.read(value.name)
  assertFinite(stored, value.name, 'the checkpoint')
  return { dtype: 'float32', shape, data: toFloat32(stored) }
}

/** What must be quantised for the layers of a lowered graph. */
export function quantizePlan(
  linears: readonly LinearWeight[],
  { parameters, isInt8Exact }: Pick<SessionParts, 'parameters' | 'isInt8Exact'>,
): QuantizeItem[] {
  return linears.flatMap(({ name, precision, rows, columns }) => {
    const kind = quantizedKind(precision, isInt8Exact)
    if (kind === null) return []
    const item: QuantizeItem = {
      name,
      kind,
      shape: [rows, columns],
      read: (from, to) => parameters.readRows(name, from, to),
      release: () => parameters.release(name),
    }
    return [item]
  })
}

function quantizedKind(precision: LinearPrecision, isInt8Exact: boolean): QuantizedKind | null {
  if (precision === 'f32') return null
  if (precision === 'int8' || precision === 'int8a16') return isInt8Exact ? 'int8' : 'int7'
  return precision
}
