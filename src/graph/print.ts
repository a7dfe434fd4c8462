/** A graph as text, one node a line: what snapshots compare and `inspect` shows. */
import { formatType } from '../core/shape.ts'
import { checkGraph, type Graph, type Value } from './graph.ts'

export function printGraph(graph: Graph): string {
  checkGraph('printGraph: graph', graph)
  const lines = [`graph ${graph.name}`]
  for (const value of graph.inputs) lines.push(`  input ${typed(value)}`)
  for (const value of graph.parameters.values()) lines.push(`  parameter ${typed(value)}`)
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => (value ? operand(graph, value) : 'none')).join(', ')
    const attributes = Object.entries(node.attributes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${Array.isArray(value) ? `[${value}]` : String(value)}`)
      .join(' ')
    const head = `  ${node.outputs.map(typed).join(', ')} = ${node.op}(${inputs})`
    lines.push(attributes ? `${head} ${attributes}` : head)
  }
  for (const { name, value } of graph.outputs) lines.push(`  output ${name} = ${value.name}`)
  return lines.join('\n')
}

/** A scalar constant is its number. */
function operand(graph: Graph, value: Value): string {
  const constant = graph.constants.get(value)
  return constant?.shape.length === 0 ? String(constant.data[0]) : value.name
}

function typed(value: Value): string {
  return `${value.name} ${formatType(value.dtype, value.shape)}`
}
