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
import {
  BLOCK_ELEMENTS,
  blockBytes,
  dequantizeBlocks,
  type BlockForm,
} from './dequantize-kernel.ts'

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
  [2, blocksOf32('Q4_0', { bits: 4, hasMinimum: false })],
  [3, blocksOf32('Q4_1', { bits: 4, hasMinimum: true })],
  [6, blocksOf32('Q5_0', { bits: 5, hasMinimum: false })],
  [7, blocksOf32('Q5_1', { bits: 5, hasMinimum: true })],
  [8, blocksOf32('Q8_0', { bits: 8, hasMinimum: false })],
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

function blocksOf32(name: string, form: BlockForm): GgmlType {
  const bytes = blockBytes(form)
  return {
    name,
    blockElements: BLOCK_ELEMENTS,
    blockBytes: bytes,
    dtype: 'float32',
    dequantize(
      blocks,
      into = new Float32Array((blocks.length / bytes) * BLOCK_ELEMENTS),
    ): Float32Array {
      return dequantizeBlocks(form, blocks, into)
    },
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
