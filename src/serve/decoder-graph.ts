/** The decoder as the engine runs it: embeddings in, cached attention, logits of the rows asked for. */
import { Graph, type Value } from '../graph/graph.ts'
import { decoder, languageHead, type DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim, type LayerCache } from '../layers/attention.ts'
import { flattenRows } from '../layers/linear.ts'

/** Names of a layer's cache among inputs; the outputs have the same names with `present.` for `past.`. */
export function cacheNames(layer: number): { readonly key: string; readonly value: string } {
  return { key: `past.${layer}.key`, value: `past.${layer}.value` }
}

/**
 * Inputs: embeddings float32[B,T,D]; rows int64[R], of B·T, whose logits are wanted; lastPosition int32[B];
 * totalLength int32[]; cos and sin float32[positions,H/2]; each layer's cache float32[B,K,C,H], H being `cacheHeadDim`.
 * Outputs: logits float32[R,V] and each layer's cache, to be bound to the inputs' memory.
 */
export function decoderGraph(config: DecoderConfig): Graph {
  const g = new Graph('decoder')
  const { numKvHeads } = config.attention
  const width = cacheHeadDim(config.attention.headDim)
  const embeddings = g.input('embeddings', 'float32', ['B', 'T', config.hiddenSize])
  const rows = g.input('rows', 'int64', ['R'])
  const shared = {
    lastPosition: g.input('lastPosition', 'int32', ['B']),
    totalLength: g.input('totalLength', 'int32', []),
    cos: g.input('cos', 'float32', ['positions', width / 2]),
    sin: g.input('sin', 'float32', ['positions', width / 2]),
  }
  const cacheShape = ['B', numKvHeads, 'C', width]
  const caches = Array.from({ length: config.numLayers }, (_, i): LayerCache => {
    const names = cacheNames(i)
    const key = g.input(names.key, 'float32', cacheShape)
    const value = g.input(names.value, 'float32', cacheShape)
    return { key, value, ...shared }
  })
  const result = decoder(g, config, embeddings, caches)
  g.output('logits', languageHead(g, config, rowsOf(g, result.hidden, rows)))
  result.caches.forEach((cache, i) => {
    const names = cacheNames(i)
    g.output(presentName(names.key), cache.key)
    g.output(presentName(names.value), cache.value)
  })
  return g
}

export function presentName(past: string): string {
  return past.replace('past.', 'present.')
}

/** hidden [B, T, D] at flattened rows [R] gives [R, D]. */
function rowsOf(g: Graph, hidden: Value, rows: Value): Value {
  return g.op('Gather', [flattenRows(g, hidden), rows], { axis: 0 })
}
