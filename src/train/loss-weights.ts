/**
 * How much each learnt token counts in the loss of a step.
 *
 *   meanOfMeans   1 / (tokens of its micro-batch · micro-batches): the original repositories, transformers up to 4.45
 *   tokens        1 / tokens of the step: transformers since
 */
import { InputError } from '../core/errors.ts'

export type Accumulation = 'meanOfMeans' | 'tokens'

/** The weight of one token of each micro-batch, from their counts. Throws InputError where nothing is learnt. */
export function tokenWeights(counts: readonly number[], accumulation: Accumulation): number[] {
  const total = counts.reduce((a, b) => a + b, 0)
  const empty = counts.indexOf(0)
  if (total === 0 || (accumulation === 'meanOfMeans' && empty >= 0)) {
    throw new InputError(
      'INPUT_NOTHING_LEARNT',
      `samples: micro-batch ${Math.max(empty, 0)} has no label that is learnt, so its mean is no number; leave it out.`,
    )
  }
  if (accumulation === 'tokens') return counts.map(() => 1 / total)
  return counts.map((count) => 1 / (count * counts.length))
}
