/** What a recipe says other than when the run began that is gone on with. */
import { ConfigError } from '../../core/errors.ts'
import { changedFields } from '../changed-fields.ts'
import { isRecipeObject } from './recipe-reader.ts'
import type { Recipe } from './recipe.ts'

/**
 * `fixed`: what the weights of a checkpoint were learnt for; with another value they would be others' weights. `told`: the
 * steps to come are others. `free`: no number of theirs changes, or only how fast they come.
 */
type Change = 'fixed' | 'told' | 'free'

const FIELDS: { readonly [F in keyof Recipe]: Change } = {
  stage: 'fixed',
  trainable: 'fixed',
  lora: 'fixed',
  preference: 'fixed',
  base: 'fixed',
  conversation: 'fixed',
  model: 'told',
  compute: 'told',
  learningRate: 'told',
  learningRates: 'told',
  weightDecay: 'told',
  betas: 'told',
  eps: 'told',
  clipNorm: 'told',
  schedule: 'told',
  length: 'told',
  batchSize: 'told',
  accumulation: 'told',
  normalisation: 'told',
  batching: 'told',
  maxLength: 'told',
  frames: 'told',
  fps: 'told',
  forceSample: 'told',
  data: 'told',
  quarantine: 'told',
  seed: 'told',
  threads: 'told',
  trainableFrom: 'free',
  name: 'free',
  output: 'free',
  activations: 'free',
  featureCache: 'free',
  checkpoint: 'free',
  evaluation: 'free',
  answers: 'free',
  published: 'free',
}

/** Fields inside those that are other than the rest: folders may have moved. */
const INNER: Readonly<Record<string, Change>> = {
  'lora.init': 'told',
  'preference.reference': 'told',
  'model.quirks': 'fixed',
}

/**
 * What is to be told before the run goes on, or null. `before` is the recipe that the run wrote down.
 *
 * Throws ConfigError where the checkpoint would mean something else under the recipe of now.
 */
export function recipeChanges(before: unknown, now: Recipe): string | null {
  const changes = [...changedFields(inOrder(before), inOrder(JSON.parse(JSON.stringify(now))))]
  const textOf = (wanted: Change) =>
    changes.flatMap(({ path, text }) => (changeOf(path) === wanted ? [text] : [])).join('; ')
  const fixed = textOf('fixed')
  if (fixed !== '') {
    throw new ConfigError(
      'CONFIG_RESUME_RECIPE',
      `resume: the run was begun with another recipe: ${fixed}; put it back as it was, or start a new run.`,
    )
  }
  const told = textOf('told')
  return told === '' ? null : `the recipe is not the one before: ${told}`
}

/** The order of the parts that are trained says nothing. */
function inOrder(recipe: unknown): unknown {
  if (!isRecipeObject(recipe) || !Array.isArray(recipe['trainable'])) return recipe
  return { ...recipe, trainable: [...recipe['trainable']].sort() }
}

function changeOf(path: string): Change {
  const [field = '', inner] = path.split('.')
  return INNER[`${field}.${inner}`] ?? FIELDS[field as keyof Recipe]
}
