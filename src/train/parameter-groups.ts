/**
 * Which part of the model a parameter belongs to, and what the optimizer does with it.
 *
 * Source: `create_optimizer` of LLaVA at c121f04 and LLaVA-NeXT at df17966 (`llava_trainer.py`), and of transformers'
 * Trainer: own rates for projector and tower by name; no decay for norms and biases, decay for everything else.
 */

/** `imageNewline` has the decoder's rate unless it is given one. */
export type ModelPart = 'projector' | 'decoder' | 'vision' | 'imageNewline'

export const MODEL_PARTS: readonly ModelPart[] = ['projector', 'decoder', 'vision', 'imageNewline']

/** Numbers that were measured and are never trained: what standardises the tower's features. */
const MEASURED = /^standardise\./

/** The part of a parameter by our dotted path; null: of none. */
export function partOf(path: string): ModelPart | null {
  if (MEASURED.test(path)) return null
  const first = path.slice(0, path.indexOf('.') < 0 ? path.length : path.indexOf('.'))
  const part = MODEL_PARTS.find((known) => known === first)
  if (part) return part
  throw new Error(`internal: parameter ${path} belongs to no part of the model`)
}

/** Whether weight decay applies: to all but norms and biases; embeddings and the newline row decay too. */
export function isDecayed(path: string): boolean {
  return !path.endsWith('.bias') && !/(?:^|\.)\w*[nN]orm\.weight$/.test(path)
}

export type GroupRates = {
  readonly learningRate: number
  readonly learningRates: Readonly<Partial<Record<ModelPart, number>>>
  readonly weightDecay: number
}

/** What one parameter is trained with: its rate before the schedule, and its decay. */
export type ParameterRates = { readonly learningRate: number; readonly weightDecay: number }

export function ratesOf(path: string, rates: GroupRates): ParameterRates {
  const part = partOf(path)
  const own = part && rates.learningRates[part]
  const ofDecoder = part === 'imageNewline' ? rates.learningRates.decoder : undefined
  return {
    learningRate: own ?? ofDecoder ?? rates.learningRate,
    weightDecay: isDecayed(path) ? rates.weightDecay : 0,
  }
}
