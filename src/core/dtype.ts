/**
 * Element types, their sizes, and exact conversion of the 16-bit floats.
 *
 * float16 and bfloat16 live in Uint16Array as their bits; int4 and uint4 are packed two to a byte, low nibble first.
 * Source of the float formats: IEEE 754-2019 (binary16); bfloat16 is the upper half of binary32.
 */

export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'bool'

export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array

type ArrayConstructor = {
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray
  new (length: number): TypedArray
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
}

const ARRAYS: { readonly [D in DType]: ArrayConstructor } = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
}

export const FLOAT_DTYPES: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16']

export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value)
}

/** Whether elements of `dtype` are held in such an array. */
export function isArrayOf(dtype: DType, data: unknown): data is TypedArray {
  return data instanceof ARRAYS[dtype]
}

export function arrayName(dtype: DType): string {
  return ARRAYS[dtype].name
}

export function bytesPerElement(dtype: DType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT
}

/** A zeroed array for `count` elements of `dtype`. */
export function allocate(dtype: DType, count: number): TypedArray {
  return new ARRAYS[dtype](count)
}

/** A view of `count` elements at `byteOffset`; copies when the offset is not aligned to the element size. */
export function viewBytes(
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  count: number,
): TypedArray {
  const array = ARRAYS[dtype]
  if (byteOffset % array.BYTES_PER_ELEMENT === 0) return new array(buffer, byteOffset, count)
  const bytes = new Uint8Array(buffer, byteOffset, count * array.BYTES_PER_ELEMENT)
  return new array(bytes.slice().buffer, 0, count)
}

/** The value of a binary16 given by its bits, exactly. */
export function float16ToNumber(bits: number): number {
  return FLOAT16_VALUES[bits & 0xffff] as number
}

/** Widens `source` (bits of binary16) to float32, exactly. */
export function float16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  for (let i = 0; i < source.length; i++) target[i] = FLOAT16_VALUES[source[i] as number] as number
  return target
}

/** Widens `source` (bits of bfloat16) to float32, exactly. */
export function bfloat16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) bits[i] = (source[i] as number) << 16
  return target
}

/** Narrows float32 to binary16, rounding half to even; values past the range become infinities. */
export function float32ToFloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  for (let i = 0; i < source.length; i++) target[i] = numberToFloat16(source[i] as number)
  return target
}

/** Narrows float32 to bfloat16, rounding half to even. */
export function float32ToBfloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length)
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i] as number
    const isNaN = (value & 0x7fffffff) > 0x7f800000
    target[i] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
  }
  return target
}

const scratchFloat = new Float32Array(1)
const scratchBits = new Uint32Array(scratchFloat.buffer)

/** The bits of the binary16 nearest to a float32, half to even. */
export function numberToFloat16(value: number): number {
  scratchFloat[0] = value
  const bits = scratchBits[0] as number
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) {
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
  }
  // Subnormal: adding 0.5 puts the wanted ten bits at the end of the significand, rounded by the hardware.
  scratchFloat[0] = Math.abs(value) + 0.5
  return sign | ((scratchBits[0] as number) - 0x3f000000)
}

const FLOAT16_VALUES = float16Table()

function float16Table(): Float32Array {
  const table = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 31
    const fraction = bits & 1023
    const sign = bits & 0x8000 ? -1 : 1
    if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  return table
}
