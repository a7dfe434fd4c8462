/**
 * What rows of pictures say in the decoder's words, before the decoder: their products with rows of its embedding table.
 *
 *   loss = −Σ targets ∘ log softmax(length · x / √(mean(x²) + ε) · Wᵀ)
 *
 * Rows are compared at the mean length of embeddings, so it is their direction that is learnt.
 */
import { EMBEDDING, type DecoderConfig } from '../decoder/decoder.ts'
import { Graph } from '../graph/graph.ts'
import { turnTaker } from '../read-float-weight.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import { gatherRows, scatterRows } from './copy-rows.ts'
import type { ModelWeights } from './model-weights.ts'
import { Scratch } from './scratch.ts'
import { Stage } from './stage.ts'

/** What rows of pictures should say. */
export type WordTargets = {
  /** int64[W], tokens that are told apart. */
  readonly ids: BigInt64Array
  /** Positions of the R rows. */
  readonly rows: Int32Array
  /** float32[R,W], how much each word counts for each row. */
  readonly weights: Float32Array
}

/** rows float32[R,D], ids int64[W], targets float32[R,W], length float32[D] to loss float32[]. */
export function wordsGraph({ vocabSize, hiddenSize, epsilon }: DecoderConfig): Graph {
  const g = new Graph('words')
  const rows = g.input('rows', 'float32', ['R', hiddenSize])
  const ids = g.input('ids', 'int64', ['W'])
  const targets = g.input('targets', 'float32', ['R', 'W'])
  const length = g.input('length', 'float32', [hiddenSize])
  const table = g.parameter(EMBEDDING, [vocabSize, hiddenSize])
  const words = g.op('Gather', [table, ids], { axis: 0 }) // [W, D]
  const scaled = g.op('SimplifiedLayerNormalization', [rows, length], { epsilon, axis: -1 })
  const logits = g.op('Linear', [scaled, words, null]) // [R, W]
  const total = g.op('ReduceLogSumExp', [logits], { axes: [1], keepdims: 1 }) // [R, 1]
  const weighted = g.op('Mul', [targets, g.op('Sub', [total, logits])])
  g.output('loss', g.op('ReduceSum', [weighted], { axes: [0, 1], keepdims: 0 }))
  return g
}

export class WordsPass {
  readonly #config: DecoderConfig
  readonly #weights: ModelWeights
  readonly #backward: Stage
  readonly #forward: Stage
  readonly #scratch: Scratch
  #length: Float32Array | null = null

  constructor(
    runtime: Runtime,
    { config, weights }: { readonly config: DecoderConfig; readonly weights: ModelWeights },
  ) {
    this.#config = config
    this.#weights = weights
    this.#scratch = new Scratch(runtime)
    const policy = () => 'f32' as const
    const graph = wordsGraph(config)
    this.#backward = new Stage(runtime, graph, { policy, wrt: ['rows'], together: true })
    this.#forward = new Stage(runtime, graph, { policy, wrt: [] })
  }

  async loss(embeddings: Tensor, targets: WordTargets, options: RunOptions): Promise<number> {
    const tensors = await this.#inputs(embeddings, targets)
    await this.#forward.forward(this.#weights.lookup(tensors), options)
    return lossIn(tensors)
  }

  /** The loss and dy, its gradient with respect to the embeddings float32[1,T,D]. */
  async differentiate(
    embeddings: Tensor,
    targets: WordTargets,
    options: RunOptions,
  ): Promise<{ readonly loss: number; readonly dy: Tensor }> {
    const { hiddenSize: width } = this.#config
    const tensors = await this.#inputs(embeddings, targets)
    const gradient = this.#scratch.tensor('gradient.rows', [targets.rows.length, width])
    tensors.set('gradient.rows', gradient)
    await this.#backward.backward(this.#weights.lookup(tensors), { accumulate: false, ...options })
    const dy = this.#scratch.zeros('dy', embeddings.shape)
    scatterRows(dy.data as Float32Array, gradient.data as Float32Array, targets.rows)
    return { loss: lossIn(tensors), dy }
  }

  async dispose(): Promise<void> {
    await this.#backward.dispose()
    await this.#forward.dispose()
    this.#scratch.dispose()
  }

  async #inputs(
    embeddings: Tensor,
    { ids, rows, weights }: WordTargets,
  ): Promise<Map<string, Tensor>> {
    const { hiddenSize: width } = this.#config
    const scratch = this.#scratch
    const gathered = scratch.tensor('rows', [rows.length, width])
    gatherRows(gathered.data as Float32Array, embeddings.data as Float32Array, rows)
    return new Map([
      ['rows', gathered],
      ['ids', scratch.filled('ids', [ids.length], ids)],
      ['targets', scratch.filled('targets', [rows.length, ids.length], weights)],
      ['length', scratch.filled('length', [width], await this.#lengths())],
      ['loss', scratch.tensor('loss', [])],
    ])
  }

  /** The mean length of the table's rows over √D: what normed rows are multiplied with. */
  async #lengths(): Promise<Float32Array> {
    if (this.#length) return this.#length
    const { vocabSize, hiddenSize: width } = this.#config
    const table = (await this.#weights.tensor(EMBEDDING)).data as Float32Array
    const takeTurns = turnTaker()
    let sum = 0
    for (let row = 0; row < vocabSize; row++) {
      let squares = 0
      for (let i = row * width; i < (row + 1) * width; i++) squares += (table[i] as number) ** 2
      sum += Math.sqrt(squares / width)
      await takeTurns()
    }
    this.#length = new Float32Array(width).fill(sum / vocabSize)
    return this.#length
  }
}

function lossIn(tensors: ReadonlyMap<string, Tensor>): number {
  return tensors.get('loss')?.data[0] as number
}
