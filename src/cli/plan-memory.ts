/**
 * How much memory a model will take on this machine, by its config alone: the anonymous memory of its process at the most.
 * Files that quantised weights were packed from are mapped besides, and need not stay.
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
  /** Bytes of all weights in their forms. */
  readonly weights: number
  /** What is held at the most while the model is loaded. */
  readonly loading: number
  /** Keys and values of the prompt. */
  readonly cache: number
  /** What is held while a prompt is read. */
  readonly workspace: number
  /** The most of all, at loading or over the prompt. */
  readonly total: number
}

export type PlannedPrompt = {
  /** Positions of prompt and answer. */
  readonly tokens: number
  /** Tiles of its picture, or frames of its clip. */
  readonly tiles: number
  /** Rows of its clip: frames are pooled as they come. */
  readonly clipRows?: number
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

  plan(chosen: ChosenPrecision, prompt: PlannedPrompt): MemoryPlan {
    const { decoder } = this.#config
    const { name: precision, kvCache } = chosen
    const { weights, twice } = this.#weights(chosen)
    const idle = PROCESS + WORD * decoder.vocabSize
    const loading = weights + twice + idle
    const cache = sequenceBytes(decoder, kvCache, prompt.tokens)
    const workspace =
      idle + promptBytes(this.#config, kvCache, prompt.tokens) + mediaBytes(this.#config, prompt)
    const total = Math.max(loading, weights + cache + workspace)
    return { precision, kvCache, weights, loading, cache, workspace, total }
  }

  /** `twice`: float32 weights are widened, then packed by session, and let go of when all of a session is packed. */
  #weights(chosen: ChosenPrecision): { readonly weights: number; readonly twice: number } {
    const { vision, projector, decoder } = this.#graphs
    const parts = [
      examine('vision', vision, chosen.vision),
      examine('projector', projector, chosen.vision),
      examine('decoder', decoder, chosen.decoder),
      examine('singleStream', decoder, chosen.singleStream),
    ]
    const widened = parts.map(({ layers }) =>
      layers.reduce((sum, { form, weights }) => sum + (form === 'f32' ? FLOAT * weights : 0), 0),
    )
    return {
      weights: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      twice: Math.max(...widened),
    }
  }
}

/** Node.js and the engine. */
const PROCESS = 84 << 20
/** Of the vocabulary in the tokenizer and among the forms of answers. */
const WORD = 700
const FLOAT = 4
/** Rows as wide as the model that are held at once between two layers' products. */
const ROWS = 12
/** Rows as wide as the inner layer: gate, its activation, up, their product. */
const INNER_ROWS = 4
/** An int8 past is widened layer by layer: keys and values once, and what is new a second time. */
const UNPACKED = 1.15

/** Of a run of prompt positions over all positions so far: attention and the MLP take turns. */
function promptBytes({ decoder }: ModelConfig, kvCache: CacheForm, tokens: number): number {
  const { hiddenSize, intermediateSize, attention } = decoder
  const run = Math.ceil(tokens / Math.ceil(tokens / PREFILL_CHUNK))
  const width = attention.numKvHeads * cacheHeadDim(attention.headDim)
  const past = kvCache === 'int8' ? UNPACKED * 2 * tokens * width : 0
  const attended = run * tokens * attention.numHeads + past
  const inner = run * INNER_ROWS * intermediateSize
  const rows = (run * ROWS + tokens) * hiddenSize
  return Math.ceil(FLOAT * (rows + Math.max(attended, inner)))
}

/** Frames that are decoded and prepared while one is encoded, and that one. */
const FRAMES_AT_ONCE = 4

/**
 * Tiles and frames go through the tower one by one; rows of all are kept, and once more in the order of the prompt. Of a
 * picture all tiles are there at once, of a clip the next few frames.
 */
function mediaBytes({ vision, decoder }: ModelConfig, { tiles, clipRows }: PlannedPrompt): number {
  if (!vision || tiles === 0) return 0
  const patches = patchesPerSide(vision) ** 2 + 1
  const { hiddenSize, intermediateSize, numHeads, imageSize } = vision
  const inner = Math.max(INNER_ROWS * intermediateSize, numHeads * patches)
  const tower = patches * (ROWS * hiddenSize + inner)
  const held = clipRows === undefined ? tiles : Math.min(tiles, FRAMES_AT_ONCE)
  const pixels = held * 3 * imageSize ** 2
  const rows = clipRows ?? tiles * patches
  return FLOAT * (tower + pixels + 2 * rows * decoder.hiddenSize)
}
