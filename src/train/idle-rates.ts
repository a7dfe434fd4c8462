/** Learning rates of parts of which nothing is trained: they do no harm, and may be a slip. */
import type { ModelConfig } from '../families/family.ts'
import type { TrainerSettings } from './options.ts'
import { MODEL_PARTS, type ModelPart } from './parameter-groups.ts'

/** A sentence for parts that could be trained, one for those that could not. */
export function idleRateNotices(settings: TrainerSettings, config: ModelConfig): readonly string[] {
  const idle = MODEL_PARTS.filter((part) => settings.learningRates[part] !== undefined).filter(
    (part) => !isLearnt(part, settings),
  )
  const isTrainable = (part: ModelPart) => canBeLearnt(part, settings, config)
  const [trainable, others] = [idle.filter(isTrainable), idle.filter((part) => !isTrainable(part))]
  return [
    ...(trainable.length > 0
      ? [
          `learningRates names ${trainable.join(', ')}, of which nothing is trained; name it in trainable if it should be.`,
        ]
      : []),
    ...(others.length > 0
      ? [
          `learningRates names ${others.join(', ')}, of which nothing can be trained here, since the model has none or an adapter file no place for it; leave it out.`,
        ]
      : []),
  ]
}

function canBeLearnt(
  part: ModelPart,
  { lora }: TrainerSettings,
  { vision, image }: ModelConfig,
): boolean {
  if (part === 'imageNewline') return lora === null && image?.hasNewline === true
  return part === 'decoder' || vision !== null
}

/** Whether a rate for the part is the rate of anything: adapters are the decoder's, whose rate is the newline row's too. */
function isLearnt(part: ModelPart, { trainable, lora, learningRates }: TrainerSettings): boolean {
  if (trainable.includes(part)) return true
  if (part !== 'decoder') return false
  const isNewlines = learningRates.imageNewline === undefined && trainable.includes('imageNewline')
  return lora !== null || isNewlines
}
