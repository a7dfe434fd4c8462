/**
 * The decoder as the engine runs it: embeddings in, cached attention, logits of the rows asked for.
 *
 * A float32 cache needs one graph, and another with the same weights where short prompts are read together. An int8 cache
 * needs two, since its operator is fast with one new position and slow with many: one prefills over the unpacked past, the
 * other decodes over the cache as it is.
 */
import { sum } from '../graph/dimension.ts'
import { Graph, type Value } from '../graph/graph.ts'
import { decoder, languageHead, type DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim, type LayerContext } from '../layers/attention.ts'
import { flattenRows } from '../layers/linear.ts'

/** How keys and values are kept: as they are computed, or in 8 bits with a scale for each channel. */
export const CACHE_FORMS = ['f32', 'int8'] as const
export type CacheForm = (typeof CACHE_FORMS)[number]

export type CacheNames = { readonly key: string; readonly value: string }

/**
 * Names of a layer's cache among inputs, or of one segment's; the outputs have the same names with `present.` for `past.`.
 */
export function cacheNames(layer: number, segment: number | null = null): CacheNames {
  const name = (kind: string) => segmentName(`past.${layer}.${kind}`, segment)
  return { key: name('key'), value: name('value') }
}

/** The name of what each segment has. */
export function segmentName(name: string, segment: number | null): string {
  return segment === null ? name : `${name}.${segment}`
}

/** Names of the scales of a layer's int8 cache among inputs: those of `CacheScales`. */
export function scaleNames(
  layer: number,
): CacheNames & { readonly query: string; readonly output: string } {
  const name = (of: string) => `scale.${layer}.${of}`
  return { key: name('key'), value: name('value'), query: name('query'), output: name('output') }
}

/** Names of what a prefill adds to a layer's int8 cache, and of its channels' largest values, among outputs. */
export function addedNames(layer: number): {
  readonly rows: CacheNames
  readonly largest: CacheNames
} {
  const names = (of: string) => ({ key: `${of}.${layer}.key`, value: `${of}.${layer}.value` })
  return { rows: names('added'), largest: names('largest') }
}

/**
 * Inputs: embeddings float32[B,T,D]; rows int64[R], of B·T, whose logits are wanted; lastPosition int32[B];
 * totalLength int32[]; cos and sin float32[positions,H/2]; each layer's cache float32[B,K,C,H], H being `cacheHeadDim`.
 * Outputs: logits float32[R,V] and each layer's cache, to be bound to the inputs' memory.
 */
export function decoderGraph(config: DecoderConfig): Graph {
  return inPlaceGraph(config, 'f32')
}

/** The same over int8 caches, with the scales of each layer: key and value float32[B,1,K·H], query and output [B,1,N·H]. */
export function int8DecodeGraph(config: DecoderConfig): Graph {
  return inPlaceGraph(config, 'int8')
}

/**
 * More positions of one sequence after those of its int8 cache.
 *
 * Inputs: as `decoderGraph` with B = 1, the caches int8; cached uint8[P], any values, P the filled length; positions
 * int64[1,T]; each layer's scales of keys and values float32[1,1,K·H], 0 where new rows may give them themselves.
 * Outputs: logits float32[R,V]; each layer's new rows int8[1,K,T,H], and their channels' largest values float32[1,1,K·H].
 */
export function int8PrefillGraph(config: DecoderConfig): Graph {
  const g = new Graph('prefill')
  const inputs = sharedInputs(g, config, 1)
  g.input('cached', 'uint8', ['P'])
  const positions = g.input('positions', 'int64', [1, 'T'])
  const caches = layersOf(config, (i): LayerContext => {
    const names = scaleNames(i)
    const pastScales = {
      key: g.input(names.key, 'float32', [1, 1, kvWidth(config)]),
      value: g.input(names.value, 'float32', [1, 1, kvWidth(config)]),
    }
    const past = { ...cacheInputs(g, config, { layer: i, batch: 1, dtype: 'int8' }), pastScales }
    return { ...past, ...inputs.attention, positions, length: 'P' }
  })
  const result = decoder(g, config, inputs.embeddings, caches)
  g.output('logits', languageHead(g, config, rowsOf(g, result.hidden, inputs.rows)))
  result.caches.forEach(({ key, value, largest }, i) => {
    const names = addedNames(i)
    g.output(names.rows.key, key)
    g.output(names.rows.value, value)
    if (!largest) throw new Error('internal: new rows of an int8 cache without their sizes')
    g.output(names.largest.key, largest.key)
    g.output(names.largest.value, largest.value)
  })
  return g
}

/**
 * The same as `decoderGraph` with B = 1 for the prompts of several sequences, one behind the other: all rows go through each
 * product together, and each segment attends to its own cache.
 *
 * Inputs: embeddings float32[1,T0+T1+…,D]; rows, cos and sin as before; for each segment s: length.s uint8[Ts], any values;
 * lastPosition.s int32[1]; totalLength.s int32[]; each layer's cache float32[1,K,Cs,H], its names ending in `.s`.
 * Outputs: logits float32[R,V] and the caches.
 */
export function segmentedGraph(config: DecoderConfig, segments: number): Graph {
  const g = new Graph('prompts')
  const indices = Array.from({ length: segments }, (_, s) => s)
  const embeddings = g.input('embeddings', 'float32', [
    1,
    sum(indices.map(segmentLength)),
    config.hiddenSize,
  ])
  const rows = g.input('rows', 'int64', ['R'])
  const tables = tableInputs(g, config)
  const states = indices.map((segment) => {
    const length = segmentLength(segment)
    g.input(segmentName('length', segment), 'uint8', [length])
    return { ...stateInputs(g, 1, segment), ...tables, length, scales: null }
  })
  const caches = layersOf(config, (layer): LayerContext => ({
    segments: states.map((state, segment) => ({
      ...cacheInputs(g, config, { layer, batch: 1, dtype: 'float32', segment }),
      ...state,
    })),
  }))
  const result = decoder(g, config, embeddings, caches)
  g.output('logits', languageHead(g, config, rowsOf(g, result.hidden, rows)))
  result.caches.forEach(({ segments: extended = [] }, layer) =>
    extended.forEach((cache, segment) => outputCache(g, cacheNames(layer, segment), cache)),
  )
  return g
}

function segmentLength(segment: number): string {
  return `T${segment}`
}

export function presentName(past: string): string {
  return past.replace('past.', 'present.')
}

/** K·H: elements of one position of a cache, and of the scales of keys or values. */
export function kvWidth({ attention }: DecoderConfig): number {
  return attention.numKvHeads * cacheHeadDim(attention.headDim)
}

/** N·H: elements of a position's queries at the cache's width of a head. */
export function queryWidth({ attention }: DecoderConfig): number {
  return attention.numHeads * cacheHeadDim(attention.headDim)
}

function inPlaceGraph(config: DecoderConfig, form: CacheForm): Graph {
  const g = new Graph('decoder')
  const inputs = sharedInputs(g, config, 'B')
  const dtype = form === 'int8' ? 'int8' : 'float32'
  const caches = layersOf(config, (i): LayerContext => {
    const cache = cacheInputs(g, config, { layer: i, batch: 'B', dtype })
    return { ...cache, ...inputs.attention, scales: form === 'int8' ? scales(g, config, i) : null }
  })
  const result = decoder(g, config, inputs.embeddings, caches)
  g.output('logits', languageHead(g, config, rowsOf(g, result.hidden, inputs.rows)))
  result.caches.forEach((cache, i) => outputCache(g, cacheNames(i), cache))
  return g
}

function outputCache(
  g: Graph,
  names: CacheNames,
  { key, value }: { readonly key: Value; readonly value: Value },
): void {
  g.output(presentName(names.key), key)
  g.output(presentName(names.value), value)
}

function sharedInputs(g: Graph, config: DecoderConfig, batch: 'B' | 1) {
  return {
    embeddings: g.input('embeddings', 'float32', [batch, 'T', config.hiddenSize]),
    rows: g.input('rows', 'int64', ['R']),
    attention: { ...stateInputs(g, batch, null), ...tableInputs(g, config) },
  }
}

function stateInputs(g: Graph, batch: 'B' | 1, segment: number | null) {
  return {
    lastPosition: g.input(segmentName('lastPosition', segment), 'int32', [batch]),
    totalLength: g.input(segmentName('totalLength', segment), 'int32', []),
  }
}

function tableInputs(g: Graph, { attention }: DecoderConfig) {
  const angles = cacheHeadDim(attention.headDim) / 2
  return {
    cos: g.input('cos', 'float32', ['positions', angles]),
    sin: g.input('sin', 'float32', ['positions', angles]),
  }
}

function layersOf<T>(config: DecoderConfig, make: (layer: number) => T): T[] {
  return Array.from({ length: config.numLayers }, (_, layer) => make(layer))
}

function cacheInputs(
  g: Graph,
  { attention }: DecoderConfig,
  {
    layer,
    batch,
    dtype,
    segment = null,
  }: { layer: number; batch: 'B' | 1; dtype: 'float32' | 'int8'; segment?: number | null },
): { readonly key: Value; readonly value: Value } {
  const names = cacheNames(layer, segment)
  const capacity = segment === null ? 'C' : `C${segment}`
  const shape = [batch, attention.numKvHeads, capacity, cacheHeadDim(attention.headDim)]
  return { key: g.input(names.key, dtype, shape), value: g.input(names.value, dtype, shape) }
}

function scales(g: Graph, config: DecoderConfig, layer: number) {
  const names = scaleNames(layer)
  const scale = (name: string, width: number) => g.input(name, 'float32', ['B', 1, width])
  return {
    key: scale(names.key, kvWidth(config)),
    value: scale(names.value, kvWidth(config)),
    query: scale(names.query, queryWidth(config)),
    output: scale(names.output, queryWidth(config)),
  }
}

/** hidden [B, T, D] at flattened rows [R] gives [R, D]. */
function rowsOf(g: Graph, hidden: Value, rows: Value): Value {
  return g.op('Gather', [flattenRows(g, hidden), rows], { axis: 0 })
}
