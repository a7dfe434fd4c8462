/** A head of its own for a model whose head is its embedding, where training goes on from an adapter that holds one of them. */
import { isOfTiedPair, withTiedTwin } from '../families/tied-head.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { openLoraAdapter } from '../weights/index.ts'
import type { TrainerSettings } from './options.ts'

/** What the adapter brings for one of the two leaves the other as it is, as where it is merged. Throws CheckpointError as openLoraAdapter does. */
export function withOwnHead(checkpoint: Checkpoint, { lora }: TrainerSettings): Checkpoint {
  const { config, parts } = checkpoint
  const init = lora?.init ?? null
  if (init === null || !config.decoder.tieEmbeddings || !holdsOneOfPair(init)) return checkpoint
  const decoder = { ...config.decoder, tieEmbeddings: false }
  return { ...checkpoint, config: { ...config, decoder }, parts: withTiedTwin(parts) }
}

function holdsOneOfPair(folder: string): boolean {
  const { replacements, source } = openLoraAdapter(folder)
  source.close()
  return [...replacements.keys()].some(isOfTiedPair)
}
