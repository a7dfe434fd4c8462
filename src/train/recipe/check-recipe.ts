/** What a recipe asks of the trainer and the model: checked before its records are looked at, which can take an hour. */
import { ConfigError } from '../../core/errors.ts'
import { openParts, type Checkpoint, type CheckpointOptions } from '../../load-checkpoint.ts'
import { checkSavable } from '../check-savable.ts'
import { noTargets } from '../lora-modules.ts'
import { modelParameters } from '../model-parameters.ts'
import { parseOptions, type TrainerSettings } from '../options.ts'
import { checkParts } from '../trained-parameters.ts'
import { layerName, parameterTable, type ParameterGroup } from './parameter-table.ts'
import type { Recipe } from './recipe.ts'
import { trainerOptions } from './trainer-options.ts'

/**
 * The settings that a trainer would have, and what it would train.
 *
 * Throws as `createTrainer` does for options that cannot be, parts that the model has not and a model that cannot be saved,
 * ConfigError for a recipe that trains nothing.
 */
export function checkRecipe(
  recipe: Recipe,
  checkpoint: Pick<Checkpoint, 'config' | 'files'>,
): { readonly settings: TrainerSettings; readonly groups: readonly ParameterGroup[] } {
  const { config } = checkpoint
  const settings = parseOptions(trainerOptions(recipe, { totalSteps: 1, resume: null }))
  checkParts(modelParameters(config), settings)
  if (!settings.lora) checkSavable(checkpoint)
  const groups = parameterTable(config, settings)
  if (settings.lora && !groups.some(({ kind }) => kind === 'lora')) {
    const example = layerName('decoder.layers.0.attention.q.weight', config)
    throw noTargets(settings.lora.targets, example)
  }
  if (groups.some(({ isTrained }) => isTrained)) return { settings, groups }
  throw nothingLearnt(recipe, config)
}

/** A stage's own parts are none where it trains the projector alone, which a model without eyes has not. */
function nothingLearnt(
  { stage, trainableFrom, model }: Recipe,
  { vision }: Checkpoint['config'],
): ConfigError {
  const text =
    trainableFrom === 'stage'
      ? `expected a model with a projector, which stage ${stage} trains, ${model.from} is a language model without eyes; choose stage instruction, which trains the decoder.`
      : `trainable should name a part of the model, [] came and there is no lora, so nothing would be learnt; name ${vision ? 'projector' : 'decoder'}, say.`
  return new ConfigError('CONFIG_RECIPE', `recipe: ${text}`)
}

/** Opens the frozen reference that preferences are learnt against, and closes it. Throws as `createTrainer` does for it. */
export async function checkReference(
  { model, preference }: Recipe,
  hub?: CheckpointOptions['hub'],
): Promise<void> {
  if (preference?.reference === undefined) return
  const { layout } = model
  const options = { layout, hub, processor: 'derived', use: 'training' } as const
  const checkpoint = await openParts(preference.reference, options)
  checkpoint.close()
}
