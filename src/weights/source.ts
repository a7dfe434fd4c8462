/**
 * Where tensors come from, whatever the file: safetensors, a PyTorch zip, GGUF, a merged adapter, our quantised cache.
 *
 * A source lists its tensors without reading them and hands out one at a time, so that nothing ever holds a whole
 * checkpoint in memory. Who opens a source closes it; views handed out by `read` die with it.
 */
import type { DType } from '../core/dtype.ts'
import type { HostTensor } from '../core/tensor.ts'

export type TensorInfo = {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** The file the tensor lies in, for messages. */
  readonly file: string
  /** Whether it lies there in blocks of few bits, in safetensors of ours, and `dtype` is what it is widened to. */
  readonly isInBlocks?: boolean
}

export type WeightSource = {
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /**
   * The tensor as stored (float16 and bfloat16 as bits); a read-only view of mapped memory where possible.
   * Block-quantised GGUF types are listed and returned as float32. Throws CheckpointError for an unknown name.
   */
  read(name: string): HostTensor
  /**
   * The rows [from, to) of its first dimension, where that is less than the whole: a merged adapter computes no others, and
   * a view of them alone is all that V8 counts as memory, which makes it collect garbage.
   */
  readRows?(name: string, from: number, to: number): HostTensor
  /** Whether `read` looks at the file's memory all the same, where there is a `readRows`. */
  isView?(name: string): boolean
  /**
   * The same rows as float32 into memory that is there, where a source computes its tensors: blocks are widened and
   * adapters merged in place, without a copy in between.
   */
  readInto?(name: string, from: number, target: Float32Array): void
  /** Bytes of `name` are in no memory of ours after this (a hint; a mapped source drops its pages). */
  release?(name: string): void
  close(): void
}
