/** Options that are one of a few words, or true or false. */
import { describeValue } from './describe-value.ts'
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

/** Throws InputError unless each of `flags`, by the names of its fields, is true, false or left out: a text is no answer. */
export function checkFlags(where: string, flags: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined || typeof value === 'boolean') continue
    throw new InputError(
      'INPUT_OPTION_VALUE',
      `${where}: ${name} should be true or false, ${describeValue(value)} came; see its type.`,
    )
  }
}
