/** Options of the tokenizer's functions: an unknown name is a mistake that must not pass silently. */
import { InputError } from '../core/errors.ts'

/** Throws InputError naming the options that `where` does not have. */
export function checkOptions(where: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new InputError(
    'INPUT_UNKNOWN_OPTION',
    `${where}: ${unknown.join(', ')} is not an option; known: ${known.join(', ')}.`,
  )
}

/** Throws InputError unless `value` is one of the `known` ones or left out. */
export function checkChoice(where: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.some((choice) => choice === value)) return
  throw new InputError(
    'INPUT_OPTION_VALUE',
    `${where}: ${String(value)} is not a choice; choices: ${known.join(', ')}.`,
  )
}
