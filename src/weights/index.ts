/** Files of tensors, streamed: what other rooms use of this one. */
export type { TensorInfo, WeightSource } from './source.ts'
export { openCheckpoint, openStored, openWeightFile } from './open-checkpoint.ts'
export { readSafetensors } from './safetensors.ts'
export { memoryBytes, type FileBytes } from './file-bytes.ts'
export { openFileBytes } from './node.ts'
export { assertFinite, isFiniteTensor } from './assert-finite.ts'
export { matchTensors, type ExpectedTensor, type MatchOptions } from './match-tensors.ts'
export {
  writeSafetensors,
  writeShardedSafetensors,
  type ShardOptions,
  type TensorPlan,
  type TensorProducer,
} from './safetensors-writer.ts'
export { openGguf, openGgufInTurns, readGgufMetadata } from './open-checkpoint.ts'
export type { GgufSource } from './gguf.ts'
export type { GgufMetadata, GgufValue } from './gguf-metadata.ts'
export { encodeBlocks, type BlockType } from './block-search.ts'
export { fitsBlocks, ownName, storedPlan, withoutBlocks } from './stored-blocks.ts'
export { permuteRotary, unpermuteRotary } from './rotary-order.ts'
export {
  writeGguf,
  type GgufField,
  type GgufTensorPlan,
  type GgufTensorProducer,
} from './gguf-writer.ts'
export type { WrittenGgmlType } from './ggml-quantize.ts'
export { QUANTIZED_KINDS, type QuantizedKind } from './quantize.ts'
export { dequantizeInt8, quantizeInt8, type Int8Weight } from './quantize-int8.ts'
export { dequantizeQ4, quantizeQ4, type Q4Weight } from './quantize-q4.ts'
export { dequantizeQ8, quantizeQ8, type Q8Weight } from './quantize-q8.ts'
export type { QuantizeItem } from './quantizer.ts'
export {
  openQuantized,
  type OpenQuantizedOptions,
  type QuantizeEvent,
} from './quantized-cache-node.ts'
export { hashFiles, type HashEvent, type HashOptions } from './quantized-cache-key-node.ts'
export { openLoraAdapter, type LoraAdapter } from './lora.ts'
export { mergeLora } from './lora-merge.ts'
export { rowsInto, sliceRows, tensorRows } from './tensor-rows.ts'
export { hubOptionsFromEnvironment, isModelId, type HubSettings } from './hub.ts'
export { resolveModel, type HubEvent, type ResolveOptions } from './hub-node.ts'
