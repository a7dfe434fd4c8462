/** Taking the arguments of a call apart, with Python's complaints about wrong ones. */
import { isTrue } from './compare.ts'
import { fail } from './failure.ts'
import { isText, textOf, typeName, Undefined, type Arguments, type Value } from './values.ts'

/** The arguments in the order of `names`; undefined for one that was not given. Those after `required` may be missing. */
export function take(
  args: Arguments,
  where: string,
  names: readonly string[],
  required = 0,
): (Value | undefined)[] {
  if (args.positional.length > names.length) {
    fail(
      'TypeError',
      `${where}() takes ${names.length} arguments but ${args.positional.length} were given`,
    )
  }
  const values: (Value | undefined)[] = names.map((_, i) => args.positional[i])
  for (const [name, value] of args.keyword) {
    const at = names.indexOf(name)
    if (at < 0) fail('TypeError', `${where}() got an unexpected keyword argument '${name}'`)
    if (values[at] !== undefined) {
      fail('TypeError', `${where}() got multiple values for argument '${name}'`)
    }
    values[at] = value
  }
  const missing = values.findIndex((value, i) => value === undefined && i < required)
  if (missing >= 0) {
    fail('TypeError', `${where}() missing required argument: '${names[missing]}'`)
  }
  return values
}

export function wantText(value: Value | undefined, where: string): string {
  if (value !== undefined && isText(value)) return textOf(value)
  const type = value === undefined ? 'nothing' : value === null ? 'None' : typeName(value)
  return fail('TypeError', `${where} must be str, not ${type}`)
}

export function wantInteger(value: Value | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'bigint') return Number(value)
  return fail('TypeError', `'${typeName(value)}' object cannot be interpreted as an integer`)
}

export function wantFlag(value: Value | undefined, fallback = false): boolean {
  return value === undefined ? fallback : isTrue(value)
}
