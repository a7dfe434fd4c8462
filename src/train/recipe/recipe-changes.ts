/** What a recipe says other than when the run began that is gone on with. */
import { ConfigError } from '../../core/errors.ts'
import { isRecipeObject } from './recipe-reader.ts'
import type { Recipe } from './recipe.ts'

/** What the weights of a checkpoint were learnt for: with another value they would be others' weights. */
const FIXED: readonly (keyof Recipe)[] = [
  'stage',
  'trainable',
  'lora',
  'preference',
  'base',
  'conversation',
]

/** What changes no number of the steps to come, or only how fast they come. */
const FREE: readonly (keyof Recipe)[] = [
  'name',
  'output',
  'threads',
  'activations',
  'featureCache',
  'checkpoint',
  'evaluation',
  'answers',
  'published',
]

/** Folders inside those that may have moved. */
const PLACES: readonly string[] = ['lora.init', 'preference.reference']

type Change = { readonly path: string; readonly text: string }

/**
 * What is to be told before the run goes on, or null. `before` is the recipe that the run wrote down.
 *
 * Throws ConfigError where the checkpoint would mean something else under the recipe of now.
 */
export function recipeChanges(before: unknown, now: Recipe): string | null {
  const changes = [...changesOf(before, JSON.parse(JSON.stringify(now)), '')]
  const keyOf = ({ path }: Change) => path.split('.')[0] as keyof Recipe
  const texts = (those: readonly Change[]) => those.map(({ text }) => text).join('; ')
  const fixed = changes.filter(
    (change) => FIXED.includes(keyOf(change)) && !PLACES.includes(change.path),
  )
  if (fixed.length > 0) {
    throw new ConfigError(
      'CONFIG_RESUME_RECIPE',
      `resume: the run was begun with another recipe: ${texts(fixed)}; put it back as it was, or start a new run.`,
    )
  }
  const told = changes.filter((change) => !FREE.includes(keyOf(change)))
  return told.length === 0 ? null : `the recipe is not the one before: ${texts(told)}`
}

function* changesOf(before: unknown, now: unknown, path: string): Generator<Change> {
  if (isRecipeObject(before) && isRecipeObject(now)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
      yield* changesOf(before[key], now[key], path === '' ? key : `${path}.${key}`)
    }
    return
  }
  const [old, own] = [shown(before), shown(now)]
  if (old !== own) yield { path, text: `${path} was ${old} and is ${own}` }
}

function shown(value: unknown): string {
  return JSON.stringify(value ?? null)
}
