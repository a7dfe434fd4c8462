/**
 * Gradients of a graph, as graphs: nothing runs here.
 *
 *   differentiate   forward and backward in one graph
 *   splitBackward   two graphs, for two sessions: the backward one makes what it needs of the forward again, or
 *                   takes chosen values that the forward one gave out
 *
 * Names: the gradient of x is `gradient.x`, whether it comes in (of an output) or goes out (of an input or a
 * parameter), so the layer before reads the very buffer that this one wrote.
 */
import { ConfigError } from '../core/errors.ts'
import { Graph, type Node, type Value } from '../graph/graph.ts'
import { copyGraph, reach } from './copy-graph.ts'
import { isFloat } from './is-float.ts'
import { reversePass } from './reverse-pass.ts'

export type DifferentiateOptions = {
  /** Names of the parameters and inputs whose gradients are outputs, `gradient.NAME`. */
  readonly wrt: readonly string[]
  /**
   * Names of the outputs that are differentiated; default: all. A scalar is a loss, its own gradient 1; any other has an
   * input `gradient.NAME` of its shape.
   */
  readonly of?: readonly string[]
  /** Adds to each wanted parameter's gradient an input `accumulated.NAME`, which may be the output's own memory. */
  readonly accumulate?: boolean
}

/** Which nodes' first outputs are kept from the forward run for the backward one. */
export type KeepPolicy = (node: Node) => boolean

export type SplitOptions = DifferentiateOptions & {
  /** Default: nothing, all is computed again. */
  readonly keep?: KeepPolicy
}

export type SplitGraphs = {
  /** The graph itself, with the kept values as further outputs. */
  readonly forward: Graph
  /** Inputs: those of the graph that are needed, and `kept.0` …, `gradient.OUTPUT`, `accumulated.PARAMETER`. */
  readonly backward: Graph
  /** The names `kept.0` … in order: outputs of the one, inputs of the other. */
  readonly kept: readonly string[]
}

/**
 * The graph with the gradients of `wrt` as further outputs.
 *
 * Throws ConfigError (CONFIG_GRADIENT_NAME) for names that are not in the graph or that no differentiated output
 * depends on, and (CONFIG_GRADIENT_OP) for ops that only serve running.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  const work = addGradients(graph, options)
  const target = new Graph(`${graph.name}.gradients`)
  const outputs = [...work.outputs, ...work.gradients]
  finish(work, target, { outputs, replaced: new Map() })
  return target
}

/** Forward and backward as graphs of their own. Throws as `differentiate` does. */
export function splitBackward(graph: Graph, options: SplitOptions): SplitGraphs {
  const { keep = () => false } = options
  const work = addGradients(graph, options)
  const candidates = work.forwardNodes.filter(keep).map((node) => node.outputs[0] as Value)
  const wanted = work.gradients.map(({ value }) => value)
  const { leaves } = reach(wanted, new Set(candidates))
  const kept = candidates
    .filter((value) => leaves.has(value))
    .map((value, i) => ({ name: `kept.${i}`, value }))

  const backward = new Graph(`${graph.name}.backward`)
  const replaced = new Map(
    kept.map(({ name, value }) => [value, backward.input(name, value.dtype, value.shape)] as const),
  )
  finish(work, backward, { outputs: work.gradients, replaced })
  const forward = new Graph(graph.name)
  finish(work, forward, { outputs: [...work.outputs, ...kept], replaced: new Map() })
  return { forward, backward, kept: kept.map(({ name }) => name) }
}

/** Keeps what products and attention gave: what is made again between them is cheap. */
export function keepProducts({ op }: Node): boolean {
  return op === 'Linear' || op === 'MultiHeadAttention' || op === 'GroupedAttention'
}

type Named = { readonly name: string; readonly value: Value }

/** A copy of a graph with the nodes of its gradients added; many of them dead. */
type Work = {
  readonly graph: Graph
  readonly forwardNodes: readonly Node[]
  readonly outputs: readonly Named[]
  readonly gradients: readonly Named[]
}

function addGradients(source: Graph, options: DifferentiateOptions): Work {
  const graph = new Graph(source.name)
  const wanted = wantedValues(source, options.wrt)
  const needed = [...source.outputs.map(({ value }) => value), ...wanted]
  const copies = copyGraph(source, graph, { wanted: needed, replaced: new Map() })
  const copy = (value: Value) => copies.get(value) as Value
  const forwardNodes = [...graph.nodes]

  const seeds = new Map<Value, Value>()
  for (const { name, value } of differentiatedOutputs(source, options)) {
    const output = copy(value)
    const seed = output.shape.length === 0 ? graph.scalar(1) : gradientInput(graph, name, value)
    const known = seeds.get(output)
    seeds.set(output, known ? graph.op('Add', [known, seed]) : seed)
  }
  const isParameter = (value: Value) => value.origin === 'parameter'
  for (const { name, dtype, shape } of options.accumulate ? wanted.filter(isParameter) : []) {
    const start = graph.input(`accumulated.${name}`, dtype, shape)
    seeds.set(graph.parameter(name, shape as readonly number[], dtype), start)
  }
  const results = reversePass(graph, seeds, wanted.map(copy))
  const gradients = wanted.map((value) => {
    const gradient = results.get(copy(value))
    if (!gradient || gradient.name === `accumulated.${value.name}`) throw unreached(source, value)
    return { name: `gradient.${value.name}`, value: gradient }
  })
  const outputs = source.outputs.map(({ name, value }) => ({ name, value: copy(value) }))
  return { graph, forwardNodes, outputs, gradients }
}

function gradientInput(graph: Graph, name: string, { dtype, shape }: Value): Value {
  return graph.input(`gradient.${name}`, dtype, shape)
}

function wantedValues(graph: Graph, names: readonly string[]): Value[] {
  return names.map((name) => {
    const value = graph.parameters.get(name) ?? graph.inputs.find((input) => input.name === name)
    if (value && isFloat(value)) return value
    throw new ConfigError(
      'CONFIG_GRADIENT_NAME',
      `${graph.name}: wrt should name parameters or inputs of floats, "${name}" came; the graph has ${[...graph.parameters.keys(), ...graph.inputs.map((input) => input.name)].join(', ')}.`,
    )
  })
}

function differentiatedOutputs(
  graph: Graph,
  { of: names }: DifferentiateOptions,
): readonly Named[] {
  if (!names) return graph.outputs.filter(({ value }) => isFloat(value))
  return names.map((name) => {
    const output = graph.outputs.find((candidate) => candidate.name === name)
    if (output && isFloat(output.value)) return output
    throw new ConfigError(
      'CONFIG_GRADIENT_NAME',
      `${graph.name}: of should name outputs of floats, "${name}" came; the graph has ${graph.outputs.map((candidate) => candidate.name).join(', ')}.`,
    )
  })
}

function unreached(graph: Graph, { name }: Value): ConfigError {
  return new ConfigError(
    'CONFIG_GRADIENT_NAME',
    `${graph.name}: no differentiated output depends on ${name}, so it has no gradient; leave it out of wrt.`,
  )
}

/** Copies what the outputs need into `target` and names them there. */
function finish(
  { graph }: Work,
  target: Graph,
  {
    outputs,
    replaced,
  }: { readonly outputs: readonly Named[]; readonly replaced: ReadonlyMap<Value, Value> },
): void {
  const wanted = outputs.map(({ value }) => value)
  const copies = copyGraph(graph, target, { wanted, replaced })
  for (const { name, value } of outputs) target.output(name, copies.get(value) as Value)
}
