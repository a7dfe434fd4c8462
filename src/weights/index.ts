/** Files of tensors, streamed: what other rooms use of this one. */
export type { TensorInfo, WeightSource } from './source.ts'
export { openCheckpoint, openWeightFile } from './open-checkpoint.ts'
export { readSafetensors } from './safetensors.ts'
export { memoryBytes, type FileBytes } from './file-bytes.ts'
export { openFileBytes } from './node.ts'
