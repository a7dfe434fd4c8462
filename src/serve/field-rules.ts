/** What a field of a request or of generation_config.json may hold, once for both. */

export type FieldRule<T> = {
  /** Completes "should be …" in a message. */
  readonly expected: string
  /** The value as its type, or undefined where it is not one. */
  read(value: unknown): T | undefined
  /** Of a value with many parts: the one that does not fit, as a message shows it. */
  misfit?(value: unknown): string | undefined
}

export type EarlyStopping = boolean | 'never'

export const FLAG: FieldRule<boolean> = {
  expected: 'true or false',
  read: (value) => (typeof value === 'boolean' ? value : undefined),
}

export const EARLY_STOPPING: FieldRule<EarlyStopping> = {
  expected: "true, false or 'never'",
  read: (value) => (typeof value === 'boolean' || value === 'never' ? value : undefined),
}

export const TOKEN_IDS: FieldRule<readonly number[]> = {
  expected: 'a token id or a list of token ids',
  read: (value) => listOf(isTokenId, value),
}

export const TOKEN_ID_LISTS: FieldRule<readonly (readonly number[])[]> = {
  expected: 'a list of lists of token ids, none empty',
  read: (value) => (Array.isArray(value) ? listOf(isTokenIdList, value) : undefined),
}

/** Texts that can be found in an answer: half a character (a lone surrogate) never appears in one. */
export const STOP_STRINGS: FieldRule<readonly string[]> = {
  expected: 'a text or a list of texts, none empty or with half a character',
  read: (value) => listOf(isStopString, value),
}

export function numberFrom(least: number, most = Infinity): FieldRule<number> {
  return {
    expected: most === Infinity ? `${least} or more` : `a number from ${least} to ${most}`,
    read: (value) => (isFinite(value) && value >= least && value <= most ? value : undefined),
  }
}

export const FINITE: FieldRule<number> = {
  expected: 'a finite number',
  read: (value) => (isFinite(value) ? value : undefined),
}

export const POSITIVE: FieldRule<number> = {
  expected: 'more than 0',
  read: (value) => (isFinite(value) && value > 0 ? value : undefined),
}

export function wholeNumberFrom(least: number, most = Number.MAX_SAFE_INTEGER): FieldRule<number> {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  return {
    expected: `a whole number ${bounds}`,
    read: (value) => (isWhole(value) && value >= least && value <= most ? value : undefined),
  }
}

export const WHOLE_NUMBER: FieldRule<number> = {
  expected: 'a whole number of at most 53 bits',
  read: (value) => (isWhole(value) ? value : undefined),
}

export function isTokenId(value: unknown): value is number {
  return isWhole(value) && value >= 0
}

function isTokenIdList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every(isTokenId)
}

function isStopString(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/\p{Surrogate}/u.test(value)
}

function isFinite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** A list of what `is` accepts, copied; one such value alone counts as a list of it. */
function listOf<T>(is: (value: unknown) => value is T, value: unknown): readonly T[] | undefined {
  if (is(value)) return [value]
  return Array.isArray(value) && value.every(is) ? [...value] : undefined
}
