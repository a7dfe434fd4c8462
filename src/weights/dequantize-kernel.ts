/**
 * ggml's blocks of 32 to float32, in WebAssembly SIMD: several times as fast as loops in JavaScript, which loading a small
 * model from blocks would otherwise spend a third of its time in.
 *
 * A scale is float16 and a quantised value a whole number of at most 8 bits, so their product is exact in float32, and the
 * sum with a minimum is rounded once.
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
  widen,
  type Code,
  type FunctionBody,
  type Local,
} from './quantize-wasm.ts'

/** How the bytes of a block lie: the scale, the minimum where there is one, fifth bits, then the values. */
export type BlockForm = {
  readonly bits: 4 | 5 | 8
  readonly hasMinimum: boolean
}

export const BLOCK_ELEMENTS = 32

export function blockBytes({ bits, hasMinimum }: BlockForm): number {
  return valuesAt({ bits, hasMinimum }) + (bits === 8 ? 32 : 16)
}

/** Blocks at a time: what they become stays in the second cache. */
const CHUNK = 1024
const PAGE_BYTES = 1 << 16

/** The values of whole blocks, into `target`, which has 32 elements for each. */
export function dequantizeBlocks(
  form: BlockForm,
  blocks: Uint8Array,
  target: Float32Array,
): Float32Array {
  const { memory, run } = kernelOf(form)
  const size = blockBytes(form)
  const values = new Float32Array(memory.buffer, 0, CHUNK * BLOCK_ELEMENTS)
  const stored = new Uint8Array(memory.buffer, values.byteLength, CHUNK * size)
  const count = blocks.length / size
  for (let from = 0; from < count; from += CHUNK) {
    const to = Math.min(count, from + CHUNK)
    stored.set(blocks.subarray(from * size, to * size))
    run(values.byteOffset, stored.byteOffset, to - from)
    target.set(values.subarray(0, (to - from) * BLOCK_ELEMENTS), from * BLOCK_ELEMENTS)
  }
  return target
}

type Kernel = {
  /** Addresses of values and blocks, and how many blocks: at least one. */
  run(values: number, blocks: number, count: number): number
  readonly memory: WebAssembly.Memory
}

const kernels = new Map<string, Kernel>()

/** The kernel of this thread, made on first use. */
function kernelOf(form: BlockForm): Kernel {
  const key = `${form.bits} ${form.hasMinimum}`
  const known = kernels.get(key)
  if (known) return known
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(blocksModule(form)))
  const kernel = exports as unknown as Kernel
  const bytes = CHUNK * (4 * BLOCK_ELEMENTS + blockBytes(form))
  kernel.memory.grow(Math.ceil(bytes / PAGE_BYTES))
  kernels.set(key, kernel)
  return kernel
}

function fifthBitsAt({ hasMinimum }: BlockForm): number {
  return hasMinimum ? 4 : 2
}

function valuesAt(form: BlockForm): number {
  return fifthBitsAt(form) + (form.bits === 5 ? 4 : 0)
}

function blocksModule(form: BlockForm): Uint8Array<ArrayBuffer> {
  return moduleOf((body) => {
    const [values, blocks, count] = [body.param('i32'), body.param('i32'), body.param('i32')]
    const block = new Block(body, form, blocks)
    const advance = (place: Local, by: number) => place.set(i32.add(place.get, i32.const(by)))
    const everyBlock = repeatWhile(
      [
        block.read(),
        ...block.sixteens().map((sixteen, i) => block.store(sixteen, values, 64 * i)),
        advance(values, 4 * BLOCK_ELEMENTS),
        advance(blocks, blockBytes(form)),
        count.set(i32.sub(count.get, i32.const(1))),
      ],
      count.get,
    )
    return [...everyBlock, ...giveBack(i32.const(0))]
  })
}

class Block {
  readonly #form: BlockForm
  readonly #at: Local
  readonly #half: Local
  readonly #scale: Local
  readonly #minimum: Local
  readonly #bytes: Local
  readonly #fifths: Local
  readonly #sixteen: Local
  readonly #eight: Local

  constructor(body: FunctionBody, form: BlockForm, at: Local) {
    this.#form = form
    this.#at = at
    this.#half = body.local('i32')
    const vector = () => body.local('v128')
    ;[this.#scale, this.#minimum, this.#bytes] = [vector(), vector(), vector()]
    ;[this.#fifths, this.#sixteen, this.#eight] = [vector(), vector(), vector()]
  }

  /** Scale and minimum into all lanes, and the bits that lie apart. */
  read(): Code {
    const { hasMinimum, bits } = this.#form
    const fifths = i32x4.splat(i32.load(this.#place(fifthBitsAt(this.#form))))
    return [
      ...this.#scale.set(f32x4.splat(this.#float16(0))),
      ...(hasMinimum ? this.#minimum.set(f32x4.splat(this.#float16(2))) : []),
      ...(bits === 5 ? this.#fifths.set(fifths) : []),
      ...(bits === 8 ? [] : this.#bytes.set(v128.load(this.#place(valuesAt(this.#form))))),
    ]
  }

  /** The first and the second sixteen values, a byte each. */
  sixteens(): readonly Code[] {
    if (this.#form.bits === 8) {
      return [0, 16].map((from) => v128.load(this.#place(valuesAt(this.#form) + from)))
    }
    const low = v128.and(this.#bytes.get, i8x16.splat(i32.const(15)))
    const high = i8x16.shiftRight(this.#bytes.get, i32.const(4))
    if (this.#form.bits === 4) return [low, high]
    return [v128.or(low, this.#fifthBits(0)), v128.or(high, this.#fifthBits(2))]
  }

  /** Sixteen values as float32, times the scale, from `values` + `from` on. */
  store(sixteen: Code, values: Local, from: number): Code {
    const [bytes, halves] = this.#form.bits === 8 ? [widen.i8, widen.i16] : [widen.u8, widen.u16]
    const code: number[] = [...this.#sixteen.set(sixteen)]
    for (const [i, eight] of [bytes.low, bytes.high].entries()) {
      code.push(...this.#eight.set(eight(this.#sixteen.get)))
      for (const [k, four] of [halves.low, halves.high].entries()) {
        const place = i32.add(values.get, i32.const(from + 32 * i + 16 * k))
        code.push(...v128.store(place, this.#valueOf(four(this.#eight.get))))
      }
    }
    return code
  }

  #valueOf(four: Code): Code {
    const { bits, hasMinimum } = this.#form
    const quantised = i32x4.toF32x4(four)
    if (hasMinimum) {
      return f32x4.add(f32x4.mul(quantised, this.#scale.get), this.#minimum.get)
    }
    const middle = { 4: 8, 5: 16, 8: 0 }[bits]
    const signed = middle === 0 ? quantised : f32x4.sub(quantised, splat(middle))
    return f32x4.mul(signed, this.#scale.get)
  }

  /** 16 where the fifth bit is set of sixteen values, which are the bits of the bytes `byte` and `byte` + 1. */
  #fifthBits(byte: number): Code {
    const spread = i8x16.shuffle(
      this.#fifths.get,
      this.#fifths.get,
      Array.from({ length: 16 }, (_, i) => byte + (i >> 3)),
    )
    const own = v128.const(Array.from({ length: 16 }, (_, i) => 1 << (i & 7)))
    const zero = i8x16.splat(i32.const(0))
    const isSet = i8x16.isUnequal(v128.and(spread, own), zero)
    return v128.and(isSet, i8x16.splat(i32.const(16)))
  }

  /**
   * float16 at `offset`, exactly: its bits moved to float32's place are too small by 2^112, and where the exponent is all
   * ones (infinity and NaN) float32's is made so.
   */
  #float16(offset: number): Code {
    const half = this.#half.get
    const sign = i32.shiftLeft(i32.and(half, i32.const(0x8000)), i32.const(16))
    const magnitude = i32.shiftLeft(i32.and(half, i32.const(0x7fff)), i32.const(13))
    const scaled = f32.mul(f32.ofBits(magnitude), f32.const(2 ** 112))
    const exponent = i32.and(half, i32.const(0x7c00))
    const isSpecial = i32.isEqual(exponent, i32.const(0x7c00))
    const special = i32.mul(isSpecial, i32.const(0x7f800000))
    const bits = i32.or(i32.or(i32.bitsOfF32(scaled), sign), special)
    return [...this.#half.set(i32.load16(this.#place(offset))), ...f32.ofBits(bits)]
  }

  #place(offset: number): Code {
    return i32.add(this.#at.get, i32.const(offset))
  }
}

function splat(value: number): Code {
  return f32x4.splat(f32.const(value))
}
