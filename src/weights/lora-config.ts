/**
 * adapter_config.json of a PEFT LoRA adapter: how strong each pair of matrices is.
 *
 * What changes the merge and is not done here is refused by name; the settings of training are of no interest.
 * Source: huggingface/peft 0.21, src/peft/tuners/lora/config.py and layer.py; utils/other.py for the patterns.
 */
import { CheckpointError } from '../core/errors.ts'

export type LoraConfig = {
  readonly rank: number
  readonly alpha: number
  readonly useRslora: boolean
  /** Rank and alpha of modules whose path the pattern matches, first match first. */
  readonly rankPattern: readonly ModulePattern[]
  readonly alphaPattern: readonly ModulePattern[]
  /** Names of modules that were trained in full and whose weights replace the base's. */
  readonly modulesToSave: readonly string[]
}

export type ModulePattern = { readonly test: RegExp; readonly value: number }

/** Reads the parsed JSON. Throws CheckpointError naming the field that is missing, malformed or asks for another method. */
export function parseLoraConfig(json: unknown): LoraConfig {
  if (!isRecord(json)) throw invalid('the file', 'a JSON object', json)
  if (json['peft_type'] !== 'LORA') throw invalid('peft_type', '"LORA"', json['peft_type'])
  refuseOtherMethods(json)
  return {
    rank: positive(json, 'r', Number.isSafeInteger),
    alpha: positive(json, 'lora_alpha', Number.isFinite),
    useRslora: json['use_rslora'] === true,
    rankPattern: patterns(json, 'rank_pattern', Number.isSafeInteger),
    alphaPattern: patterns(json, 'alpha_pattern', Number.isFinite),
    modulesToSave: nameList(json, 'modules_to_save'),
  }
}

/** α / r, or α / √r for rank-stabilised LoRA (arXiv:2312.03732), of the module at `path`; and its rank. */
export function moduleScale(config: LoraConfig, path: string): { rank: number; scale: number } {
  const rank = matching(config.rankPattern, path) ?? config.rank
  const alpha = matching(config.alphaPattern, path) ?? config.alpha
  return { rank, scale: alpha / (config.useRslora ? Math.sqrt(rank) : rank) }
}

function matching(patterns: readonly ModulePattern[], path: string): number | undefined {
  return patterns.find(({ test }) => test.test(path))?.value
}

/** Fields that must be absent or empty, and what they would mean. */
const OTHER_METHODS: Readonly<Record<string, string>> = {
  fan_in_fan_out: 'transposed weights',
  lora_bias: 'biases in the adapter',
  layer_replication: 'repeated layers',
  target_parameters: 'adapted parameters that are no linear layer',
  trainable_token_indices: 'trained token rows',
  alora_invocation_tokens: 'activated LoRA',
  arrow_config: 'Arrow routing',
  kasa_config: 'KaSA',
  monteclora_config: 'MonteCLoRA',
  velora_config: 'VeLoRA',
}

/** The starts that leave the base weights as they are; others (PiSSA, OLoRA, …) change them when the adapter is loaded. */
const PLAIN_STARTS = new Set<unknown>([
  undefined,
  null,
  true,
  false,
  'gaussian',
  'eva',
  'orthogonal',
])

function refuseOtherMethods(json: Record<string, unknown>): void {
  for (const [field, value] of Object.entries(json)) {
    const isMethod = field.startsWith('use_') && field !== 'use_rslora'
    const meaning = OTHER_METHODS[field] ?? (isMethod ? field.slice(4) : undefined)
    if (meaning !== undefined && !isEmpty(value)) throw unsupported(field, value, meaning)
  }
  const bias = json['bias'] ?? 'none'
  if (bias !== 'none') throw unsupported('bias', bias, 'trained biases')
  const start = json['init_lora_weights']
  if (!PLAIN_STARTS.has(start)) throw unsupported('init_lora_weights', start, 'a changed base')
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function positive(
  json: Record<string, unknown>,
  field: string,
  isValid: (value: number) => boolean,
): number {
  const value = json[field]
  if (typeof value === 'number' && isValid(value) && value > 0) return value
  throw invalid(field, 'a number above 0', value)
}

/** A pattern matches a path that it ends, from the start or after a dot, as PEFT matches it. */
function patterns(
  json: Record<string, unknown>,
  field: string,
  isValid: (value: number) => boolean,
): ModulePattern[] {
  const value = json[field] ?? {}
  if (!isRecord(value)) throw invalid(field, 'an object of numbers', value)
  return Object.keys(value).map((pattern) => ({
    test: pathPattern(field, pattern),
    value: positive(value, pattern, isValid),
  }))
}

function pathPattern(field: string, pattern: string): RegExp {
  const wildcards = pattern.match(/[*+?{]/g)?.length ?? 0
  // A quantified group, or many quantifiers, can take a regular expression forever on a name that does not match.
  const isSimple = !/\)[*+?{]|\(\?/.test(pattern) && wildcards <= MAX_WILDCARDS
  try {
    if (isSimple) return new RegExp(`^(.*\\.)?(${pattern})$`)
  } catch {
    // Not a regular expression: the same answer as for one that is not simple.
  }
  throw invalid(field, `paths with at most ${MAX_WILDCARDS} simple wildcards`, pattern)
}

const MAX_WILDCARDS = 3

function nameList(json: Record<string, unknown>, field: string): string[] {
  const value = json[field] ?? []
  if (Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''))
    return value
  throw invalid(field, 'a list of module names', value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(field: string, expected: string, value: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_ADAPTER_CONFIG',
    `weights: expected ${expected} for ${field} of adapter_config.json, ${show(value)} came; is it a PEFT LoRA adapter?`,
  )
}

function unsupported(field: string, value: unknown, meaning: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_ADAPTER_UNSUPPORTED',
    `weights: expected a plain LoRA adapter, ${field} of adapter_config.json is ${show(value)} (${meaning}); ` +
      'merge it with PEFT and load the merged model.',
  )
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
