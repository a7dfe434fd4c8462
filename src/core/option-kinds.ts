/** Which kinds of values options are: one table for those of a function, and what is wrong with those that came. */

export type OptionKind = {
  /** Completes "should be …" in a message. */
  readonly expected: string
  readonly is: (value: unknown) => boolean
}

/** Options that have no entry are checked where they are used. */
export type OptionKinds<Options> = { readonly [O in keyof Options]?: OptionKind }

export const TEXT: OptionKind = {
  expected: 'a text',
  is: (value) => typeof value === 'string' && value !== '',
}

export const TEXTS: OptionKind = {
  expected: 'a list of texts',
  is: (value) => Array.isArray(value) && value.every(TEXT.is),
}

export const OBJECT: OptionKind = {
  expected: 'an object',
  is: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

export const FLAG: OptionKind = {
  expected: 'true or false',
  is: (value) => typeof value === 'boolean',
}

export const COUNT: OptionKind = {
  expected: 'a whole number from 1',
  is: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
}

export const SIGNAL: OptionKind = {
  expected: 'an AbortSignal',
  is: (value) => value instanceof AbortSignal,
}

export const LAYOUT: OptionKind = {
  expected: "'original' or 'hf'",
  is: (value) => value === 'original' || value === 'hf',
}

/** A sentence for each option of another kind; what is left out is none. */
export function kindFaults<Options extends object>(
  options: Options,
  kinds: OptionKinds<Options>,
): string[] {
  return Object.entries<OptionKind | undefined>(kinds).flatMap(([name, kind]) => {
    const value = options[name as keyof Options]
    if (!kind || value === undefined || kind.is(value)) return []
    return [`${name} should be ${kind.expected}, ${shown(value)} came`]
  })
}

export function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value))
}
