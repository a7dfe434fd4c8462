/** Weights that are not numbers are refused while loading: one NaN turns every answer into noise, without an error anywhere. */
import { float16ToNumber, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { formatType } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'
import { i32, i32x4, moduleOf, repeatWhile, v128 } from './quantize-wasm.ts'

/**
 * Throws CheckpointError, with the indices of the first one, if a float tensor holds NaN or an infinity. Integers pass.
 *
 * `place`: the file, and the name that the tensor has there.
 */
export function assertFinite(tensor: HostTensor, name: string, place: string): void {
  const at = firstNonFinite(tensor)
  if (at < 0) return
  throw new CheckpointError(
    'CHECKPOINT_NOT_FINITE',
    `weights: expected finite numbers in ${name}, ${formatType(tensor.dtype, tensor.shape)} of ${place}, ` +
      `${elementValue(tensor, at)} came at [${coordinates(at, tensor.shape).join(',')}]; ` +
      'the file is damaged or its training diverged, use another checkpoint.',
  )
}

/** Whether a tensor holds no NaN and no infinity. */
export function isFiniteTensor(tensor: HostTensor): boolean {
  return firstNonFinite(tensor) < 0
}

/**
 * A float is NaN or infinite when its exponent is all ones. Adding `one` to the exponent bits then carries into the
 * sign bit, so a block is checked by OR-ing sums and looking at `carry` once. 16-bit floats go two to a word.
 */
type ExponentBits = { readonly exponent: number; readonly one: number; readonly carry: number }

const EXPONENTS: { readonly [D in DType]?: ExponentBits } = {
  float32: { exponent: 0x7f800000, one: 0x00800000, carry: 0x80000000 },
  float16: { exponent: 0x7c007c00, one: 0x04000400, carry: 0x80008000 },
  bfloat16: { exponent: 0x7f807f80, one: 0x00800080, carry: 0x80008000 },
}

/** Words at a time: they stay in the second cache. */
const BLOCK = 1 << 15

/** Row-major place of the first NaN or infinity, -1 if there is none. */
function firstNonFinite(tensor: HostTensor): number {
  const { data, dtype } = tensor
  if (dtype === 'float64') return firstInRange(tensor, 0, data.length)
  const bits = EXPONENTS[dtype]
  if (bits === undefined || data.length === 0) return -1
  // A 16-bit tensor may begin in the middle of a word and end there: those elements are looked at alone.
  const head = data.byteOffset % 4 === 0 ? 0 : 1
  const perWord = 4 / data.BYTES_PER_ELEMENT
  const numWords = Math.floor((data.length - head) / perWord)
  if (firstInRange(tensor, 0, head) === 0) return 0
  const words = new Uint32Array(data.buffer, data.byteOffset + head * 2, numWords)
  for (let start = 0; start < numWords; start += BLOCK) {
    const block = words.subarray(start, start + BLOCK)
    if (!hasCarry(block, bits)) continue
    const first = head + start * perWord
    return firstInRange(tensor, first, first + block.length * perWord)
  }
  return firstInRange(tensor, head + numWords * perWord, data.length)
}

type Kernel = {
  /** Whether one of `vectors` times four words from address 0 on has the carry; at least one vector. */
  run(vectors: number, exponent: number, one: number, carry: number): number
  readonly memory: WebAssembly.Memory
}

let kernel: Kernel | undefined

/** In WebAssembly SIMD, copy included several times as fast as a loop over words: every weight passes here. */
function hasCarry(words: Uint32Array, { exponent, one, carry }: ExponentBits): boolean {
  if (!kernel) {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(carryModule()))
    kernel = exports as unknown as Kernel
    kernel.memory.grow((4 * BLOCK) / 65536)
  }
  const vectors = Math.ceil(words.length / 4)
  const copy = new Uint32Array(kernel.memory.buffer, 0, 4 * vectors)
  copy.fill(0, words.length)
  copy.set(words)
  return kernel.run(vectors, exponent, one, carry) !== 0
}

function carryModule(): Uint8Array<ArrayBuffer> {
  return moduleOf((body) => {
    const param = () => body.param('i32')
    const [vectors, exponent, one, carry] = [param(), param(), param(), param()]
    const at = body.local('i32')
    const carried = body.local('v128')
    const sum = i32x4.add(
      v128.and(v128.load(at.get), i32x4.splat(exponent.get)),
      i32x4.splat(one.get),
    )
    const everyVector = repeatWhile(
      [
        carried.set(v128.or(carried.get, sum)),
        at.set(i32.add(at.get, i32.const(16))),
        vectors.set(i32.sub(vectors.get, i32.const(1))),
      ],
      vectors.get,
    )
    return [...everyVector, ...v128.isAnySet(v128.and(carried.get, i32x4.splat(carry.get)))]
  })
}

function firstInRange(tensor: HostTensor, from: number, to: number): number {
  for (let i = from; i < to; i++) if (!Number.isFinite(elementValue(tensor, i))) return i
  return -1
}

function elementValue({ dtype, data }: HostTensor, at: number): number {
  const stored = Number(data[at])
  if (dtype === 'float16') return float16ToNumber(stored)
  if (dtype !== 'bfloat16' || (stored & 0x7f80) !== 0x7f80) return stored
  if (stored & 0x7f) return NaN
  return stored & 0x8000 ? -Infinity : Infinity
}

/** The row-major place `at` as one index per dimension. */
function coordinates(at: number, shape: readonly number[]): number[] {
  const result: number[] = []
  let rest = at
  for (const dim of shape.toReversed()) {
    result.unshift(rest % dim)
    rest = Math.floor(rest / dim)
  }
  return result
}
