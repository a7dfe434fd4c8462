/** Names of options that exist: a misspelt one is never ignored. */
import { checkArgument } from './check-argument.ts'
import { InputError } from './errors.ts'

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
