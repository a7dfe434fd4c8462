/** A graph, a precision and a checkpoint become a session: what is stored is read, what is wanted smaller is quantised. */
import { elementCount } from './core/shape.ts'
import { inTurns, nextTurn } from './core/steps.ts'
import type { HostTensor } from './core/tensor.ts'
import type { ParameterMap } from './families/parameter-map.ts'
import type { Graph, Value } from './graph/graph.ts'
import {
  loweringSteps,
  type LinearPrecision,
  type LinearWeight,
  type LoweredGraph,
  type LoweringOptions,
  type PrecisionPolicy,
} from './graph/lower.ts'
import { liveParameters, onnxSteps, type OnnxOptions } from './graph/onnx-writer.ts'
import { packedParameters } from './graph/packed-parameters.ts'
import {
  FloatArena,
  isFileMemory,
  readFloatWeight,
  turnTaker,
  type TakeTurns,
} from './read-float-weight.ts'
import type { Runtime, Session, SessionOptions, SharedWeights } from './runtime/runtime.ts'
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
  /** What sessions that are made at other times have packed; none unless given. Who gives it disposes of it. */
  readonly sharedWeights?: SharedWeights | undefined
  readonly signal?: AbortSignal | undefined
}

/** `live`: the parameters that some output depends on. */
type LoweredParameters = LoweredGraph & {
  readonly live: readonly Value[]
  readonly writing: WritingOptions
}

type WritingOptions = Pick<OnnxOptions, 'order' | 'unsized'>

/** A graph, and how it is lowered beside its precision, and written. */
export type SessionGraph = LoweringOptions & WritingOptions & { readonly graph: Graph }

/** Lowers a graph by `policy` and makes a session with its weights. */
export async function createModelSession(
  graph: SessionGraph,
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session> {
  const [session] = await createModelSessions([graph], policy, parts)
  return session as Session
}

/** The same for graphs over one set of weights, which are held in memory once. */
export async function createModelSessions(
  graphs: readonly SessionGraph[],
  policy: PrecisionPolicy,
  parts: SessionParts,
): Promise<Session[]> {
  await nextTurn()
  const takeTurns = turnTaker(parts.signal)
  const lowered: LoweredParameters[] = []
  for (const { graph, order, unsized, ...options } of graphs) {
    const made = await inTurns(loweringSteps(graph, policy, options))
    const writing = { ...(order && { order }), ...(unsized && { unsized }) }
    lowered.push({ ...made, live: liveParameters(made.graph), writing })
    await takeTurns()
  }
  const packed = packedParameters(lowered.map(({ graph }) => graph))
  await takeTurns()
  const quantized = await quantizedWeights(lowered, parts)
  await takeTurns()
  const { read, toPack } = weightReader(lowered, { ...parts, quantized, takeTurns, packed })
  const ownWeights =
    graphs.length > 1 && !parts.sharedWeights ? parts.runtime.createSharedWeights() : undefined
  const sharedWeights = parts.sharedWeights ?? ownWeights
  const sessions: Session[] = []
  try {
    for (const { graph, live, writing } of lowered) {
      const initializers = new Map<string, HostTensor>()
      for (const value of live) initializers.set(value.name, await read(value))
      const model = await inTurns(onnxSteps(graph, writing))
      const made = createSession(model, { initializers, sharedWeights }, parts)
      parts.onRead?.()
      sessions.push(await made)
    }
  } catch (error) {
    for (const session of sessions) session.dispose()
    throw error
  } finally {
    ownWeights?.dispose()
  }
  for (const session of sessions) session.releaseWeights(packed)
  await toPack.discard(takeTurns)
  // What was mapped need not stay in memory either.
  for (const [source, names] of [
    [quantized, quantized?.tensors.keys() ?? []],
    [parts.parameters, [...packed].filter((name) => !quantized?.tensors.has(name))],
  ] as const) {
    for (const name of names) {
      source?.release?.(name)
      await takeTurns()
    }
  }
  return sessions
}

/** The quantised forms that lowered graphs want; null where they want none. */
async function quantizedWeights(
  lowered: readonly LoweredGraph[],
  parts: SessionParts,
): Promise<WeightSource | null> {
  const linears = new Map(
    lowered.flatMap((one) => one.linears.map((linear) => [linear.name, linear])),
  )
  const plan = quantizePlan([...linears.values()], parts)
  return plan.length > 0 ? parts.quantize(plan) : null
}

function createSession(
  model: Uint8Array,
  options: Pick<SessionOptions, 'initializers' | 'sharedWeights'>,
  { runtime, signal }: SessionParts,
): Promise<Session> {
  return runtime.createSession(model, {
    ...options,
    signal,
    // Folding would read weights from the placeholder file that stands for memory handed over.
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
  })
}

type FloatParts = Pick<SessionParts, 'parameters' | 'known'> & {
  readonly quantized: WeightSource | null
}

type WeightReader = {
  readonly read: (value: Value) => Promise<HostTensor>
  /** Memory of what is widened to be packed. */
  readonly toPack: FloatArena
}

/** Reads each weight once. What is widened to be packed lies in memory of its own, which is given back as a whole. */
function weightReader(
  lowered: readonly LoweredParameters[],
  from: FloatParts & { readonly takeTurns: TakeTurns; readonly packed: ReadonlySet<string> },
): WeightReader {
  const { packed } = from
  const values = new Map(lowered.flatMap(({ live }) => live.map((value) => [value.name, value])))
  const widened = [...values.values()].filter((value) => isWidened(value, from))
  const arena = (isPacked: boolean) =>
    new FloatArena(
      widened
        .filter(({ name }) => packed.has(name) === isPacked)
        .reduce((sum, { shape }) => sum + elementCount(shape as readonly number[]), 0),
    )
  const [toPack, toKeep] = [arena(true), arena(false)]
  const read = new Map<string, HostTensor>()
  return {
    toPack,
    async read(value) {
      const known = read.get(value.name)
      if (known) return known
      const arena = packed.has(value.name) ? toPack : toKeep
      const allocate = (elements: number) => arena.take(elements)
      const tensor = await initializer(value, { ...from, allocate })
      read.set(value.name, tensor)
      return tensor
    },
  }
}

/** Whether a weight becomes a float32 copy. */
function isWidened({ name }: Value, { parameters, known, quantized }: FloatParts): boolean {
  if (quantized?.tensors.has(name) || isFileMemory(name, parameters)) return false
  return known?.get(name)?.dtype !== 'float32'
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
      place: parameters.stored(name).place,
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
