/** Learning rates of parts of which nothing is trained: they do no harm, and may be a slip. */
import type { TrainerSettings } from './options.ts'
import { MODEL_PARTS, type ModelPart } from './parameter-groups.ts'

/** A sentence, or none. */
export function idleRateNotices(settings: TrainerSettings): readonly string[] {
  const idle = MODEL_PARTS.filter((part) => settings.learningRates[part] !== undefined).filter(
    (part) => !isLearnt(part, settings),
  )
  if (idle.length === 0) return []
  return [
    `learningRates names ${idle.join(', ')}, of which nothing is trained; name it in trainable if it should be.`,
  ]
}

/** Whether a rate for the part is the rate of anything: adapters are the decoder's, whose rate is the newline row's too. */
function isLearnt(part: ModelPart, { trainable, lora, learningRates }: TrainerSettings): boolean {
  if (trainable.includes(part)) return true
  if (part !== 'decoder') return false
  const isNewlines = learningRates.imageNewline === undefined && trainable.includes('imageNewline')
  return lora !== null || isNewlines
}
