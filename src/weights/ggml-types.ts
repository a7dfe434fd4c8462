/**
 * How ggml stores tensors: plain numbers, or blocks with a scale, and what the blocks stand for.
 *
 * Nibbles of the blocks of 32: byte j of a 4-bit block holds value j below and value j + 16 above. Scales d and minima m are float16.
 *
 *   Q8_0  d, 32 int8           d·q
 *   Q4_0  d, 16 bytes          d·(q − 8)
 *   Q4_1  d, m, 16 bytes       d·q + m, rounded once to float32
 *   Q5_0  d, 32 bits, 16 bytes d·(q − 16), the fifth bits of all values apart
 *   Q5_1  d, m, 32 bits, 16 bytes  d·q + m, rounded once to float32
 *   Q6_K  256 elements in 16 groups with an int8 scale s each: d·s·(q − 32); llama.cpp's "Q4_0" files keep the head so
 *
 * Source: ggml, src/ggml-quants.c and src/ggml-common.h (`block_q8_0`, `block_q4_0`, `block_q4_1`, `block_q5_0`, `block_q5_1`, `block_q6_K`).
 */
import { float16ToNumber, type DType } from '../core/dtype.ts'

export type GgmlType = {
  readonly name: string
  /** Elements and bytes of a block; one element for plain numbers. */
  readonly blockElements: number
  readonly blockBytes: number
  /** What `read` gives: the stored type for plain numbers, float32 for blocks. */
  readonly dtype: DType
  /** The values that blocks stand for, in new memory unless some is given. */
  readonly dequantize?: (blocks: Uint8Array, into?: Float32Array) => Float32Array
}

/** The types that are read, by their number in the file. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map<number, GgmlType>([
  [0, plain('F32', 'float32', 4)],
  [1, plain('F16', 'float16', 2)],
  [
    2,
    {
      name: 'Q4_0',
      blockElements: 32,
      blockBytes: 18,
      dtype: 'float32',
      dequantize: dequantizeQ4_0,
    },
  ],
  [
    3,
    {
      name: 'Q4_1',
      blockElements: 32,
      blockBytes: 20,
      dtype: 'float32',
      dequantize: dequantizeQ4_1,
    },
  ],
  [
    6,
    {
      name: 'Q5_0',
      blockElements: 32,
      blockBytes: 22,
      dtype: 'float32',
      dequantize: dequantizeQ5_0,
    },
  ],
  [
    7,
    {
      name: 'Q5_1',
      blockElements: 32,
      blockBytes: 24,
      dtype: 'float32',
      dequantize: dequantizeQ5_1,
    },
  ],
  [
    8,
    {
      name: 'Q8_0',
      blockElements: 32,
      blockBytes: 34,
      dtype: 'float32',
      dequantize: dequantizeQ8_0,
    },
  ],
  [
    14,
    {
      name: 'Q6_K',
      blockElements: 256,
      blockBytes: 210,
      dtype: 'float32',
      dequantize: dequantizeQ6_K,
    },
  ],
  [24, plain('I8', 'int8', 1)],
  [25, plain('I16', 'int16', 2)],
  [26, plain('I32', 'int32', 4)],
  [27, plain('I64', 'int64', 8)],
  [28, plain('F64', 'float64', 8)],
  [30, plain('BF16', 'bfloat16', 2)],
])

/** Names of the types that exist and are not read, for messages. */
export const UNREAD_GGML_TYPES: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
])

function plain(name: string, dtype: DType, bytes: number): GgmlType {
  return { name, blockElements: 1, blockBytes: bytes, dtype }
}

function dequantizeQ8_0(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 34) * 32),
): Float32Array {
  const values = new Int8Array(blocks.buffer, blocks.byteOffset, blocks.byteLength)
  for (let from = 0, to = 0; from < blocks.length; from += 34, to += 32) {
    const d = float16At(blocks, from)
    for (let i = 0; i < 32; i++) target[to + i] = d * (values[from + 2 + i] as number)
  }
  return target
}

function dequantizeQ4_0(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 18) * 32),
): Float32Array {
  for (let from = 0, to = 0; from < blocks.length; from += 18, to += 32) {
    const d = float16At(blocks, from)
    for (let q = 0; q < 16; q++) LEVELS[q] = d * (q - 8)
    fourBits(blocks, from + 2, target, to)
  }
  return target
}

function dequantizeQ4_1(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 20) * 32),
): Float32Array {
  for (let from = 0, to = 0; from < blocks.length; from += 20, to += 32) {
    const d = float16At(blocks, from)
    const m = float16At(blocks, from + 2)
    // The sum is exact in float64, so that storing it rounds once.
    for (let q = 0; q < 16; q++) LEVELS[q] = d * q + m
    fourBits(blocks, from + 4, target, to)
  }
  return target
}

function dequantizeQ5_0(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 22) * 32),
): Float32Array {
  for (let from = 0, to = 0; from < blocks.length; from += 22, to += 32) {
    const d = float16At(blocks, from)
    for (let q = 0; q < 32; q++) LEVELS[q] = d * (q - 16)
    fiveBits(blocks, from + 2, target, to)
  }
  return target
}

function dequantizeQ5_1(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 24) * 32),
): Float32Array {
  for (let from = 0, to = 0; from < blocks.length; from += 24, to += 32) {
    const d = float16At(blocks, from)
    const m = float16At(blocks, from + 2)
    for (let q = 0; q < 32; q++) LEVELS[q] = d * q + m
    fiveBits(blocks, from + 4, target, to)
  }
  return target
}

/** What each number of the block at hand stands for: looking it up is several times as fast as computing it anew. */
const LEVELS = new Float32Array(32)

/** 16 bytes of nibbles from `at`. */
function fourBits(blocks: Uint8Array, at: number, target: Float32Array, to: number): void {
  for (let i = 0; i < 16; i++) {
    const byte = blocks[at + i] as number
    target[to + i] = LEVELS[byte & 15] as number
    target[to + 16 + i] = LEVELS[byte >>> 4] as number
  }
}

/** 32 high bits and 16 bytes of nibbles from `at`. */
function fiveBits(blocks: Uint8Array, at: number, target: Float32Array, to: number): void {
  const low = (blocks[at] as number) | ((blocks[at + 1] as number) << 8)
  const high = (blocks[at + 2] as number) | ((blocks[at + 3] as number) << 8)
  for (let i = 0; i < 16; i++) {
    const byte = blocks[at + 4 + i] as number
    target[to + i] = LEVELS[(byte & 15) | (((low >>> i) & 1) << 4)] as number
    target[to + 16 + i] = LEVELS[(byte >>> 4) | (((high >>> i) & 1) << 4)] as number
  }
}

/** 128 bytes of low nibbles, 64 of two high bits, 16 scales, d; in two halves of 128 elements. */
function dequantizeQ6_K(
  blocks: Uint8Array,
  target: Float32Array = new Float32Array((blocks.length / 210) * 256),
): Float32Array {
  for (let block = 0, to = 0; block < blocks.length; block += 210) {
    const d = float16At(blocks, block + 208)
    for (let half = 0; half < 2; half++, to += 128) {
      const low = block + 64 * half
      const high = block + 128 + 32 * half
      const scales = block + 192 + 8 * half
      for (let i = 0; i < 128; i++) {
        const nibble = ((blocks[low + (i % 64)] as number) >>> (i < 64 ? 0 : 4)) & 15
        const top = ((blocks[high + (i % 32)] as number) >>> (2 * (i >>> 5))) & 3
        const scale = ((blocks[scales + (i >>> 4)] as number) << 24) >> 24
        target[to + i] = d * scale * ((nibble | (top << 4)) - 32)
      }
    }
  }
  return target
}

function float16At(bytes: Uint8Array, at: number): number {
  return float16ToNumber((bytes[at] as number) | ((bytes[at + 1] as number) << 8))
}
