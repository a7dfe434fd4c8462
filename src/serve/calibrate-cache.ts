/**
 * The scales of a model's int8 cache: from what its keys and values are over a short prompt of tokens drawn from the whole
 * vocabulary, with as much room again. They are made when the model is loaded, and every sequence has the same.
 */
import { Rng } from '../core/rng.ts'
import { INT8_LEVELS, SMALLEST_SCALE } from '../layers/int8-cache.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { ChannelSizes } from './kv-cache.ts'

/** Tokens that are read, and how much larger than all of theirs a value may be: both by measurement, docs/decisions.md. */
const TOKENS = 128
const HEADROOM = 2
const SEED = 1

/** The scales of a runner's caches, to be set before it makes the first; null over float32. */
export async function cacheScales(
  runner: DecoderRunner,
  table: EmbeddingTable,
  options: RunOptions = {},
): Promise<ChannelSizes | null> {
  if (runner.cacheForm === 'f32') return null
  const ids = drawTokens(Math.min(table.rows, runner.config.vocabSize))
  const embeddings = new Float32Array(TOKENS * table.width)
  table.copyRows(ids, embeddings)
  const largest = await runner.largestOfCache(embeddings, options)
  return largest.map(({ key, value }) => ({ key: scalesFor(key), value: scalesFor(value) }))
}

/**
 * Half of them evenly, a quarter each near the first and the last, on a scale of logarithms: the special and the frequent
 * tokens lie there, whose keys and values are like no others'.
 */
function drawTokens(vocabulary: number): number[] {
  const rng = new Rng(SEED)
  return Array.from({ length: TOKENS }, (_, i) => {
    if (i % 2 === 0) return rng.integer(vocabulary)
    const distance = Math.floor(vocabulary ** rng.uniform())
    return i % 4 === 1 ? distance - 1 : vocabulary - distance
  })
}

/** Damaged weights give no numbers here; whoever uses them is told so by the answer's logits. */
function scalesFor(largest: Float32Array): Float32Array {
  return largest.map((size) => {
    const scale = (HEADROOM * size) / INT8_LEVELS
    return scale > SMALLEST_SCALE && scale < Infinity ? scale : SMALLEST_SCALE
  })
}
