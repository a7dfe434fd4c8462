/**
 * How much memory a model will take on this machine, by its config alone.
 *
 * Weights are exact: those of the graphs in their forms. What the engine needs beside them while it reads a prompt is
 * estimated from its largest tensors; measured on models of full width it is within a tenth: docs/decisions.md.
 */
import type { ChosenPrecision, PrecisionName } from '../choose-precision.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import type { ModelConfig } from '../families/family.ts'
import { modelGraphs, precisionOf, type ModelGraphs } from '../load-model.ts'
import type { CacheForm } from '../serve/decoder-graph.ts'
import { PREFILL_CHUNK } from '../serve/decoder-runner.ts'
import { sequenceBytes } from '../serve/kv-cache.ts'
import { patchesPerSide } from '../vision/vision-transformer.ts'
import { examine } from './precision-facts.ts'

export type MemoryPlan = {
  readonly precision: ChosenPrecision['name']
  readonly kvCache: CacheForm
  /** Bytes of all weights in their forms; quantised ones are mapped files. */
  readonly weights: number
  /** Keys and values of the prompt. */
  readonly cache: number
  /** What is held while a prompt is read. */
  readonly workspace: number
  readonly total: number
}

export type PlannedPrompt = {
  /** Positions of prompt and answer. */
  readonly tokens: number
  /** Tiles and frames among them. */
  readonly tiles: number
}

/** The plans of one model at several precisions. */
export class MemoryPlanner {
  readonly #config: ModelConfig
  readonly #graphs: ModelGraphs
  readonly #isInt8Exact: boolean

  constructor(config: ModelConfig, { isInt8Exact }: { readonly isInt8Exact: boolean }) {
    this.#config = config
    this.#graphs = modelGraphs({ config })
    this.#isInt8Exact = isInt8Exact
  }

  /** What `loadModel` would choose, and why. */
  choose(precision: PrecisionName, kvCache: CacheForm | undefined): ChosenPrecision {
    const facts = { graphs: this.#graphs, isInt8Exact: this.#isInt8Exact }
    return precisionOf({ precision, kvCache }, { config: this.#config }, facts)
  }

  plan(chosen: ChosenPrecision, { tokens, tiles }: PlannedPrompt): MemoryPlan {
    const { decoder } = this.#config
    const { name: precision, kvCache } = chosen
    const weights = this.#weights(chosen)
    const cache = sequenceBytes(decoder, kvCache, tokens)
    const workspace =
      PROCESS + promptBytes(this.#config, kvCache, tokens) + pictureBytes(this.#config, tiles)
    return { precision, kvCache, weights, cache, workspace, total: weights + cache + workspace }
  }

  #weights(chosen: ChosenPrecision): number {
    const { vision, projector, decoder } = this.#graphs
    const bytes = [
      examine('vision', vision, chosen.vision),
      examine('projector', projector, chosen.vision),
      examine('decoder', decoder, chosen.decoder),
      examine('singleStream', decoder, chosen.singleStream),
    ].reduce((sum, part) => sum + part.bytes, 0)
    const { vocabSize, hiddenSize } = this.#config.decoder
    // In float32 the engine packs the head and keeps it unpacked too.
    return chosen.name === 'f32' ? bytes + 4 * vocabSize * hiddenSize : bytes
  }
}

/** Node.js, the engine, tokenizer and what loading leaves behind. */
const PROCESS = 160 << 20
const FLOAT = 4
/** Rows as wide as the model that are held at once between two layers' products. */
const ROWS = 12
/** Rows as wide as the inner layer: gate, its activation, up, their product. */
const INNER_ROWS = 4
/** An int8 past is widened layer by layer; about this many copies of keys and values are alive. */
const UNPACKED = 1.6

/** Of a run of prompt positions over all positions so far. */
function promptBytes({ decoder }: ModelConfig, kvCache: CacheForm, tokens: number): number {
  const { hiddenSize, intermediateSize, attention } = decoder
  const run = Math.ceil(tokens / Math.ceil(tokens / PREFILL_CHUNK))
  const width = attention.numKvHeads * cacheHeadDim(attention.headDim)
  const scores = run * tokens * attention.numHeads
  const rows = run * (ROWS * hiddenSize + INNER_ROWS * intermediateSize)
  const past = kvCache === 'int8' ? UNPACKED * 2 * tokens * width : 0
  return Math.ceil(FLOAT * (scores + rows + past + tokens * hiddenSize))
}

/** Tiles go through the tower one by one; rows of all are kept, and once more in the order of the prompt. */
function pictureBytes({ vision, decoder }: ModelConfig, tiles: number): number {
  if (!vision || tiles === 0) return 0
  const patches = patchesPerSide(vision) ** 2 + 1
  const { hiddenSize, intermediateSize, numHeads, imageSize } = vision
  const tower = patches * (ROWS * hiddenSize + INNER_ROWS * intermediateSize + numHeads * patches)
  const pixels = tiles * 3 * imageSize ** 2
  return FLOAT * (tower + pixels + 2 * tiles * patches * decoder.hiddenSize)
}
