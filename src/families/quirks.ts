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
  const faults = Object.entries(quirks).flatMap(([name, value]) =>
    value === undefined ? [] : faultsOf(name, value),
  )
  if (faults.length > 0) throw new ConfigError('CONFIG_QUIRK', `quirks: ${faults.join('; ')}.`)
}

function faultsOf(name: string, value: unknown): string[] {
  if (!Object.hasOwn(VALUES, name)) {
    return [`there is no ${name}; known are ${Object.keys(VALUES).join(', ')}`]
  }
  const values: readonly unknown[] | 'count' = VALUES[name as keyof Quirks]
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
