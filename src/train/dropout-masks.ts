/**
 * Masks for the dropout of adapters.
 *
 * A mask must be the same in forward and in backward, and made again for neither. All are windows into one memory of
 * random zeros that is drawn once a step, each at a random place: a thousandth of the random numbers, and backward finds
 * them where they were.
 */
import type { Rng } from '../core/rng.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'

/** Places that a window can begin at. */
const ROOM = 1 << 16

export class DropoutMasks {
  readonly #runtime: Runtime
  readonly #dropout: number
  /** Input widths by path of the module. */
  readonly #widths: ReadonlyMap<string, number>
  readonly #windows = new Map<string, Tensor>()
  #memory = new Float32Array(0)

  constructor(
    runtime: Runtime,
    { dropout, widths }: { readonly dropout: number; readonly widths: ReadonlyMap<string, number> },
  ) {
    this.#runtime = runtime
    this.#dropout = dropout
    this.#widths = widths
  }

  /** Draws the zeros of a step whose longest micro-batch has `length` positions. */
  draw(length: number, rng: Rng): void {
    const count = length * Math.max(...this.#widths.values()) + ROOM
    if (this.#memory.length < count) this.#memory = new Float32Array(count)
    const [limit, kept] = [this.#dropout * 2 ** 32, 1 / (1 - this.#dropout)]
    for (let i = 0; i < count; i++) this.#memory[i] = rng.nextUint32() < limit ? 0 : kept
  }

  /** Chooses the windows of a micro-batch of `length` positions; without `rng` nothing is dropped. */
  place(length: number, rng: Rng | null): void {
    this.dispose()
    const ones = rng ? null : new Float32Array(length * Math.max(...this.#widths.values())).fill(1)
    for (const [module, width] of this.#widths) {
      const start = rng ? rng.integer(ROOM) : 0
      const data = (ones ?? this.#memory).subarray(start, start + length * width)
      this.#windows.set(module, this.#runtime.tensor('float32', [1, length, width], data))
    }
  }

  /** float32[1,T,K] */
  tensor(module: string): Tensor {
    const window = this.#windows.get(module)
    if (window) return window
    throw new Error(`internal: no mask was placed for ${module}`)
  }

  dispose(): void {
    for (const window of this.#windows.values()) window.dispose()
    this.#windows.clear()
  }
}
