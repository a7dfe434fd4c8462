/** A graph, a precision and a checkpoint become a session: what is stored is read, what is wanted smaller is quantised. */
import { elementCount } from './core/shape.ts'
import type { HostTensor } from './core/tensor.ts'
import type { ParameterMap } from './families/parameter-map.ts'
import type { Graph, Value } from './graph/graph.ts'
import {
  lower,
  type LinearPrecision,
  type LinearWeight,
  type PrecisionPolicy,
} from './graph/lower.ts'
import { liveParameters, writeOnnx } from './graph/onnx-writer.ts'
import {
  floatArena,
  isFileMemory,
  readFloatWeight,
  turnTaker,
  type TakeTurns,
} from './read-float-weight.ts'
import type { Runtime, Session, SessionOptions } from './runtime/runtime.ts'
import type { WeightSource } from './weights/index.ts'
import type { QuantizedKind } from './weights/quantize.ts'
import type { QuantizeItem } from './weights/quantizer.ts'

export type QuantizedPlanner = (plan: readonly QuantizeItem[]) => Promise<WeightSource>

export type SessionParts = {
  readonly runtime: Runtime
  readonly parameters: ParameterMap
  /** Tensors that have been read already, in the shapes that the graphs want: they are held in memory once. */
  readonly known?: ReadonlyMap<string, HostTensor> | undefined
  /** Opens the quantised forms of weights, making them where they are not there yet. Who gives it closes them. */
  readonly quantize: QuantizedPlanner
  /** Whether int8 weights may use all of [−127, 127]: `runtime/int8-check.ts`. */
  readonly isInt8Exact: boolean
  /** Called when all weights are read and the engine begins to pack them. */
  readonly onRead?: (() => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Lowers `graph` by `policy` and makes a session with its weights. */
export async function createModelSession(
  graph: Graph,
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session> {
  const [session] = await createModelSessions([graph], policy, parts)
  return session as Session
}

/** The same for graphs over one set of weights, which are held in memory once. */
export async function createModelSessions(
  graphs: readonly Graph[],
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session[]> {
  const lowered = graphs.map((graph) => lower(graph, policy))
  const linears = new Map(
    lowered.flatMap((one) => one.linears.map((linear) => [linear.name, linear])),
  )
  const plan = quantizePlan([...linears.values()], parts)
  const quantized = plan.length > 0 ? await parts.quantize(plan) : null
  const weights = new Map<string, HostTensor>()
  const sharedWeights = graphs.length > 1 ? parts.runtime.createSharedWeights() : undefined
  const sessions: Session[] = []
  const takeTurns = turnTaker(parts.signal)
  const allocate = floatArena(widenedElements(lowered, { ...parts, quantized }))
  const read = (value: Value) => initializer(value, { ...parts, quantized, allocate, takeTurns })
  try {
    for (const { graph } of lowered) {
      const initializers = new Map<string, HostTensor>()
      for (const value of liveParameters(graph)) {
        const data = weights.get(value.name) ?? (await read(value))
        weights.set(value.name, data)
        initializers.set(value.name, data)
      }
      const made = createSession(graph, { initializers, sharedWeights }, parts)
      parts.onRead?.()
      sessions.push(await made)
    }
  } catch (error) {
    for (const session of sessions) session.dispose()
    throw error
  } finally {
    sharedWeights?.dispose()
  }
  // Packed by the engine now; what was mapped need not stay in memory.
  for (const name of weights.keys()) quantized?.release?.(name)
  return sessions
}

function createSession(
  graph: Graph,
  options: Pick<SessionOptions, 'initializers' | 'sharedWeights'>,
  { runtime, signal }: SessionParts,
): Promise<Session> {
  return runtime.createSession(writeOnnx(graph), {
    ...options,
    signal,
    // Folding would read weights from the placeholder file that stands for memory handed over.
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
  })
}

type FloatParts = Pick<SessionParts, 'parameters' | 'known'> & {
  readonly quantized: WeightSource | null
}

/** Elements of all weights that become float32 copies, each counted once. */
function widenedElements(
  lowered: readonly { readonly graph: Graph }[],
  { parameters, known, quantized }: FloatParts,
): number {
  const values = new Map(
    lowered.flatMap(({ graph }) => liveParameters(graph).map((value) => [value.name, value])),
  )
  let elements = 0
  for (const { name, shape } of values.values()) {
    if (quantized?.tensors.has(name) || isFileMemory(name, parameters)) continue
    if (known?.get(name)?.dtype === 'float32') continue
    elements += elementCount(shape as readonly number[])
  }
  return elements
}

async function initializer(
  value: Value,
  from: FloatParts & {
    readonly allocate: (elements: number) => Float32Array
    readonly takeTurns: TakeTurns
  },
): Promise<HostTensor> {
  const { parameters, quantized, allocate, takeTurns } = from
  const shape = value.shape as readonly number[]
  if (quantized?.tensors.has(value.name)) return { ...quantized.read(value.name), shape }
  const known = from.known?.get(value.name)
  const float = await readFloatWeight(value.name, { parameters, known, allocate, takeTurns })
  return { ...float, shape }
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
