/** Arguments of public functions: who calls them from JavaScript has no compiler that says what they take. */
import { describeValue } from './describe-value.ts'
import { InputError } from './errors.ts'

const KINDS = {
  'a string': (value: unknown) => typeof value === 'string',
  'a path': (value: unknown) => typeof value === 'string' && value !== '',
  'an object': isObject,
  'a list': (value: unknown) =>
    Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)),
  'bytes in a Uint8Array': (value: unknown) => value instanceof Uint8Array,
  'a Map': (value: unknown) => value instanceof Map,
  'a whole number from 1': (value: unknown) => Number.isInteger(value) && Number(value) >= 1,
  'a number above 0': (value: unknown) => Number.isFinite(value) && Number(value) > 0,
  'seconds from 0': (value: unknown) => typeof value === 'number' && value >= 0,
} as const

/** Throws InputError INPUT_ARGUMENT, which begins with `where`, unless `value` is of this kind. */
export function checkArgument(where: string, value: unknown, kind: keyof typeof KINDS): void {
  if (!KINDS[kind](value)) throw wrongArgument(where, kind, describeValue(value))
}

/** The same unless `value` is an object with all `fields`; `source` says where such an object comes from. */
export function checkFields(
  where: string,
  value: unknown,
  fields: readonly string[],
  source?: string,
): void {
  const isMissing = (name: string) => (value as Record<string, unknown>)[name] === undefined
  if (isObject(value) && !fields.some(isMissing)) return
  const came = isObject(value)
    ? `one without ${fields.filter(isMissing).join(', ')}`
    : describeValue(value)
  throw wrongArgument(where, `an object with ${fields.join(', ')}`, came, source)
}

function wrongArgument(where: string, expected: string, came: string, source?: string): InputError {
  const advice = source ?? 'see its type'
  return new InputError(
    'INPUT_ARGUMENT',
    `${where} should be ${expected}, ${came} came; ${advice}.`,
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
