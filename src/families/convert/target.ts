/** What a conversion starts from and what it makes: folders of files and tensors. */
import type { Tokenizer } from '../../text/tokenizer.ts'
import type { CheckpointDocuments, ModelConfig } from '../family.ts'
import type { WeightPart } from '../parameter-map.ts'
import type { OutputDType, OutputTensor } from './output-tensor.ts'
import type { StoredTensors } from './stored-tensors.ts'
import type { Files } from './tokenizer-files.ts'

/** An opened checkpoint, its parts merged. */
export type ConvertSource = {
  readonly documents: CheckpointDocuments
  readonly config: ModelConfig
  readonly parts: readonly WeightPart[]
}

export type TargetInput = {
  /** The folder that is written, by whose name an original checkpoint is read. */
  readonly out: string
  readonly documents: CheckpointDocuments
  readonly config: EyedConfig
  readonly stored: StoredTensors
  readonly tokenizer: Tokenizer
  readonly tokenizerFiles: Files
  readonly dtype: OutputDType
}

/** A config of a model that sees. */
export type EyedConfig = ModelConfig & {
  readonly [K in 'vision' | 'projector' | 'image']: NonNullable<ModelConfig[K]>
}

export type OutputFolder = {
  /** Within the target; empty for the target itself. */
  readonly folder: string
  readonly files: Files
  readonly tensors: readonly OutputTensor[]
}

export type Target = {
  readonly folders: readonly OutputFolder[]
  /** What a user should know, a sentence each. */
  readonly notices: readonly string[]
}
