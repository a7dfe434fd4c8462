/** The last norm, the head and the loss, over the rows that are learnt and in pieces that bound the memory for logits. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { liveParameters } from '../graph/onnx-writer.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import type { Batch } from './batch.ts'
import { logitsGraph, logProbsGraph, lossGraph } from './decoder-graphs.ts'
import type { ModelWeights } from './model-weights.ts'
import { gatherRows, scatterRows } from './copy-rows.ts'
import { Scratch } from './scratch.ts'
import { Stage } from './stage.ts'

/** Logits of one piece: 64 MB, of which backward holds a few. */
const LOGITS = 1 << 24

export class HeadPass {
  readonly #config: DecoderConfig
  readonly #weights: ModelWeights
  readonly #loss: Stage
  readonly #logProbs: Stage
  readonly #logits: Stage
  readonly #trained: readonly string[]
  readonly #scratch: Scratch

  constructor(
    runtime: Runtime,
    { config, weights }: { readonly config: DecoderConfig; readonly weights: ModelWeights },
  ) {
    this.#config = config
    this.#weights = weights
    this.#scratch = new Scratch(runtime)
    const graph = lossGraph(config)
    const paths = liveParameters(graph).map(({ name }) => name)
    this.#trained = paths.filter((path) => weights.store.has(path))
    const policy = () => 'f32' as const
    const wrt = ['hidden', ...this.#trained]
    this.#loss = new Stage(runtime, graph, { policy, wrt, together: true })
    this.#logProbs = new Stage(runtime, logProbsGraph(config), { policy, wrt: [] })
    this.#logits = new Stage(runtime, logitsGraph(config), { policy, wrt: [] })
  }

  get isTrained(): boolean {
    return this.#trained.length > 0
  }

  /** log p of each target, float32[R]; hidden float32[1,T,D]. */
  async logProbs({ targets }: Batch, hidden: Tensor, options: RunOptions): Promise<Float32Array> {
    const result = new Float32Array(targets.rows.length)
    for (const [start, end] of this.#pieces(targets.rows.length)) {
      const inputs = this.#inputs(targets, hidden, start, end)
      const output = this.#scratch.tensor('logProbs', [end - start])
      const find = this.#weights.lookup(new Map([...inputs, ['logProbs', output]]))
      await this.#logProbs.forward(find, options)
      result.set(output.data as Float32Array, start)
    }
    return result
  }

  /**
   * −Σ weights ∘ log p(target), and dy, its gradient with respect to the hidden states, float32[1,T,D]; those of
   * parameters go into the store. weights float32[R].
   */
  async loss(
    { targets }: Batch,
    { hidden, weights }: { readonly hidden: Tensor; readonly weights: Float32Array },
    options: RunOptions,
  ): Promise<{ readonly loss: number; readonly dy: Tensor }> {
    const dy = this.#scratch.zeros('dy', hidden.shape)
    const gradient = dy.data as Float32Array
    const width = this.#config.hiddenSize
    let loss = 0
    for (const [start, end] of this.#pieces(targets.rows.length)) {
      const inputs = this.#inputs(targets, hidden, start, end)
      const outputs = new Map([
        ['weights', this.#scratch.filled('weights', [end - start], weights.subarray(start, end))],
        ['loss', this.#scratch.tensor('loss', [])],
        ['gradient.hidden', this.#scratch.tensor('gradient.hidden', [end - start, width])],
      ])
      const find = this.#weights.lookup(new Map([...inputs, ...outputs]))
      const accumulate = this.#weights.store.claim(this.#trained)
      await this.#loss.backward(find, { accumulate, ...options })
      loss += outputs.get('loss')?.data[0] as number
      const rows = outputs.get('gradient.hidden')?.data as Float32Array
      scatterRows(gradient, rows, targets.rows.subarray(start, end))
    }
    return { loss, dy }
  }

  /** The most likely token behind each of some positions. */
  async nextTokens(
    positions: Int32Array,
    hidden: Tensor,
    options: RunOptions,
  ): Promise<readonly number[]> {
    const { hiddenSize, vocabSize } = this.#config
    const tokens: number[] = []
    for (const [start, end] of this.#pieces(positions.length)) {
      const rows = this.#scratch.tensor('hidden', [end - start, hiddenSize])
      const places = positions.subarray(start, end)
      gatherRows(rows.data as Float32Array, hidden.data as Float32Array, places)
      const logits = this.#scratch.tensor('logits', [end - start, vocabSize])
      const tensors = new Map([
        ['hidden', rows],
        ['logits', logits],
      ])
      await this.#logits.forward(this.#weights.lookup(tensors), options)
      for (let row = 0; row < end - start; row++) {
        const from = row * vocabSize
        tokens.push(largestPlace((logits.data as Float32Array).subarray(from, from + vocabSize)))
      }
    }
    return tokens
  }

  async dispose(): Promise<void> {
    await this.#loss.dispose()
    await this.#logProbs.dispose()
    await this.#logits.dispose()
    this.#scratch.dispose()
  }

  #inputs(targets: Batch['targets'], hidden: Tensor, start: number, end: number) {
    const count = end - start
    const rows = this.#scratch.tensor('hidden', [count, this.#config.hiddenSize])
    const places = targets.rows.subarray(start, end)
    gatherRows(rows.data as Float32Array, hidden.data as Float32Array, places)
    const labels = this.#scratch.filled('labels', [count], targets.labels.subarray(start, end))
    return new Map([
      ['hidden', rows],
      ['labels', labels],
    ])
  }

  *#pieces(rows: number): Generator<readonly [number, number]> {
    const size = Math.max(1, Math.floor(LOGITS / this.#config.vocabSize))
    for (let start = 0; start < rows; start += size) yield [start, Math.min(rows, start + size)]
  }
}

function largestPlace(values: Float32Array): number {
  let largest = 0
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[largest] as number)) largest = i
  }
  return largest
}
