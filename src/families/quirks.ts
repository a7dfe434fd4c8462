/**
 * The quirks that exist, the values that they can have and the checkpoints that have a place for them: none is ever ignored.
 */
import { describeValue } from '../core/describe-value.ts'
import { ConfigError } from '../core/errors.ts'
import { IMAGE_FITS } from '../preprocess/image-processor.ts'
import { RESIZE_ORDERS } from '../preprocess/resize.ts'
import { SEVERAL_PICTURES } from '../preprocess/tiling.ts'
import type { ModelConfig, Quirks } from './family.ts'

const VALUES: { readonly [Q in keyof Required<Quirks>]: readonly Quirks[Q][] | 'count' } = {
  fit: IMAGE_FITS,
  tiles: ['asConfigured', 'one'],
  base: ['squash', 'pad'],
  anyres: ['original', 'hf'],
  resampleOrder: RESIZE_ORDERS,
  truncate: ['refuse', 'asOriginal'],
  tokenise: ['pieces', 'whole'],
  severalPictures: SEVERAL_PICTURES,
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
      : [`${name} should be a whole number from 1, ${describeValue(value)} came`]
  }
  return values.includes(value)
    ? []
    : [`${name} should be ${values.join(', ')}; ${describeValue(value)} came`]
}

/**
 * Throws one ConfigError CONFIG_QUIRK that names every quirk without a place in a model of this config; a value that only says
 * what is so passes.
 */
export function checkQuirkPlaces(quirks: Quirks, config: ModelConfig): void {
  const faults = (Object.keys(quirks) as (keyof Quirks)[]).flatMap((name) => {
    const place = PLACES[name]
    if (quirks[name] === undefined || !place || place.isIn(config)) return []
    if (quirks[name] === place.usual) return []
    return [`${name} ${String(quirks[name])} expects ${place.name}`]
  })
  if (faults.length === 0) return
  throw new ConfigError(
    'CONFIG_QUIRK',
    `quirks: ${faults.join('; ')}, which this model has not; leave out what would do nothing.`,
  )
}

/** `usual`: what a model without such a place does. */
type Place = {
  readonly name: string
  readonly isIn: (config: ModelConfig) => boolean
  readonly usual?: Quirks[keyof Quirks]
}

const PICTURES: Place = { name: 'pictures', isIn: ({ image }) => image !== null }
const TILES: Place = {
  name: 'pictures cut into tiles',
  isIn: ({ image }) => image?.processor.tiling.kind === 'anyres',
}
const CLIPS: Place = { name: 'clips', isIn: ({ video }) => video !== null }
const POOLED: Place = {
  name: 'frames that are pooled',
  isIn: ({ video }) => video !== null && video.tokens.pooling.mode !== 'none',
}

const PLACES: { readonly [Q in keyof Quirks]: Place } = {
  fit: PICTURES,
  tiles: PICTURES,
  base: { ...TILES, usual: 'squash' },
  anyres: TILES,
  resampleOrder: PICTURES,
  // A picture of one tile is one tile beside others too.
  severalPictures: PICTURES,
  poolPlace: POOLED,
  poolMode: CLIPS,
  poolStride: POOLED,
  clipNewline: CLIPS,
}
