/** The options of `loadModel`, checked before anything is opened: a misspelt or impossible one is never ignored. */
import { checkOptions } from './core/check-options.ts'
import { describeValue } from './core/describe-value.ts'
import { ConfigError } from './core/errors.ts'
import { PRECISIONS } from './choose-precision.ts'
import {
  choiceOf,
  COUNT,
  FLAG,
  kindFaults,
  LAYOUT,
  LIMIT,
  OBJECT,
  SIGNAL,
  TEXT,
  TEXTS,
  type OptionKind,
} from './core/option-kinds.ts'
import type { LoadOptions } from './load-model.ts'
import type { HubSettings } from './weights/hub.ts'

/** An object of these names alone, each of which may be left out; what they hold is checked where it is used. */
const objectOf = (...names: string[]): OptionKind => ({
  expected: `an object of ${names.join(', ')}`,
  is: (value) => OBJECT.is(value) && othersOf(value as object, names).length === 0,
  describe: (value) =>
    OBJECT.is(value)
      ? `one with ${othersOf(value as object, names).join(', ')}`
      : describeValue(value),
})

function othersOf(value: object, names: readonly string[]): string[] {
  return Object.keys(value).filter((name) => !names.includes(name))
}

const PRECISION = objectOf('default', 'layers')
/** Nobody is shown a key. */
const SECRET: OptionKind = { ...TEXT, describe: () => 'another value' }
const SIZE: OptionKind = {
  expected: 'a number from 0',
  is: (value) => typeof value === 'number' && value >= 0,
}
const HUB_KINDS: { readonly [O in keyof Required<HubSettings>]: OptionKind } = {
  cacheDir: TEXT,
  endpoint: TEXT,
  offline: FLAG,
  token: SECRET,
  tokenFile: TEXT,
}
/** Checked where it is used. */
const ANYTHING: OptionKind = { expected: '', is: () => true }

const KINDS: { readonly [O in keyof Required<LoadOptions>]: OptionKind } = {
  precision: {
    ...PRECISION,
    expected: `${PRECISIONS.join(', ')}, or { default, layers }`,
    is: (value) => typeof value === 'string' || PRECISION.is(value),
  },
  device: ANYTHING,
  threads: COUNT,
  maxContext: COUNT,
  frames: ANYTHING,
  ropeScaling: ANYTHING,
  kvBytes: SIZE,
  prefixCache: FLAG,
  maxRows: COUNT,
  maxWaiting: COUNT,
  pictureBytes: SIZE,
  maxPixels: LIMIT,
  kvCache: TEXT,
  autoOrient: FLAG,
  allowRemote: FLAG,
  cacheDir: TEXT,
  hub: objectOf(...Object.keys(HUB_KINDS)),
  revision: TEXT,
  onProgress: { expected: 'a function', is: (value) => typeof value === 'function' },
  signal: SIGNAL,
  layout: LAYOUT,
  quirks: OBJECT,
  template: TEXT,
  base: TEXT,
  adapters: { ...TEXTS, expected: 'a list of folders' },
  projector: TEXT,
  visionTower: TEXT,
  tokenizer: TEXT,
  processor: choiceOf(['file', 'derived']),
}

/** Throws InputError INPUT_UNKNOWN_OPTION for names, ConfigError for values. */
export function checkLoadOptions(name: string, options: LoadOptions): void {
  const [isNamed, isGiven] = [typeof name === 'string', OBJECT.is(options)]
  if (!isNamed || !isGiven) {
    const fault = isNamed
      ? `options should be an object, ${describeValue(options)} came`
      : `the model should be named by a text, a folder or 'mini', ${describeValue(name)} came`
    throw new ConfigError('CONFIG_OPTION', `loadModel: ${fault}.`)
  }
  checkOptions('loadModel', options, Object.keys(KINDS))
  const faults = [
    ...kindFaults(options, KINDS),
    ...kindFaults(options.hub ?? {}, HUB_KINDS).map((fault) => `hub.${fault}`),
  ]
  if (faults.length > 0) throw new ConfigError('CONFIG_OPTION', `loadModel: ${faults.join('; ')}.`)
  if (options.device !== undefined && options.device !== 'cpu') {
    throw new ConfigError(
      'CONFIG_DEVICE',
      `loadModel: device should be 'cpu', ${describeValue(options.device)} came.`,
    )
  }
}
