/** Which kinds of values a trainer's options are. */
import { shown, type OptionFaults } from './option-faults.ts'
import type { TrainerOptions } from './options.ts'

type Kind = { readonly expected: string; readonly is: (value: unknown) => boolean }

const TEXT: Kind = { expected: 'a text', is: (value) => typeof value === 'string' && value !== '' }
const OBJECT: Kind = {
  expected: 'an object',
  is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}
const LIST: Kind = {
  expected: 'a list of texts',
  is: (value) => Array.isArray(value) && value.every(TEXT.is),
}

/** Of options that are more than a number or one of a few words. */
const KINDS: { readonly [O in keyof TrainerOptions]: Kind } = {
  trainable: LIST,
  lora: OBJECT,
  objective: OBJECT,
  base: { expected: 'a text or { folder, storage }', is: (v) => TEXT.is(v) || OBJECT.is(v) },
  learningRates: OBJECT,
  betas: { expected: 'a list of two numbers', is: Array.isArray },
  schedule: OBJECT,
  layout: { expected: "'original' or 'hf'", is: (v) => v === 'original' || v === 'hf' },
  quirks: OBJECT,
  adapters: LIST,
  projector: TEXT,
  visionTower: TEXT,
  tokenizer: TEXT,
  featureCache: TEXT,
  resume: TEXT,
  threads: {
    expected: 'a whole number of at least 1',
    is: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  },
  signal: { expected: 'an AbortSignal', is: (value) => value instanceof AbortSignal },
}

/** Before anything reads them: what is of another kind is one error with the rest of it. */
export function checkKinds(options: TrainerOptions, faults: OptionFaults): void {
  if (!OBJECT.is(options)) return faults.add(`options should be an object, ${shown(options)} came`)
  for (const [name, { expected, is }] of Object.entries(KINDS)) {
    const value = options[name as keyof TrainerOptions]
    if (value === undefined || is(value)) continue
    faults.add(`${name} should be ${expected}, ${shown(value)} came`)
  }
}
