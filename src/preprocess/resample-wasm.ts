/**
 * The resampling passes as a WebAssembly module of two functions, put together here instruction by instruction.
 *
 * A weight w of 22 fractional bits is split into w = high·2¹² + low, 0 ≤ low < 2¹², so that both parts fit 16 bits
 * and one instruction (i32x4.dot_i16x8_s) multiplies and adds two inputs of four samples. Sums are exact in 32 bits:
 *
 *   (Σ high·v)·2¹² + Σ low·v = Σ w·v
 *
 * Opcodes: WebAssembly specification 3.0, appendix "Index of Instructions".
 */
import { PRECISION_BITS } from './resample-kernel.ts'

/** Bits of the lower part of a weight. */
export const LOW_BITS = 12

/**
 * Exports `memory`,
 * `horizontal(source, sourceStride, target, targetStride, rows, table, count)` for RGB rows and
 * `vertical(source, stride, target, width, rows, table)` for rows of `width` bytes, a multiple of 8.
 *
 * A table has one entry after the other, per output: int32 offset of the first input in bytes, int32 number n ≥ 1 of
 * groups, for `horizontal` four int32 where its sums begin, then n groups. A group is 4 inputs of `horizontal` (high 0 1, low 0 1, high 2 3, low 2 3 as int16 pairs)
 * or 2 inputs of `vertical` (high 0 1, low 0 1). `horizontal` writes one byte past the end of each row.
 */
export function resampleModule(): Uint8Array<ArrayBuffer> {
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const types = vector([functionType(7), functionType(6)])
  const memory = vector([[0x00, 1]])
  const exports = vector([
    [...name('memory'), 2, 0],
    [...name('horizontal'), 0, 0],
    [...name('vertical'), 0, 1],
  ])
  return new Uint8Array([
    ...header,
    ...section(1, types),
    ...section(3, vector([[0], [1]])),
    ...section(5, memory),
    ...section(7, exports),
    ...section(10, vector([horizontalBody(), verticalBody()])),
  ])
}

function horizontalBody(): number[] {
  const [source, sourceStride, target, targetStride, rows, table, count] = [0, 1, 2, 3, 4, 5, 6]
  const [left, entry, at, groups, out] = [7, 8, 9, 10, 11]
  const [high, low, bytes, pair] = [12, 13, 14, 15]
  const addPair = (order: readonly number[], offset: number): number[] => [
    ...set(pair, get(bytes), v128Const(order), SWIZZLE),
    ...set(high, get(high), get(pair), get(entry), load32Splat(offset), DOT, ADD_LANES),
    ...set(low, get(low), get(pair), get(entry), load32Splat(offset + 4), DOT, ADD_LANES),
  ]
  const body = loop(
    ...set(entry, get(table)),
    ...set(out, get(target)),
    ...set(left, get(count)),
    ...loop(
      ...set(at, get(source), get(entry), load32(0), ADD),
      ...set(groups, get(entry), load32(4)),
      ...set(high, i32Const(0), SPLAT),
      ...set(low, get(entry), V128_LOAD_AT_8),
      ...advance(entry, 24),
      ...loop(
        ...set(bytes, get(at), V128_LOAD),
        ...addPair(widenPixels(0, 1), 0),
        ...addPair(widenPixels(2, 3), 8),
        ...advance(at, 12),
        ...advance(entry, 16),
        ...repeatWhileDecremented(groups),
      ),
      ...set(bytes, combine(high, low)),
      ...inOrder(get(out), get(bytes), get(bytes), NARROW_16, get(bytes), NARROW_8, STORE32_LANE),
      ...advance(out, 3),
      ...repeatWhileDecremented(left),
    ),
    ...set(source, get(source), get(sourceStride), ADD),
    ...set(target, get(target), get(targetStride), ADD),
    ...repeatWhileDecremented(rows),
  )
  return code(5, 4, body)
}

function verticalBody(): number[] {
  const [source, stride, target, width, rows, table] = [0, 1, 2, 3, 4, 5]
  const [column, at, entry, groups] = [6, 7, 8, 9]
  const [high0, low0, high1, low1, upper, lower, weight, samples] = [10, 11, 12, 13, 14, 15, 16, 17]
  const addRows = (high: number, low: number, order: readonly number[]): number[] => [
    ...set(samples, get(upper), get(lower), shuffle(order)),
    ...set(high, get(high), get(samples), get(weight), DOT, ADD_LANES),
    ...set(low, get(low), get(samples), get(entry), load32Splat(4), DOT, ADD_LANES),
  ]
  const body = loop(
    ...set(column, i32Const(0)),
    ...loop(
      ...set(at, get(source), get(table), load32(0), ADD, get(column), ADD),
      ...set(groups, get(table), load32(4)),
      ...set(entry, get(table), i32Const(8), ADD),
      ...clearSums(high0, low0),
      ...clearSums(high1, low1),
      ...loop(
        ...set(upper, get(at), LOAD_8X8),
        ...set(lower, get(at), get(stride), ADD, LOAD_8X8),
        ...set(weight, get(entry), load32Splat(0)),
        ...addRows(high0, low0, [0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23]),
        ...addRows(high1, low1, [8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31]),
        ...set(at, get(at), get(stride), ADD, get(stride), ADD),
        ...advance(entry, 8),
        ...repeatWhileDecremented(groups),
      ),
      ...set(samples, combine(high0, low0), combine(high1, low1), NARROW_16),
      ...inOrder(get(target), get(column), ADD, get(samples), get(samples), NARROW_8, STORE64_LANE),
      ...set(column, get(column), i32Const(8), ADD),
      ...inOrder(get(column), get(width), LESS, REPEAT),
    ),
    ...set(table, get(entry)),
    ...set(target, get(target), get(width), ADD),
    ...repeatWhileDecremented(rows),
  )
  return code(4, 8, body)
}

function inOrder(...instructions: number[][]): number[] {
  return instructions.flat()
}

/** Bytes of pixels a and b as 16-bit pairs: ra rb ga gb ba bb 0 0 (an index past 15 gives 0). */
function widenPixels(a: number, b: number): number[] {
  const none = 0x80
  const channel = (c: number): number[] => [a * 3 + c, none, b * 3 + c, none]
  return [...channel(0), ...channel(1), ...channel(2), none, none, none, none]
}

/** (high · 2¹² + low) ≫ 22, four sums. */
function combine(high: number, low: number): number[] {
  const shifted = inOrder(get(high), i32Const(LOW_BITS), SHIFT_LEFT)
  return inOrder(shifted, get(low), ADD_LANES, i32Const(PRECISION_BITS), SHIFT_RIGHT)
}

/** high = 0, low = ½ in the fixed point of the result. */
function clearSums(high: number, low: number): number[] {
  return [...set(high, i32Const(0), SPLAT), ...set(low, i32Const(1 << (PRECISION_BITS - 1)), SPLAT)]
}

const ADD = [0x6a]
const LESS = [0x49]
const REPEAT = [0x0d, 0]
const V128_LOAD = simd(0x00, 0, 0)
const V128_LOAD_AT_8 = simd(0x00, 0, 8)
const LOAD_8X8 = simd(0x02, 0, 0)
const SWIZZLE = simd(0x0e)
const SPLAT = simd(0x11)
const STORE32_LANE = simd(0x5a, 0, 0, 0)
const STORE64_LANE = simd(0x5b, 0, 0, 0)
const NARROW_8 = simd(0x66)
const NARROW_16 = simd(0x85)
const SHIFT_LEFT = simd(0xab)
const SHIFT_RIGHT = simd(0xac)
const ADD_LANES = simd(0xae)
const DOT = simd(0xba)

function get(local: number): number[] {
  return [0x20, local]
}

function set(local: number, ...value: number[][]): number[] {
  return [...inOrder(...value), 0x21, local]
}

function advance(local: number, by: number): number[] {
  return set(local, get(local), i32Const(by), ADD)
}

function loop(...body: number[]): number[] {
  return [0x03, 0x40, ...body, 0x0b]
}

/** Subtracts one and goes back to the start of the loop unless that gave zero. */
function repeatWhileDecremented(local: number): number[] {
  return inOrder(get(local), i32Const(-1), ADD, [0x22, local], REPEAT)
}

function load32(offset: number): number[] {
  return [0x28, 2, offset]
}

function load32Splat(offset: number): number[] {
  return simd(0x09, 2, offset)
}

function shuffle(order: readonly number[]): number[] {
  return simd(0x0d, ...order)
}

function v128Const(bytes: readonly number[]): number[] {
  return simd(0x0c, ...bytes)
}

function simd(opcode: number, ...immediates: number[]): number[] {
  return [0xfd, ...unsigned(opcode), ...immediates]
}

function i32Const(value: number): number[] {
  const bytes = [0x41]
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f
    const isLast = (rest >> 7 === 0 && low < 0x40) || (rest >> 7 === -1 && low >= 0x40)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

function vector(items: number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function functionType(parameters: number): number[] {
  return [0x60, ...vector(Array.from({ length: parameters }, () => [0x7f])), 0]
}

function code(integers: number, vectors: number, body: number[]): number[] {
  const locals = vector([
    [integers, 0x7f],
    [vectors, 0x7b],
  ])
  const content = [...locals, ...body, 0x0b]
  return [...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return vector([...text].map((letter) => [letter.charCodeAt(0)]))
}
