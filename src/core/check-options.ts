/** Names of options that exist and values that they can have: a misspelt one is never ignored. */
import { checkArgument } from './check-argument.ts'
import { InputError } from './errors.ts'
import { kindFaults, type EveryOptionKind, type OptionKinds } from './option-kinds.ts'

/**
 * Throws InputError INPUT_UNKNOWN_OPTION naming the options that `where` does not have, INPUT_ARGUMENT for options that
 * are no object.
 */
export function checkOptions(where: string, options: object, known: readonly string[]): void {
  checkArgument(`${where}: options`, options, 'an object')
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new InputError(
    'INPUT_UNKNOWN_OPTION',
    `${where}: unknown option ${unknown.join(', ')}; known are ${known.join(', ')}.`,
  )
}

/** The same, and throws InputError INPUT_OPTION_VALUE that lists the options of another kind than theirs. */
export function checkOptionKinds<Options extends object>(
  where: string,
  options: Options,
  kinds: EveryOptionKind<Options>,
): void {
  checkOptions(where, options, Object.keys(kinds))
  checkKinds(where, options, kinds)
}

/** The values alone, of objects that may have other fields too. */
export function checkKinds<Options extends object>(
  where: string,
  options: Options,
  kinds: OptionKinds<Options>,
): void {
  const faults = kindFaults(options, kinds)
  if (faults.length === 0) return
  throw new InputError('INPUT_OPTION_VALUE', `${where}: ${faults.join('; ')}.`)
}
