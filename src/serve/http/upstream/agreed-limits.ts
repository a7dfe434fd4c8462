/** What all workers of a model allow, and the checkpoint where it is known: as they said it last. */
import type { ServedModel } from '../served-model.ts'
import type { PromptSide } from './prompt-side.ts'
import type { WorkerModel } from './worker.ts'

export type AgreedLimits = Pick<
  ServedModel,
  'maxContext' | 'usualTokens' | 'takes' | 'autoOrient'
> & {
  /** Tokens of an answer that all workers take a request for; undefined: none says. */
  readonly mostTokens: number | undefined
}

export function agreedLimits(
  known: readonly WorkerModel[],
  side: Pick<PromptSide, 'config' | 'generation'> | null,
): AgreedLimits {
  const contexts = known.map(({ maxContext }) => maxContext)
  const { maxContext = null, image, video } = side?.config ?? {}
  return {
    maxContext: least([...contexts, maxContext]),
    // Without the checkpoint answers are as long as the workers say.
    usualTokens: side ? side.generation.maxTokens : least(known.map((one) => one.usualTokens)),
    mostTokens: least(known.map(({ mostTokens }) => mostTokens)) ?? undefined,
    takes: {
      images: image !== null && known.every(({ takes }) => takes.images),
      videos: video !== null && known.every(({ takes }) => takes.videos),
    },
    autoOrient: agreed(known.map(({ autoOrient }) => autoOrient)),
  }
}

/** Null: not all say so, or they differ. */
function agreed(told: readonly (boolean | null)[]): boolean | null {
  const [first = null] = told
  return told.every((one) => one === first) ? first : null
}

/** Null: nobody says. */
function least(told: readonly (number | null)[]): number | null {
  const numbers = told.filter((one) => one !== null)
  return numbers.length > 0 ? Math.min(...numbers) : null
}
