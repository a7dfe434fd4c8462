/** Labelling in bulk: prompts asked about every picture and clip of an input, the answers in one file. */
export { label, type LabelReport } from './label-node.ts'
export { LABEL_DEFAULTS, type LabelEngineOptions, type LabelOptions } from './label-options.ts'
export type { LabelEvent, LabelHooks, LabelProgress } from './label-events.ts'
export type { LabelModel, LabelSampling } from './label-engine.ts'
export type { EngineTally } from './run-engines.ts'
