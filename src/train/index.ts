/** Training: `createTrainer` and what it takes and gives. */
export { createTrainer } from './create-trainer.ts'
export type { LoraOptions, Objective, TrainerOptions, TrainerQuirks } from './options.ts'
export type { ModelPart } from './parameter-groups.ts'
export type { PreferenceLoss } from './preference-loss.ts'
export { IGNORE_INDEX, type PixelTensor, type PreferencePair, type Sample } from './sample.ts'
export type { MicroBatch } from './objective.ts'
export type { PreferenceReport } from './preference-objective.ts'
export type { NamedTensors, StepResult, Trainer } from './trainer.ts'
