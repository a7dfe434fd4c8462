/** The quirks that exist and the values that they can have: a misspelt one is never ignored. */
import { ConfigError } from '../core/errors.ts'
import { RESIZE_ORDERS } from '../preprocess/resize.ts'
import type { Quirks } from './family.ts'

const VALUES: { readonly [Q in keyof Required<Quirks>]: readonly Quirks[Q][] | 'count' } = {
  fit: ['pad', 'crop', 'squash'],
  tiles: ['asConfigured', 'one'],
  base: ['squash', 'pad'],
  anyres: ['original', 'hf'],
  resampleOrder: RESIZE_ORDERS,
  truncate: ['refuse', 'asOriginal'],
  tokenise: ['pieces', 'whole'],
  severalPictures: ['each', 'single'],
  poolPlace: ['before', 'after'],
  poolMode: ['average', 'max', 'bilinear', 'none'],
  poolStride: 'count',
  clipNewline: ['no_token', 'one_token', 'frame', 'grid'],
}

/** Throws one ConfigError CONFIG_QUIRK that names every fault. */
export function checkQuirks(quirks: Quirks): void {
  const faults = quirkFaults(quirks)
  if (faults.length > 0) throw new ConfigError('CONFIG_QUIRK', `quirks: ${faults.join('; ')}.`)
}

/** What is wrong with quirks, `more` among those that can be given; a sentence each. */
export function quirkFaults(
  quirks: object,
  more: Readonly<Record<string, readonly unknown[]>> = {},
): string[] {
  const known: Known = { ...VALUES, ...more }
  return Object.entries(quirks).flatMap(([name, value]) =>
    value === undefined ? [] : faultsOf(name, value, known),
  )
}

type Known = Readonly<Record<string, readonly unknown[] | 'count'>>

function faultsOf(name: string, value: unknown, known: Known): string[] {
  if (!Object.hasOwn(known, name)) {
    return [`there is no ${name}; known are ${Object.keys(known).join(', ')}`]
  }
  const values = known[name] as Known[string]
  if (values === 'count') {
    // The command line hands numbers over as text.
    return /^[1-9]\d*$/.test(String(value))
      ? []
      : [`${name} should be a whole number from 1, ${String(value)} came`]
  }
  return values.includes(value)
    ? []
    : [`${name} should be ${values.join(', ')}; "${String(value)}" came`]
}
