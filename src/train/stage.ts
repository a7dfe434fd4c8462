/**
 * A part of the model as sessions: forward, and backward, which makes again or takes from the forward run what it needs.
 *
 * Sessions hold no weights and take any length: weights, activations and gradients are bound at every run, so one stage
 * serves all layers of one shape.
 */
import { copyGraph } from '../autodiff/copy-graph.ts'
import { differentiate, splitBackward, type KeepPolicy } from '../autodiff/index.ts'
import { inTurns } from '../core/steps.ts'
import { Graph, type TensorType, type Value } from '../graph/graph.ts'
import { loweringSteps, type LoweringOptions, type PrecisionPolicy } from '../graph/lower.ts'
import { onnxSteps } from '../graph/onnx-writer.ts'
import type { Feeds, RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'

/** The tensor that a graph's name stands for in one run; a frozen weight is read when it is wanted first. */
export type Lookup = (name: string) => Tensor | Promise<Tensor>

export type StageOptions = LoweringOptions & {
  readonly policy: PrecisionPolicy
  /** Inputs and parameters whose gradients the backward run gives; none: there is no backward run. */
  readonly wrt: readonly string[]
  readonly keep?: KeepPolicy
  /** Outputs that are an input as it came: their gradients are added to that input's, and forward does not copy it. */
  readonly passed?: readonly string[]
  /** Backward gives forward's outputs too, and nothing is computed twice: for a loss. */
  readonly together?: boolean
}

export type KeptTensor = TensorType & { readonly name: string }

export class Stage {
  /** Outputs of forward and inputs of backward. */
  readonly kept: readonly KeptTensor[]
  readonly #runtime: Runtime
  readonly #policy: PrecisionPolicy
  readonly #lowering: LoweringOptions
  readonly #graphs: StageGraphs
  readonly #sessions = new Map<keyof StageGraphs, Promise<Session>>()

  constructor(runtime: Runtime, graph: Graph, options: StageOptions) {
    this.#runtime = runtime
    this.#policy = options.policy
    this.#lowering = { widen: options.widen ?? false }
    const { graphs, kept } = stageGraphs(graph, options)
    this.#graphs = graphs
    this.kept = kept
  }

  async forward(find: Lookup, options: RunOptions): Promise<void> {
    await run(await this.#session('forward'), find, options)
  }

  /**
   * Writes the gradients of parameters over what is there, or adds them to it (`accumulate`). Names: `gradient.NAME`;
   * what is added to is `accumulated.NAME`, the same memory.
   */
  async backward(
    find: Lookup,
    { accumulate, ...options }: RunOptions & { readonly accumulate: boolean },
  ): Promise<void> {
    await run(await this.#session(accumulate ? 'accumulating' : 'backward'), find, options)
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions.values()) (await session).dispose()
  }

  #session(kind: keyof StageGraphs): Promise<Session> {
    const known = this.#sessions.get(kind)
    if (known) return known
    const graph = this.#graphs[kind]
    if (!graph) throw new Error(`internal: ${this.#graphs.forward.name} has no gradients`)
    const session = this.#makeSession(graph)
    this.#sessions.set(kind, session)
    return session
  }

  async #makeSession(source: Graph): Promise<Session> {
    const { graph } = await inTurns(loweringSteps(source, this.#policy, this.#lowering))
    return this.#runtime.createSession(await inTurns(onnxSteps(graph, { parameters: 'inputs' })))
  }
}

type StageGraphs = {
  readonly forward: Graph
  readonly backward: Graph | null
  readonly accumulating: Graph | null
}

function stageGraphs(
  graph: Graph,
  { wrt, keep, passed = [], together = false }: StageOptions,
): { readonly graphs: StageGraphs; readonly kept: readonly KeptTensor[] } {
  if (wrt.length === 0) {
    const forward = withOutputs(graph, (name) => !passed.includes(name))
    return { graphs: { forward, backward: null, accumulating: null }, kept: [] }
  }
  if (together) {
    const backward = differentiate(graph, { wrt })
    const accumulating = differentiate(graph, { wrt, accumulate: true })
    return { graphs: { forward: graph, backward, accumulating }, kept: [] }
  }
  const split = splitBackward(graph, { wrt, keep })
  const { backward: accumulating } = splitBackward(graph, { wrt, keep, accumulate: true })
  const forward = withOutputs(split.forward, (name) => !passed.includes(name))
  const kept = split.kept.map((name) => ({ name, ...outputOf(forward, name) }))
  return { graphs: { forward, backward: split.backward, accumulating }, kept }
}

/** The graph with some of its outputs, and only what they need. */
function withOutputs(graph: Graph, isWanted: (name: string) => boolean): Graph {
  const target = new Graph(graph.name)
  const outputs = graph.outputs.filter(({ name }) => isWanted(name))
  const wanted = outputs.map(({ value }) => value)
  const copies = copyGraph(graph, target, { wanted, replaced: new Map() })
  for (const { name, value } of outputs) target.output(name, copies.get(value) as Value)
  return target
}

function outputOf(graph: Graph, name: string): TensorType {
  const found = graph.outputs.find((output) => output.name === name)
  if (!found) throw new Error(`internal: ${graph.name} does not give ${name}`)
  return { dtype: found.value.dtype, shape: found.value.shape }
}

async function run(session: Session, find: Lookup, options: RunOptions): Promise<void> {
  const inputs = await pick(session.inputNames, find)
  await session.run(inputs, await pick(session.outputNames, find), options)
}

async function pick(names: readonly string[], find: Lookup): Promise<Feeds> {
  const feeds: Record<string, Tensor> = {}
  for (const name of names) feeds[name] = await find(name)
  return feeds
}
