/** Values that are one of a few words. */
import { describeValue } from './check-argument.ts'
import { InputError } from './errors.ts'

/** Throws InputError unless `value` is one of the `known` ones or left out. */
export function checkChoice(where: string, value: unknown, known: readonly string[]): void {
  if (value !== undefined) requireChoice(where, value, known)
}

/** The same for what cannot be left out. */
export function requireChoice(where: string, value: unknown, known: readonly string[]): void {
  if (known.some((choice) => choice === value)) return
  throw new InputError(
    'INPUT_OPTION_VALUE',
    `${where}: ${typeof value === 'string' ? value : describeValue(value)} is not a choice; choices: ${known.join(', ')}.`,
  )
}
