/**
 * AdamW as a graph, over flat pieces of all parameters' memory, in place.
 *
 * Source: arXiv:1711.05101 algorithm 2, with PyTorch's order of operations (`torch/optim/adamw.py`, single tensor).
 */
import { Graph } from '../graph/graph.ts'
import { lower } from '../graph/lower.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import type { RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'

/** Elements of one run. Measured: larger pieces fall out of the cache, smaller ones are all overhead. */
const CHUNK = 262_144

export type AdamWConstants = { readonly betas: readonly [number, number]; readonly eps: number }

/** Elements [start, end) of the flat memories that are updated alike. */
export type Update = {
  readonly start: number
  readonly end: number
  /** Updates of these elements before this one. */
  readonly stepsBefore: number
  readonly learningRate: number
  readonly weightDecay: number
}

/** Four memories of one layout. */
export type FlatState = {
  readonly weights: Tensor
  readonly gradients: Tensor
  readonly firstMoments: Tensor
  readonly secondMoments: Tensor
}

export class AdamW {
  readonly #runtime: Runtime
  readonly #constants: AdamWConstants
  readonly #step: Session
  readonly #squares: Session

  private constructor(
    runtime: Runtime,
    constants: AdamWConstants,
    sessions: { step: Session; squares: Session },
  ) {
    this.#runtime = runtime
    this.#constants = constants
    this.#step = sessions.step
    this.#squares = sessions.squares
  }

  static async create(runtime: Runtime, constants: AdamWConstants): Promise<AdamW> {
    const session = (graph: Graph) =>
      runtime.createSession(writeOnnx(lower(graph, () => 'f32').graph))
    const step = await session(stepGraph(constants))
    const squares = await session(squaresGraph())
    return new AdamW(runtime, constants, { step, squares })
  }

  /** Σ g² over the elements [start, end). */
  async sumSquares(
    gradients: Tensor,
    { start, end }: { readonly start: number; readonly end: number },
    options: RunOptions,
  ): Promise<number> {
    let total = 0
    const sum = this.#runtime.tensor('float32', [])
    for (const [from, to] of chunks(start, end)) {
      const g = gradients.view([to - from], from)
      await this.#squares.run({ g }, { sum }, options)
      total += sum.data[0] as number
      g.dispose()
    }
    sum.dispose()
    return total
  }

  /** Updates weights and moments; gradients, scaled by `gradientScale`, stay as they are. */
  async update(
    state: FlatState,
    update: Update,
    { gradientScale, ...options }: RunOptions & { readonly gradientScale: number },
  ): Promise<void> {
    const scalars = this.#scalars(update, gradientScale)
    for (const [from, to] of chunks(update.start, update.end)) {
      const view = (tensor: Tensor) => tensor.view([to - from], from)
      const [p, g] = [view(state.weights), view(state.gradients)]
      const [m, v] = [view(state.firstMoments), view(state.secondMoments)]
      try {
        await this.#step.run({ p, g, m, v, ...scalars }, { pNext: p, mNext: m, vNext: v }, options)
      } finally {
        for (const tensor of [p, g, m, v]) tensor.dispose()
      }
    }
    for (const tensor of Object.values(scalars)) tensor.dispose()
  }

  dispose(): void {
    this.#step.dispose()
    this.#squares.dispose()
  }

  #scalars({ stepsBefore, learningRate, weightDecay }: Update, gradientScale: number) {
    const [beta1, beta2] = this.#constants.betas
    const step = stepsBefore + 1
    const scalar = (value: number) => this.#runtime.tensor('float32', [], Float32Array.of(value))
    return {
      scale: scalar(gradientScale),
      keep: scalar(1 - learningRate * weightDecay),
      stepSize: scalar(learningRate / (1 - beta1 ** step)),
      correction: scalar(Math.sqrt(1 - beta2 ** step)),
    }
  }
}

/**
 *   w = 1 − β₁,  m' = m + w (g − m), or g − (1 − w)(g − m) where w ≥ ½, as torch.lerp has it;  v' = β₂ v + (1 − β₂) g²
 *   p' = keep · p − stepSize · m' / (√v' / correction + ε)
 *
 * p, g, m, v float32[n]; g is multiplied by `scale` first. Outputs may be the inputs' memory: whatever reads an old
 * value comes before the node that overwrites it.
 */
function stepGraph({ betas: [beta1, beta2], eps }: AdamWConstants): Graph {
  const g = new Graph('adamw')
  const flat = (name: string) => g.input(name, 'float32', ['n'])
  const scalar = (name: string) => g.input(name, 'float32', [])
  const [p, gradient, m, v] = [flat('p'), flat('g'), flat('m'), flat('v')] as const
  const scaled = g.op('Mul', [gradient, scalar('scale')])
  const difference = g.op('Sub', [scaled, m])
  // 1 − w is not β₁ in float32.
  const w = Math.fround(1 - beta1)
  const mNext =
    w < 0.5
      ? g.op('Add', [m, g.op('Mul', [difference, g.scalar(w)])])
      : g.op('Sub', [scaled, g.op('Mul', [difference, g.scalar(1 - w)])])
  const square = g.op('Mul', [g.op('Mul', [scaled, scaled]), g.scalar(1 - beta2)])
  const vNext = g.op('Add', [g.op('Mul', [v, g.scalar(beta2)]), square])
  const root = g.op('Div', [g.op('Sqrt', [vNext]), scalar('correction')])
  const direction = g.op('Div', [mNext, g.op('Add', [root, g.scalar(eps)])])
  const kept = g.op('Mul', [p, scalar('keep')])
  g.output('mNext', mNext)
  g.output('vNext', vNext)
  g.output('pNext', g.op('Sub', [kept, g.op('Mul', [direction, scalar('stepSize')])]))
  return g
}

function squaresGraph(): Graph {
  const g = new Graph('squares')
  const gradient = g.input('g', 'float32', ['n'])
  g.output('sum', g.op('ReduceSumSquare', [gradient], { axes: [0], keepdims: 0 }))
  return g
}

function* chunks(start: number, end: number): Generator<readonly [number, number]> {
  for (let from = start; from < end; from += CHUNK) yield [from, Math.min(end, from + CHUNK)]
}
