/**
 * 8-bit copies of trained weights, made anew after every update: what the fast mode multiplies.
 *
 *   s_n = max_k |w_nk| / 127,   q_nk = round(w_nk / s_n)
 *
 * The master weights stay float32, and so do the gradients' products. Source of the scheme: SwitchBack,
 * arXiv:2304.13013.
 */
import { Graph } from '../graph/graph.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import type { RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import type { ParameterStore } from './parameter-store.ts'

type Copy = { readonly weight: Tensor; readonly data: Tensor; readonly scale: Tensor }

/** Rows of zeros have this scale instead of none. */
const SMALLEST = 2 ** -126

export class QuantizedCopies {
  readonly #session: Session
  readonly #copies: ReadonlyMap<string, Copy>
  #isStale = true

  private constructor(session: Session, copies: ReadonlyMap<string, Copy>) {
    this.#session = session
    this.#copies = copies
  }

  /** Of the weights at `paths`; `largest` is 127, or 63 where sums of two products must fit 16 bits. */
  static async create(
    runtime: Runtime,
    {
      store,
      paths,
      largest,
    }: {
      readonly store: ParameterStore
      readonly paths: readonly string[]
      readonly largest: number
    },
  ): Promise<QuantizedCopies> {
    const session = await runtime.createSession(writeOnnx(quantizeGraph(largest)))
    const copies = paths.map((path) => {
      const weight = store.weight(path)
      const [rows, columns] = weight.shape as readonly [number, number]
      const data = runtime.tensor('int8', [columns, rows])
      return [path, { weight, data, scale: runtime.tensor('float32', [rows]) }] as const
    })
    return new QuantizedCopies(session, new Map(copies))
  }

  /** `PATH.int8` int8[K,N] or `PATH.scale` float32[N]; undefined for other names. */
  tensor(name: string): Tensor | undefined {
    const [, path = '', part] = /^(.*)\.(int8|scale)$/.exec(name) ?? []
    const copy = this.#copies.get(path)
    return part === 'int8' ? copy?.data : copy?.scale
  }

  /** The weights have changed. */
  invalidate(): void {
    this.#isStale = true
  }

  async refresh(options: RunOptions): Promise<void> {
    if (!this.#isStale) return
    for (const { weight, data, scale } of this.#copies.values()) {
      await this.#session.run({ weight }, { data, scale }, options)
    }
    this.#isStale = false
  }

  dispose(): void {
    this.#session.dispose()
  }
}

/** weight float32[N,K] to scale float32[N] and data int8[K,N]. */
function quantizeGraph(largest: number): Graph {
  const g = new Graph('quantize')
  const weight = g.input('weight', 'float32', ['N', 'K'])
  const most = g.op('ReduceMax', [g.op('Abs', [weight])], { axes: [1], keepdims: 0 })
  const step = g.op('Mul', [most, g.scalar(1 / largest)])
  const scale = g.op('Max', [step, g.scalar(SMALLEST)])
  const zero = g.op('Cast', [g.op('Mul', [scale, g.scalar(0)])], { to: 'int8' })
  const rows = g.op('QuantizeLinear', [weight, scale, zero], { axis: 0 })
  g.output('scale', scale)
  g.output('data', g.op('Transpose', [rows], { perm: [1, 0] }))
  return g
}
