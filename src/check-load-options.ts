/** The options of `loadModel`, checked before anything is opened: a misspelt or impossible one is never ignored. */
import { checkOptions } from './core/check-options.ts'
import { ConfigError } from './core/errors.ts'
import { PRECISIONS } from './choose-precision.ts'
import type { LoadOptions } from './load-model.ts'

type Check = { readonly expected: string; readonly is: (value: unknown) => boolean }

const TEXT: Check = { expected: 'a text', is: (value) => typeof value === 'string' && value !== '' }
const FLAG: Check = { expected: 'true or false', is: (value) => typeof value === 'boolean' }
/** An object of these names alone, each of which may be left out; what they hold is checked where it is used. */
const objectOf = (...names: string[]): Check => ({
  expected: `an object of ${names.join(', ')}`,
  is: (value) => isObject(value) && Object.keys(value).every((name) => names.includes(name)),
})
const OBJECT: Check = { expected: 'an object', is: (value) => isObject(value) }
const COUNT: Check = {
  expected: 'a whole number from 1',
  is: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
}
const SIZE: Check = {
  expected: 'a number from 0',
  is: (value) => typeof value === 'number' && value >= 0,
}
/** Checked where it is used. */
const ANYTHING: Check = { expected: '', is: () => true }

const CHECKS: { readonly [O in keyof Required<LoadOptions>]: Check } = {
  precision: {
    expected: `${PRECISIONS.join(', ')}, or { default, layers }`,
    is: (value) => typeof value === 'string' || objectOf('default', 'layers').is(value),
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
  maxPixels: COUNT,
  kvCache: TEXT,
  autoOrient: FLAG,
  allowRemote: FLAG,
  cacheDir: TEXT,
  hub: objectOf('cacheDir', 'endpoint', 'offline', 'token', 'tokenFile'),
  revision: TEXT,
  onProgress: { expected: 'a function', is: (value) => typeof value === 'function' },
  signal: { expected: 'an AbortSignal', is: (value) => value instanceof AbortSignal },
  layout: {
    expected: "'original' or 'hf'",
    is: (value) => value === 'original' || value === 'hf',
  },
  quirks: OBJECT,
  template: TEXT,
  base: TEXT,
  adapters: {
    expected: 'a list of folders',
    is: (value) => Array.isArray(value) && value.every(TEXT.is),
  },
  projector: TEXT,
  visionTower: TEXT,
  tokenizer: TEXT,
  processor: ANYTHING,
}

/** Throws InputError INPUT_UNKNOWN_OPTION for names, ConfigError for values. */
export function checkLoadOptions(name: string, options: LoadOptions): void {
  const [isNamed, isGiven] = [typeof name === 'string', isObject(options)]
  if (!isNamed || !isGiven) {
    const fault = isNamed
      ? `options should be an object, ${describe(options)} came`
      : `the model should be named by a text, a folder or 'mini', ${describe(name)} came`
    throw new ConfigError('CONFIG_OPTION', `loadModel: ${fault}.`)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  checkOptions('loadModel', options, Object.keys(CHECKS))
  const faults = given.flatMap(([name, value]) => {
    const { expected, is } = CHECKS[name as keyof LoadOptions]
    return is(value) ? [] : [`${name} should be ${expected}, ${describe(value)} came`]
  })
  if (faults.length > 0) throw new ConfigError('CONFIG_OPTION', `loadModel: ${faults.join('; ')}.`)
  if (options.device !== undefined && options.device !== 'cpu') {
    throw new ConfigError(
      'CONFIG_DEVICE',
      `loadModel: device should be 'cpu', '${String(options.device)}' came.`,
    )
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value))
}
