/** Causal attention of every sequence of a batch to itself, in blocks of rows, over contiguous pieces of the batch's rows. */
import { keepProducts } from '../autodiff/index.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { attentionBlocks } from '../layers/grouped-attention.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import type { Batch } from './batch.ts'
import { attentionGraph } from './decoder-graphs.ts'
import { Stage } from './stage.ts'

/** Memory of one layer. */
export type AttentionMemory = {
  /** int64[1,T] */
  readonly positions: Tensor
  /** Rotated, float32[1,T,N·H] and [1,T,K·H]. */
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
  /** float32[1,T,N·H] */
  readonly attended: Tensor
  /** The same, block by block with heads outside: float32[T·N,H]. */
  readonly heads: Tensor
}

export type AttentionGradients = {
  readonly attended: Tensor
  readonly q: Tensor
  /** Added to; zeros at first. */
  readonly k: Tensor
  readonly v: Tensor
}

type Range = { readonly start: number; readonly end: number }
type Views = ReadonlyMap<string, Tensor>

export class AttentionPass {
  readonly #config: DecoderConfig['attention']
  readonly #stage: Stage

  constructor(runtime: Runtime, config: DecoderConfig['attention']) {
    this.#config = config
    this.#stage = new Stage(runtime, attentionGraph(config), {
      policy: () => 'f32',
      wrt: ['q', 'k', 'v'],
      keep: keepProducts,
      passed: ['kPassed', 'vPassed'],
    })
  }

  /** Fills `attended` and `heads`. */
  async forward(batch: Batch, memory: AttentionMemory, options: RunOptions): Promise<void> {
    for (const { rows, keys } of this.#blocks(batch)) {
      const views = this.#views(memory, rows, keys)
      views.set('y', rowsOf(memory.attended, rows))
      await this.#run(views, (find) => this.#stage.forward(find, options))
    }
  }

  async backward(
    batch: Batch,
    memory: AttentionMemory,
    { gradients, ...options }: RunOptions & { readonly gradients: AttentionGradients },
  ): Promise<void> {
    for (const { rows, keys } of this.#blocks(batch)) {
      const views = this.#views(memory, rows, keys)
      views.set('gradient.y', rowsOf(gradients.attended, rows))
      views.set('gradient.q', rowsOf(gradients.q, rows))
      for (const name of ['k', 'v'] as const) {
        views.set(`gradient.${name}`, rowsOf(gradients[name], keys))
        views.set(`gradient.${name}Passed`, rowsOf(gradients[name], keys))
      }
      const run = { accumulate: false, ...options }
      await this.#run(views, (find) => this.#stage.backward(find, run))
    }
  }

  dispose(): Promise<void> {
    return this.#stage.dispose()
  }

  #blocks({ segments }: Batch) {
    return attentionBlocks(segments, this.#config.slidingWindow)
  }

  #views(memory: AttentionMemory, rows: Range, keys: Range): Map<string, Tensor> {
    const { numHeads, headDim } = this.#config
    const { start, end } = rows
    const heads = memory.heads.view([1, numHeads, end - start, headDim], start * numHeads * headDim)
    return new Map([
      ['q', rowsOf(memory.q, rows)],
      ['k', rowsOf(memory.k, keys)],
      ['v', rowsOf(memory.v, keys)],
      ['positions', memory.positions.view([1, end - start], start)],
      ['keyPositions', memory.positions.view([1, keys.end - keys.start], keys.start)],
      ['kept.0', heads],
    ])
  }

  async #run(
    views: Views,
    start: (find: (name: string) => Tensor) => Promise<void>,
  ): Promise<void> {
    try {
      await start((name) => {
        const view = views.get(name)
        if (view) return view
        throw new Error(`internal: attention has no ${name}`)
      })
    } finally {
      for (const view of views.values()) view.dispose()
    }
  }
}

/** Rows [start, end) of a tensor [1, T, D]. */
function rowsOf(tensor: Tensor, { start, end }: Range): Tensor {
  const width = tensor.shape[2] as number
  return tensor.view([1, end - start, width], start * width)
}
