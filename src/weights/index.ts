/** Files of tensors, streamed: what other rooms use of this one. */
export type { TensorInfo, WeightSource } from './source.ts'
export { openCheckpoint, openWeightFile } from './open-checkpoint.ts'
export { readSafetensors } from './safetensors.ts'
export { memoryBytes, type FileBytes } from './file-bytes.ts'
export { openFileBytes } from './node.ts'
export { assertFinite } from './assert-finite.ts'
export { matchTensors, type ExpectedTensor, type MatchOptions } from './match-tensors.ts'
export {
  writeSafetensors,
  writeShardedSafetensors,
  type ShardOptions,
  type TensorPlan,
  type TensorProducer,
} from './safetensors-writer.ts'
export { openGguf, readGgufMetadata } from './open-checkpoint.ts'
export type { GgufSource } from './gguf.ts'
export type { GgufMetadata, GgufValue } from './gguf-metadata.ts'
export { permuteRotary, unpermuteRotary } from './rotary-order.ts'
export {
  writeGguf,
  type GgufField,
  type GgufTensorPlan,
  type GgufTensorProducer,
} from './gguf-writer.ts'
export type { WrittenGgmlType } from './ggml-quantize.ts'
