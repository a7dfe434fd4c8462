/**
 * Enough of WebAssembly's binary format to write a numeric kernel down in TypeScript, without a compiler.
 *
 * Code is bytes; an instruction is a function from its operands' code to its own, so that expressions nest as they are
 * thought. Source: WebAssembly core specification 2.0, chapter 5 "Binary Format".
 */
export type Code = readonly number[]

export type ValueType = 'i32' | 'f32' | 'v128'

const VALUE_TYPES: { readonly [T in ValueType]: number } = { i32: 0x7f, f32: 0x7d, v128: 0x7b }

/** A local variable of a function; parameters come first. */
export type Local = { readonly get: Code; set(value: Code): Code }

export type FunctionBody = {
  /** A parameter, to be declared before all other locals. */
  param(type: ValueType): Local
  local(type: ValueType): Local
}

/** A module of one exported function `run` with an i32 result, and of the exported `memory` that it works in. */
export function moduleOf(build: (body: FunctionBody) => Code): Uint8Array<ArrayBuffer> {
  const params: ValueType[] = []
  const locals: ValueType[] = []
  const declare = (list: ValueType[], type: ValueType): Local => {
    const index = unsigned(params.length + locals.length)
    list.push(type)
    return { get: [0x20, ...index], set: (value) => [...value, 0x21, ...index] }
  }
  const code = build({
    param: (type) => declare(params, type),
    local: (type) => declare(locals, type),
  })
  const type = [0x60, ...vector(params.map((t) => [VALUE_TYPES[t]])), 1, VALUE_TYPES.i32]
  const declared = vector(locals.map((t) => [1, VALUE_TYPES[t]]))
  const body = [...declared, ...code, 0x0b]
  return Uint8Array.from([
    ...MAGIC,
    ...section(1, [type]),
    ...section(3, [[0]]),
    ...section(5, [[0, 1]]),
    ...section(7, [
      [...name('memory'), 2, 0],
      [...name('run'), 0, 0],
    ]),
    ...section(10, [[...unsigned(body.length), ...body]]),
  ])
}

/** `\\0asm`, version 1. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

function section(id: number, entries: readonly Code[]): Code {
  const content = vector(entries)
  return [id, ...unsigned(content.length), ...content]
}

function vector(entries: readonly Code[]): Code {
  return [...unsigned(entries.length), ...entries.flat()]
}

function name(text: string): Code {
  return vector([...text].map((letter) => [letter.charCodeAt(0)]))
}

/** LEB128, unsigned. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

/** LEB128, signed. */
function signed(value: number): Code {
  const isLast = value >= -64 && value < 64
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
}

type Operation = (...operands: Code[]) => Code

function plain(opcode: number): Operation {
  return (...operands) => [...operands.flat(), opcode]
}

function simd(opcode: number): Operation {
  return (...operands) => [...operands.flat(), 0xfd, ...unsigned(opcode)]
}

function access(prefix: Code, align: number): (address: Code, value?: Code) => Code {
  return (address, value = []) => [...address, ...value, ...prefix, align, 0]
}

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: plain(0x6a),
  sub: plain(0x6b),
  mul: plain(0x6c),
  and: plain(0x71),
  or: plain(0x72),
  shiftLeft: plain(0x74),
  isEqual: plain(0x46),
  isLess: plain(0x49),
  load: access([0x28], 2),
  load16: access([0x2f], 1),
  store8: access([0x3a], 0),
  fromF32: (value: Code): Code => [...value, 0xfc, 0x01],
  bitsOfF32: plain(0xbc),
}

export const f32 = {
  const: (value: number): Code => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)],
  load: access([0x2a], 2),
  store: access([0x38], 2),
  add: plain(0x92),
  sub: plain(0x93),
  mul: plain(0x94),
  div: plain(0x95),
  min: plain(0x96),
  max: plain(0x97),
  nearest: plain(0x90),
  isGreater: plain(0x5e),
  isLess: plain(0x5d),
  isUnequal: plain(0x5c),
  ofBits: plain(0xbe),
}

export const v128 = {
  load: access([0xfd, 0x00], 4),
  store: access([0xfd, 0x0b], 4),
  const: (bytes: readonly number[]): Code => [0xfd, 0x0c, ...bytes],
  and: simd(0x4e),
  or: simd(0x50),
  isAnySet: simd(0x53),
}

export const f32x4 = {
  splat: simd(0x13),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  /** The second operand where it is less than (more than) the first: one instruction, unlike min and max. */
  lesser: simd(0xea),
  greater: simd(0xeb),
  nearest: simd(0x6a),
  lane: (value: Code, lane: number): Code => [...value, 0xfd, 0x1f, lane],
}

export const i32x4 = {
  splat: simd(0x11),
  add: simd(0xae),
  fromF32x4: simd(0xf8),
  toF32x4: simd(0xfa),
}

/** The lower or higher half of the lanes, twice as wide: with their sign, or as numbers of at least 0. */
export const widen = {
  i8: { low: simd(0x87), high: simd(0x88) },
  u8: { low: simd(0x89), high: simd(0x8a) },
  i16: { low: simd(0xa7), high: simd(0xa8) },
  u16: { low: simd(0xa9), high: simd(0xaa) },
}

export const i8x16 = {
  splat: simd(0x0f),
  /** Eight and eight 16-bit lanes, or four and four 32-bit ones, to lanes of half the size. */
  narrowI16x8: simd(0x66),
  narrowI32x4: simd(0x86),
  shiftLeft: simd(0x6b),
  shiftRight: simd(0x6d),
  isUnequal: simd(0x24),
  /** Sixteen of the thirty-two bytes of two vectors. */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, 0xfd, 0x0d, ...lanes],
}

/** Runs `body` again for as long as `condition` holds after it. */
export function repeatWhile(body: readonly Code[], condition: Code): Code {
  return [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0, 0x0b]
}

export function when(
  condition: Code,
  then: readonly Code[],
  otherwise: readonly Code[] = [],
): Code {
  return [...condition, 0x04, 0x40, ...then.flat(), 0x05, ...otherwise.flat(), 0x0b]
}

export function giveBack(value: Code): Code {
  return [...value, 0x0f]
}
