/** Which kinds of values a trainer's options are. */
import { describeValue } from '../core/describe-value.ts'
import {
  COUNT,
  kindFaults,
  LAYOUT,
  OBJECT,
  SIGNAL,
  TEXT,
  TEXTS,
  type OptionKinds,
} from '../core/option-kinds.ts'
import type { OptionFaults } from './option-faults.ts'
import type { TrainerOptions } from './options.ts'

/** Of options that are more than a number or one of a few words. */
const KINDS: OptionKinds<TrainerOptions> = {
  trainable: TEXTS,
  lora: OBJECT,
  objective: OBJECT,
  base: { expected: 'a text or { folder, storage }', is: (v) => TEXT.is(v) || OBJECT.is(v) },
  learningRates: OBJECT,
  betas: { expected: 'a list of two numbers', is: Array.isArray },
  schedule: OBJECT,
  layout: LAYOUT,
  quirks: OBJECT,
  adapters: TEXTS,
  projector: TEXT,
  visionTower: TEXT,
  tokenizer: TEXT,
  featureCache: TEXT,
  resume: TEXT,
  threads: COUNT,
  signal: SIGNAL,
}

/** Before anything reads them: what is of another kind is one error with the rest of it. */
export function checkKinds(options: TrainerOptions, faults: OptionFaults): void {
  if (!OBJECT.is(options))
    return faults.add(`options should be an object, ${describeValue(options)} came`)
  for (const fault of kindFaults(options, KINDS)) faults.add(fault)
}
