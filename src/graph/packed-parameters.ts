/** Which weights an engine copies into a form of its own when it makes a session. */
import type { Graph, Value } from './graph.ts'
import type { OpName } from './ops/index.ts'

const PRODUCTS: readonly OpName[] = ['MatMul', 'FusedMatMul']

/**
 * The names of parameters that are nothing but the right side of float32 products, in all of `graphs`: ONNX Runtime packs
 * these, and never reads them again. Whatever else reads a parameter reads it at every run.
 */
export function packedParameters(graphs: readonly Graph[]): ReadonlySet<string> {
  const packed = new Set<string>()
  const read = new Set<string>()
  for (const { nodes, outputs } of graphs) {
    for (const { op, inputs } of nodes) {
      inputs.forEach((value, i) => {
        if (value?.origin !== 'parameter') return
        const isPacked = i === 1 && PRODUCTS.includes(op) && isMatrix(value)
        ;(isPacked ? packed : read).add(value.name)
      })
    }
    for (const { value } of outputs) read.add(value.name)
  }
  for (const name of read) packed.delete(name)
  return packed
}

function isMatrix({ dtype, shape }: Value): boolean {
  return dtype === 'float32' && shape.length === 2
}
