/**
 * Reads fields of tokenizer files, whose contents nobody has checked yet.
 *
 * A field of the wrong kind is a CheckpointError that names the path in the file; a part that exists in the format but
 * not here is a ConfigError that names it.
 */
import { describeValue } from '../core/describe-value.ts'
import { CheckpointError, ConfigError } from '../core/errors.ts'

export type Fields = { readonly [key: string]: unknown }

export function damaged(where: string, expected: string, came: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_TOKENIZER',
    `tokenizer: ${where} should be ${expected}, it is ${came === undefined ? 'missing' : describeValue(came)}; is the file damaged, or of another kind?`,
  )
}

export function unsupported(where: string, what: string, known: string): ConfigError {
  return new ConfigError(
    'CONFIG_TOKENIZER_UNSUPPORTED',
    `tokenizer: ${where} is ${what}, which is not supported; supported: ${known}.`,
  )
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function asFields(value: unknown, where: string): Fields {
  if (!isFields(value)) throw damaged(where, 'an object', value)
  return value
}

export function asList(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged(where, 'a list', value)
  return value
}

export function asText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw damaged(where, 'a string', value)
  return value
}

/** A token id: an integer in [0, 2^30), so that ids fit typed arrays and signed arithmetic. */
export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 30
}

export function asId(value: unknown, where: string): number {
  if (!isId(value)) throw damaged(where, 'a token id in [0, 2^30)', value)
  return value
}

export function asFlag(value: unknown, fallback: boolean, where: string): boolean {
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'boolean') throw damaged(where, 'true or false', value)
  return value
}
