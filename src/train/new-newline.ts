/**
 * The newline row of a model that is about to get one, drawn where no file has it.
 *
 * Source: LLaVA at c121f04, `llava/model/llava_arch.py` (initialize_vision_modules), which makes it beside the projector.
 */
import { Rng } from '../core/rng.ts'
import type { WeightPart } from '../families/parameter-map.ts'
import { IMAGE_NEWLINE, NEWLINE_NAMES, parameterPath } from '../families/parameter-names.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import type { TrainerOptions, TrainerSettings } from './options.ts'

export const NEWLINE_DRAWN =
  'No file has image_newline: a new one was drawn by the seed, as the original draws it beside its projector.'

/**
 * The checkpoint with N(0, 1) / √hiddenSize as its newline, where it has none and the projector comes from elsewhere or the
 * newline is trained. Any other model without its newline is damaged, and an adapter has no place for one.
 */
export function withNewline(
  checkpoint: Checkpoint,
  { settings, projector }: { settings: TrainerSettings; projector: TrainerOptions['projector'] },
): { readonly checkpoint: Checkpoint; readonly notices: readonly string[] } {
  const { config, parts } = checkpoint
  const isBegun = projector !== undefined || settings.trainable.includes('imageNewline')
  const isWanted = config.image?.hasNewline && isBegun && !settings.lora
  if (!isWanted || parts.some(hasNewline)) return { checkpoint, notices: [] }
  const part = drawnNewline(config.decoder.hiddenSize, new Rng(settings.seed))
  return { checkpoint: { ...checkpoint, parts: [...parts, part] }, notices: [NEWLINE_DRAWN] }
}

function hasNewline({ source, rules }: WeightPart): boolean {
  return [...source.tensors.keys()].some((name) => parameterPath(rules, name) === IMAGE_NEWLINE)
}

function drawnNewline(hiddenSize: number, rng: Rng): WeightPart {
  const data = Float32Array.from({ length: hiddenSize }, () => rng.normal() / Math.sqrt(hiddenSize))
  const tensor = { dtype: 'float32', shape: [hiddenSize], data } as const
  const info = { dtype: 'float32', shape: [hiddenSize], file: 'drawn' } as const
  const source = {
    tensors: new Map([['image_newline', info]]),
    read: () => tensor,
    close: () => {},
  }
  return { source, rules: NEWLINE_NAMES }
}
