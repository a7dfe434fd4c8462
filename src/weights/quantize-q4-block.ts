/**
 * What the 4-bit kernels share: walking a row block by block, the range of a block, packing it, and the row's memory.
 *
 * A kernel is one exported function over a row that lies padded in its memory: values x and importance v, float32, in
 * whole blocks. It writes for each block the packed data, a scale, and its zero point or offset, as float32.
 */
import {
  f32,
  f32x4,
  giveBack,
  i32,
  i32x4,
  i8x16,
  moduleOf,
  repeatWhile,
  v128,
  when,
  type Code,
  type FunctionBody,
  type Local,
} from './quantize-wasm.ts'
import { SMALLEST_NORMAL } from './quantize-rows.ts'

export type Q4Kernel = {
  /** Quantises `count` blocks; returns the first one whose values are not all finite, or `count`. Arguments are addresses. */
  run(
    values: number,
    importance: number,
    count: number,
    blockBytes: number,
    data: number,
    scale: number,
    origin: number,
  ): number
  readonly memory: WebAssembly.Memory
}

/** The search of one form: how a block of values is fitted and rounded. */
export type BlockSearch = {
  /** Before the tries: the answer for a block without a range. */
  start(): Code
  /** Tries roundings of a block whose range is known, and keeps the best. */
  search(): Code
  readonly scale: Local
  /** Zero point or offset. */
  readonly origin: Local
  /** The best fit's q of four values, as whole float32 in 0 … 15. */
  quantizeFour(x: Code): Code
}

/** Builds the kernel of a search. */
export function buildQ4Kernel(
  makeSearch: (body: FunctionBody, block: Block) => BlockSearch,
): Q4Kernel {
  const code = moduleOf((body) => {
    const param = () => body.param('i32')
    const [values, importance, count, blockBytes] = [param(), param(), param(), param()]
    const [data, scale, origin] = [param(), param(), param()]
    const index = body.local('i32')
    const block = new Block(body, { values, importance, blockBytes })
    const search = makeSearch(body, block)
    return [
      ...repeatWhile(
        [
          block.findRange(),
          when(f32.isUnequal(block.check.get, f32.const(0)), [giveBack(index.get)]),
          search.start(),
          when(f32.isGreater(block.step.get, f32.const(SMALLEST_NORMAL)), [search.search()]),
          f32.store(scale.get, search.scale.get),
          f32.store(origin.get, search.origin.get),
          block.pack(data, (x) => search.quantizeFour(x)),
          ...[values, importance].map((local) => advance(local, blockBytes.get)),
          ...[scale, origin].map((local) => advance(local, i32.const(4))),
          advance(index, i32.const(1)),
        ],
        i32.isLess(index.get, count.get),
      ),
      ...index.get,
    ]
  })
  return new WebAssembly.Instance(new WebAssembly.Module(code)).exports as Q4Kernel
}

/** Code that walks over one block. */
export class Block {
  /** The lowest and the highest value. */
  readonly low: Local
  readonly high: Local
  /** A fifteenth of the range. */
  readonly step: Local
  /** 0 if every value is finite. */
  readonly check: Local
  /** The four values at hand and their importance, within eachFour. */
  readonly x: Local
  readonly v: Local
  readonly #at: Local
  readonly #weightAt: Local
  readonly #end: Local
  readonly #lowest: Local
  readonly #highest: Local
  readonly #first: Local
  readonly #second: Local
  readonly #place: {
    readonly values: Local
    readonly importance: Local
    readonly blockBytes: Local
  }

  constructor(
    body: FunctionBody,
    place: { readonly values: Local; readonly importance: Local; readonly blockBytes: Local },
  ) {
    const { int, float, vector } = localsOf(body)
    this.#place = place
    ;[this.#at, this.#weightAt, this.#end] = [int(), int(), int()]
    ;[this.low, this.high, this.step, this.check] = [float(), float(), float(), float()]
    ;[this.x, this.v, this.#lowest, this.#highest] = [vector(), vector(), vector(), vector()]
    ;[this.#first, this.#second] = [vector(), vector()]
  }

  findRange(): Code {
    return [
      ...this.#lowest.set(f32x4.splat(f32.const(Infinity))),
      ...this.#highest.set(f32x4.splat(f32.const(-Infinity))),
      ...this.#first.set(f32x4.splat(f32.const(0))),
      ...this.eachFour([
        this.#lowest.set(f32x4.lesser(this.#lowest.get, this.x.get)),
        this.#highest.set(f32x4.greater(this.#highest.get, this.x.get)),
        // x − x is 0, or NaN for what is not finite.
        this.#first.set(f32x4.add(this.#first.get, f32x4.sub(this.x.get, this.x.get))),
      ]),
      ...this.low.set(acrossLanes(this.#lowest.get, f32.min)),
      ...this.high.set(acrossLanes(this.#highest.get, f32.max)),
      ...this.check.set(acrossLanes(this.#first.get, f32.add)),
      ...this.step.set(f32.mul(f32.sub(this.high.get, this.low.get), f32.const(1 / 15))),
    ]
  }

  /** Runs `body` for every four values, in x and v. */
  eachFour(body: readonly Code[]): Code {
    const four = [
      this.x.set(v128.load(this.#at.get)),
      this.v.set(v128.load(this.#weightAt.get)),
      ...body,
      advance(this.#at, i32.const(16)),
      advance(this.#weightAt, i32.const(16)),
    ]
    return [...this.#rewind(), ...repeatWhile(four, i32.isLess(this.#at.get, this.#end.get))]
  }

  /** Writes the block, 32 values to 16 bytes, the even ones in the low halves, and moves `data` on. */
  pack(data: Local, quantizeFour: (x: Code) => Code): Code {
    const four = (i: number) =>
      i32x4.fromF32x4(quantizeFour(v128.load(i32.add(this.#at.get, i32.const(i * 16)))))
    const sixteen = (i: number) =>
      i8x16.narrowI16x8(
        i8x16.narrowI32x4(four(i), four(i + 1)),
        i8x16.narrowI32x4(four(i + 2), four(i + 3)),
      )
    const even = Array.from({ length: 16 }, (_, i) => 2 * i)
    const halves = (lanes: readonly number[]) =>
      i8x16.shuffle(this.#first.get, this.#second.get, lanes)
    const odd = i8x16.shiftLeft(halves(even.map((lane) => lane + 1)), i32.const(4))
    const bytes = [
      this.#first.set(sixteen(0)),
      this.#second.set(sixteen(4)),
      v128.store(data.get, v128.or(halves(even), odd)),
      advance(data, i32.const(16)),
      advance(this.#at, i32.const(128)),
    ]
    return [...this.#rewind(), ...repeatWhile(bytes, i32.isLess(this.#at.get, this.#end.get))]
  }

  #rewind(): Code {
    const { values, importance, blockBytes } = this.#place
    return [
      ...this.#at.set(values.get),
      ...this.#weightAt.set(importance.get),
      ...this.#end.set(i32.add(values.get, blockBytes.get)),
    ]
  }
}

export function localsOf(body: FunctionBody): { int(): Local; float(): Local; vector(): Local } {
  return {
    int: () => body.local('i32'),
    float: () => body.local('f32'),
    vector: () => body.local('v128'),
  }
}

function advance(local: Local, by: Code): Code {
  return local.set(i32.add(local.get, by))
}

export function acrossLanes(value: Code, join: (a: Code, b: Code) => Code): Code {
  const lane = (i: number) => f32x4.lane(value, i)
  return join(join(lane(0), lane(1)), join(lane(2), lane(3)))
}

/** q kept within 0 … 15. */
export function keepInRange(q: Code): Code {
  return f32x4.lesser(f32x4.greater(q, f32x4.splat(f32.const(0))), f32x4.splat(f32.const(15)))
}

/** One padded row in a kernel's memory. */
export class KernelRow {
  readonly data: Uint8Array
  readonly scale: Float32Array
  /** Zero points or offsets. */
  readonly origin: Float32Array
  readonly #kernel: Q4Kernel
  readonly #values: Float32Array
  readonly #importance: Float32Array
  readonly #columns: number
  readonly #blockBytes: number

  /** `importance` [columns] or undefined where all columns count alike. */
  constructor(
    kernel: Q4Kernel,
    columns: number,
    block: number,
    importance: Float32Array | undefined,
  ) {
    const blocks = Math.ceil(columns / block)
    const count = blocks * block
    const missing = count * 8.5 + blocks * 8 - kernel.memory.buffer.byteLength
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / 65536))
    const { buffer } = kernel.memory
    this.#kernel = kernel
    this.#columns = columns
    this.#blockBytes = block * 4
    this.#values = new Float32Array(buffer, 0, count)
    this.#importance = new Float32Array(buffer, count * 4, count).fill(0)
    this.data = new Uint8Array(buffer, count * 8, count / 2)
    this.scale = new Float32Array(buffer, count * 8.5, blocks)
    this.origin = new Float32Array(buffer, count * 8.5 + blocks * 4, blocks)
    this.#importance.set(normalise(importance ?? new Float32Array(columns).fill(1)))
  }

  /** False if a value is not finite. The last value stands in for what is missing in the last block. */
  quantize(values: Float32Array): boolean {
    this.#values.set(values)
    this.#values.fill(values.at(-1) as number, this.#columns)
    const blocks = this.scale.length
    const done = this.#kernel.run(
      this.#values.byteOffset,
      this.#importance.byteOffset,
      blocks,
      this.#blockBytes,
      this.data.byteOffset,
      this.scale.byteOffset,
      this.origin.byteOffset,
    )
    return done === blocks
  }

  /** Sets what pads the last block. */
  pad(q: number): void {
    const last = this.#columns
    if (last % 2) this.data[last >> 1] = ((this.data[last >> 1] as number) & 15) | (q << 4)
    this.data.fill(q * 0x11, (last + 1) >> 1)
  }
}

const LEAST_IMPORTANCE = 1e-3

/** Scaled to a mean of one; a column that was never seen at work still counts for a little. */
function normalise(importance: Float32Array): Float32Array {
  const mean = importance.reduce((sum, value) => sum + value, 0) / importance.length
  if (!(mean > 0)) return importance.map(() => 1)
  return importance.map((value) => Math.max(value / mean, LEAST_IMPORTANCE))
}
