/**
 * How much properties are tried with: a part by default, so that all tests end in minutes, and everything with
 * `LLAVA_THOROUGH=1` (`npm run test:thorough`).
 */
const isThorough = process.env['LLAVA_THOROUGH'] === '1'

export function rounds(few: number, all: number): number {
  return isThorough ? all : few
}

/** The most telling ones stand first. */
export function firstOf<T>(few: number, all: readonly T[]): readonly T[] {
  return isThorough ? all : all.slice(0, few)
}
