/** What is trained where nobody says: of the usual parts those that the model has, since one without eyes has a decoder alone. */
import type { ModelConfig } from '../families/family.ts'
import type { TrainerOptions, TrainerSettings } from './options.ts'
import type { ModelPart } from './parameter-groups.ts'
import type { Recipe } from './recipe/recipe.ts'

export function withOwnParts(
  settings: TrainerSettings,
  { trainable: named }: TrainerOptions,
  config: ModelConfig,
): TrainerSettings {
  return named === undefined
    ? { ...settings, trainable: ownParts(settings.trainable, config) }
    : settings
}

export function withStageParts(recipe: Recipe, config: ModelConfig): Recipe {
  return recipe.trainableFrom === 'stage'
    ? { ...recipe, trainable: ownParts(recipe.trainable, config) }
    : recipe
}

function ownParts(parts: readonly ModelPart[], { vision }: ModelConfig): readonly ModelPart[] {
  return vision ? parts : parts.filter((part) => part === 'decoder')
}
