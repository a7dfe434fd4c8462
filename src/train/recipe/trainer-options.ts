/** What a recipe asks of `createTrainer`. */
import type { TrainerOptions } from '../options.ts'
import type { Recipe } from './recipe.ts'

export function trainerOptions(
  recipe: Recipe,
  { totalSteps, resume }: { readonly totalSteps: number; readonly resume: string | null },
): TrainerOptions {
  const { model, lora, preference, schedule } = recipe
  const { from: _, base: folder, ...parts } = model
  return {
    ...parts,
    base: { storage: recipe.base, ...(folder !== undefined && { folder }) },
    trainable: recipe.trainable,
    ...(lora && {
      lora: {
        ...lora,
        targets: lora.targets === undefined ? undefined : new RegExp(lora.targets),
      },
    }),
    ...(preference && { objective: { kind: 'dpo', ...preference } }),
    ...(recipe.stage === 'words' && { objective: { kind: 'words' } }),
    compute: recipe.compute,
    activations: recipe.activations,
    threads: recipe.threads,
    ...(recipe.featureCache !== undefined && { featureCache: recipe.featureCache }),
    learningRate: recipe.learningRate,
    learningRates: recipe.learningRates,
    weightDecay: recipe.weightDecay,
    betas: recipe.betas,
    eps: recipe.eps,
    clipNorm: recipe.clipNorm,
    schedule: { ...schedule, totalSteps },
    accumulation: recipe.normalisation,
    seed: recipe.seed,
    ...(resume !== null && { resume }),
  }
}
