/** Positions of a batch and the rotation tables they index, as tensors that are kept between runs. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { rotaryTables } from '../layers/rotary.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import { Scratch } from './scratch.ts'

/** Rows of the tables at first; they double when a longer sequence comes. */
const FEWEST_POSITIONS = 256

export class RotaryTensors {
  readonly #config: DecoderConfig
  readonly #scratch: Scratch
  #rows = 0

  constructor(runtime: Runtime, config: DecoderConfig) {
    this.#config = config
    this.#scratch = new Scratch(runtime)
  }

  /** positions int64[1,T], cos and sin float32[P,H/2] with a row for each of them. */
  of(positions: BigInt64Array): Readonly<Record<'positions' | 'cos' | 'sin', Tensor>> {
    const tensor = this.#scratch.tensor('positions', [1, positions.length], 'int64')
    ;(tensor.data as BigInt64Array).set(positions)
    let last = 0n
    for (const position of positions) if (position > last) last = position
    // The operator wants a row for each of the T rows that it turns, whatever their positions.
    this.#grow(Math.max(Number(last) + 1, positions.length))
    const shape = [this.#rows, this.#config.attention.headDim / 2]
    const [cos, sin] = [this.#scratch.tensor('cos', shape), this.#scratch.tensor('sin', shape)]
    return { positions: tensor, cos, sin }
  }

  dispose(): void {
    this.#scratch.dispose()
  }

  #grow(rows: number): void {
    if (rows <= this.#rows) return
    const { rope, attention } = this.#config
    this.#rows = 2 ** Math.ceil(Math.log2(Math.max(rows, FEWEST_POSITIONS)))
    const width = attention.headDim / 2
    const size = { positions: this.#rows, headDim: attention.headDim, width }
    for (const [name, table] of Object.entries(rotaryTables(rope, size))) {
      ;(this.#scratch.tensor(name, [this.#rows, width]).data as Float32Array).set(table)
    }
  }
}
