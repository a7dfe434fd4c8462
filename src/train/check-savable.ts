/** Whether what is trained can be written as a model: asked before the first step, for a run takes days. */
import { ConfigError } from '../core/errors.ts'
import type { Checkpoint } from '../load-checkpoint.ts'

type Files = Pick<Checkpoint, 'files'>

/** The file of a checkpoint that is a .gguf file. */
export function ggufFile({ files }: Files): string | undefined {
  return files.find((file) => file.endsWith('.gguf'))
}

/** Throws ConfigError for a checkpoint that gives a saved model no config and tokenizer. */
export function checkSavable(checkpoint: Files): void {
  const gguf = ggufFile(checkpoint)
  if (gguf === undefined) return
  throw new ConfigError(
    'CONFIG_SAVE',
    `createTrainer: a model trained in full is saved with the config and tokenizer of the folder that it came from, ${gguf} is a .gguf file; train an adapter over it (lora), or start from a folder.`,
  )
}
