/**
 * How much memory a model will take on this machine, by its config alone: the anonymous memory of its process at the most.
 * Files that quantised weights were packed from are mapped besides, and need not stay.
 *
 * Weights are exact: those of the graphs in their forms. What the engine needs beside them while it reads a prompt is
 * estimated from its largest tensors and its sessions' nodes; measured it is within a tenth or little more: docs/decisions.md.
 */
import type { ChosenPrecision, PrecisionName } from '../choose-precision.ts'
import { atOnce } from '../core/steps.ts'
import { EMBEDDING } from '../decoder/decoder.ts'
import type { ModelConfig } from '../families/family.ts'
import type { Graph } from '../graph/graph.ts'
import { lower, type LoweringOptions, type PrecisionPolicy } from '../graph/lower.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import {
  decoderSessionSteps,
  modelGraphs,
  precisionOf,
  type LoadOptions,
  type ModelGraphs,
} from '../load-model.ts'
import type { CacheForm } from '../serve/decoder-graph.ts'
import { PREFILL_CHUNK } from '../serve/decoder-runner.ts'
import { sequenceBytes } from '../serve/kv-cache.ts'
import { patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
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
  /** Of the table of embeddings, where it is held beside the weights. */
  readonly #table: number

  /** `isTableWidened`: the embeddings are stored in a form that is not looked at in the file, in blocks say. */
  constructor(
    config: ModelConfig,
    facts: { readonly isInt8Exact: boolean; readonly isTableWidened: boolean },
  ) {
    this.#config = config
    this.#graphs = modelGraphs({ config })
    this.#isInt8Exact = facts.isInt8Exact
    const { vocabSize, hiddenSize } = config.decoder
    this.#table = facts.isTableWidened ? FLOAT * vocabSize * hiddenSize : 0
  }

  /** What `loadModel` would choose, and why. */
  choose(
    precision: PrecisionName,
    options: Pick<LoadOptions, 'kvCache' | 'maxRows'>,
  ): ChosenPrecision {
    const facts = { graphs: this.#graphs, isInt8Exact: this.#isInt8Exact }
    return precisionOf({ ...options, precision }, { config: this.#config }, facts)
  }

  plan(chosen: ChosenPrecision, prompt: PlannedPrompt): MemoryPlan {
    const { decoder } = this.#config
    const { name: precision, kvCache } = chosen
    const { weights, packing } = this.#weights(chosen)
    const idle = PROCESS + WORD * decoder.vocabSize + NODE * this.#nodes(chosen) + this.#table
    // A head that is packed from the table is not widened besides.
    const isHeadTable = decoder.tieEmbeddings && chosen.decoder(EMBEDDING) === 'f32'
    const loading = weights + packing + idle - (isHeadTable ? this.#table : 0)
    const cache = sequenceBytes(decoder, kvCache, prompt.tokens)
    const most = Math.max(
      promptBytes(this.#config, kvCache, prompt.tokens),
      towerBytes(this.#config, prompt),
    )
    const workspace = idle + rowBytes(this.#config, prompt) + most
    const total = Math.max(loading, weights + cache + workspace)
    return { precision, kvCache, weights, loading, cache, workspace, total }
  }

  /**
   * `packing`: what is there twice for a while. float32 weights are widened, then packed by session, and let go of when all
   * of a session is packed; a session that shares another's weights packs each of them before it finds that it is there.
   */
  #weights(chosen: ChosenPrecision): { readonly weights: number; readonly packing: number } {
    const { vision, projector, decoder } = this.#graphs
    const parts = [
      examine('vision', vision, chosen.vision),
      examine('projector', projector, chosen.vision),
      examine('decoder', decoder, chosen.decoder),
      examine('singleStream', decoder, chosen.singleStream),
    ]
    const packed = parts.map(({ layers, largest }) => {
      const widened = layers.reduce(
        (sum, { form, weights }) => sum + (form === 'f32' ? FLOAT * weights : 0),
        0,
      )
      return Math.max(widened, largest)
    })
    return {
      weights: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      packing: Math.max(...packed),
    }
  }

  /** Of all sessions. */
  #nodes(chosen: ChosenPrecision): number {
    const { vision, projector, decoder } = this.#graphs
    const sessions = atOnce(decoderSessionSteps(this.#config.decoder, decoder, chosen))
    return [
      nodesOf(vision, chosen.vision),
      nodesOf(projector, chosen.vision),
      ...sessions.map(({ graph, digits = 'together' }) =>
        nodesOf(graph, chosen.decoder, { digits }),
      ),
      nodesOf(decoder, chosen.singleStream),
    ].reduce((sum, nodes) => sum + nodes, 0)
  }
}

function nodesOf(
  graph: Graph | null,
  policy: PrecisionPolicy | null,
  options?: LoweringOptions,
): number {
  return graph && policy ? lower(graph, policy, options).graph.nodes.length : 0
}

/** Node.js and the engine. */
const PROCESS = 96 << 20
/** Of a session's graph: the engine's node, its kernel and what it plans for it. */
const NODE = 10 << 10
/** Of the vocabulary in the tokenizer and among the forms of answers. */
const WORD = 400
const FLOAT = 4
/** Rows as wide as the model and as its inner layer that are held at once: input, normed and sum; gate, up and product. */
const ROWS = 3

/**
 * Of a run of prompt positions over all positions so far. Scores are not among it: attention goes block by block. An int8
 * past is unpacked layer by layer, and lies once more in front of the run's own keys and values.
 */
function promptBytes({ decoder }: ModelConfig, kvCache: CacheForm, tokens: number): number {
  const { hiddenSize, intermediateSize, attention } = decoder
  const run = Math.ceil(tokens / Math.ceil(tokens / PREFILL_CHUNK))
  const width = attention.numKvHeads * cacheHeadDim(attention.headDim)
  const unpacked = kvCache === 'int8' ? 2 * width * (2 * tokens - run) : 0
  return FLOAT * (run * ROWS * (hiddenSize + intermediateSize) + unpacked)
}

/** Frames that are decoded and prepared while one is encoded, and that one. */
const FRAMES_AT_ONCE = 4
/** The threads that decode and resize. */
const PREPARING = 16 << 20

/**
 * Of the tower, which tiles and frames go through one by one, and their pixels: of a picture all tiles are there at once, of
 * a clip the next few frames. The decoder comes after it, and its intermediates lie in the same arena.
 */
function towerBytes({ vision }: ModelConfig, { tiles, clipRows }: PlannedPrompt): number {
  if (!vision || tiles === 0) return 0
  const { hiddenSize, intermediateSize, imageSize } = vision
  const held = clipRows === undefined ? tiles : Math.min(tiles, FRAMES_AT_ONCE)
  const pixels = held * 3 * imageSize ** 2
  return PREPARING + FLOAT * (pixels + patchesOf(vision) * ROWS * (hiddenSize + intermediateSize))
}

/** A row for each position, and of pictures and clips also as the tower gives them and in the order of the prompt. */
function rowBytes({ vision, decoder }: ModelConfig, prompt: PlannedPrompt): number {
  const { tokens, tiles, clipRows } = prompt
  const encoded = vision && tiles > 0 ? (clipRows ?? tiles * patchesOf(vision)) : 0
  return FLOAT * decoder.hiddenSize * (tokens + 2 * encoded)
}

function patchesOf(vision: VisionConfig): number {
  return patchesPerSide(vision) ** 2 + 1
}
