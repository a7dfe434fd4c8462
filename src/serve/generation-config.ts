/**
 * What a checkpoint says about generating with it: generation_config.json, read once, as transformers understands it.
 *
 * Source of names, defaults and neutral values: transformers 5.23, generation/configuration_utils.py.
 */
import { describeValue } from '../core/describe-value.ts'
import { ConfigError } from '../core/errors.ts'
import { NO_TURN_END, type TurnEnd } from '../families/turn-end.ts'
import { isRecord } from './faults.ts'
import {
  EARLY_STOPPING,
  FINITE,
  FLAG,
  numberFrom,
  POSITIVE,
  STOP_STRINGS,
  TOKEN_ID_LISTS,
  TOKEN_IDS,
  wholeNumberFrom,
  type EarlyStopping,
  type FieldRule,
} from './field-rules.ts'

/** Null means that the file does not say. */
export type GenerationConfig = {
  /** Whether an answer is drawn at random where the request does not give a temperature. */
  readonly doSample: boolean
  readonly temperature: number | null
  readonly topP: number | null
  readonly topK: number | null
  readonly minP: number | null
  readonly repetitionPenalty: number | null
  readonly numBeams: number | null
  readonly lengthPenalty: number | null
  readonly earlyStopping: EarlyStopping | null
  /** New tokens at most; the old `max_length`, the size of the context in published files, is not a limit of answers. */
  readonly maxTokens: number | null
  /** No end token before so many new tokens. */
  readonly minTokens: number
  readonly noRepeatNgramSize: number
  readonly badWords: readonly (readonly number[])[]
  readonly suppressTokens: readonly number[]
  readonly beginSuppressTokens: readonly number[]
  readonly stop: readonly string[]
  /** Empty where the file names none: the model's config then decides. */
  readonly eosTokenIds: readonly number[]
  /** What ends an answer in a conversation besides; no file says it. */
  readonly turnEnd: TurnEnd
}

/**
 * Reads the parsed JSON of a generation_config.json. `undefined`, for a checkpoint without the file, gives the neutral config.
 *
 * Keys that would change the answer in a way that this library does not offer are refused by name, unless their value
 * is the neutral one. All faults are thrown at once, as one ConfigError.
 */
export function parseGenerationConfig(json: unknown = {}): GenerationConfig {
  if (!isRecord(json)) {
    throw new ConfigError(
      'CONFIG_GENERATION',
      `generation_config.json: expected an object, ${describeValue(json)} came.`,
    )
  }
  const faults: string[] = []
  const config = readFields(json, faults)
  for (const [key, neutral] of Object.entries(NOT_OFFERED)) {
    const value = json[key] ?? neutral
    if (value === neutral) continue
    faults.push(`${key} ${JSON.stringify(value)} is not offered; remove it or set it to ${neutral}`)
  }
  if (faults.length > 0) {
    throw new ConfigError('CONFIG_GENERATION', `generation_config.json: ${faults.join('.\n  ')}.`)
  }
  return config
}

function readFields(json: Record<string, unknown>, faults: string[]): GenerationConfig {
  const field = <T, A>(key: string, rule: FieldRule<T>, absent: A): T | A => {
    const value = json[key]
    if (value === undefined || value === null) return absent
    const read = rule.read(value)
    if (read === undefined)
      faults.push(`${key} should be ${rule.expected}, ${describeValue(value)} came`)
    return read ?? absent
  }
  return {
    doSample: field('do_sample', FLAG, false),
    temperature: field('temperature', numberFrom(0), null),
    topP: field('top_p', numberFrom(0, 1), null),
    topK: field('top_k', wholeNumberFrom(0), null),
    minP: field('min_p', numberFrom(0, 1), null),
    repetitionPenalty: field('repetition_penalty', POSITIVE, null),
    numBeams: field('num_beams', wholeNumberFrom(1), null),
    lengthPenalty: field('length_penalty', FINITE, null),
    earlyStopping: field('early_stopping', EARLY_STOPPING, null),
    maxTokens: field('max_new_tokens', wholeNumberFrom(1), null),
    minTokens: field('min_new_tokens', wholeNumberFrom(0), 0),
    noRepeatNgramSize: field('no_repeat_ngram_size', wholeNumberFrom(0), 0),
    badWords: field('bad_words_ids', TOKEN_ID_LISTS, []),
    suppressTokens: field('suppress_tokens', TOKEN_IDS, []),
    beginSuppressTokens: field('begin_suppress_tokens', TOKEN_IDS, []),
    stop: field('stop_strings', STOP_STRINGS, []),
    eosTokenIds: field('eos_token_id', TOKEN_IDS, []),
    turnEnd: NO_TURN_END,
  }
}

/** Keys of transformers that change answers and have no counterpart here, with the value that changes nothing. */
const NOT_OFFERED: Readonly<Record<string, number | boolean | null>> = {
  min_length: 0,
  typical_p: 1,
  top_h: null,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  penalty_alpha: 0,
  dola_layers: null,
  guidance_scale: 1,
  sequence_bias: null,
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  num_beam_groups: 1,
  num_return_sequences: 1,
  diversity_penalty: 0,
  constraints: null,
  force_words_ids: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  exponential_decay_length_penalty: null,
  renormalize_logits: false,
  remove_invalid_values: false,
  watermarking_config: null,
  token_healing: false,
  max_time: null,
}
