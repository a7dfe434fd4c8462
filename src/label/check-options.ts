/** What each option of a run may hold, those of its models and servers included. */
import { Faults, isRecord } from '../serve/faults.ts'
import {
  FLAG,
  numberFrom,
  POSITIVE,
  wholeNumberFrom,
  type FieldRule,
} from '../serve/field-rules.ts'
import { LONGEST_SECONDS } from '../core/longest-wait.ts'
import { LONGEST_CALL_MS } from '../serve/remote/endpoint.ts'
import { checkServerAddress } from '../serve/remote/server-address.ts'
import type { LabelSampling } from './label-engine.ts'
import type { LabelHooks } from './label-events.ts'
import type { LabelEngineOptions, LabelOptions } from './label-options.ts'

type Rules<Name extends string> = { readonly [N in Name]: FieldRule<unknown> }
type ServerOptions = Extract<LabelEngineOptions, { readonly url: string }>
type ModelOptions = Exclude<LabelEngineOptions, ServerOptions>

/** Those of an answer have rules of their own, where answers are given. */
type Elsewhere = Exclude<keyof LabelSampling, 'schema'>

const ELSEWHERE: { readonly [N in Elsewhere]: true } = {
  maxTokens: true,
  temperature: true,
  topP: true,
  seed: true,
  stop: true,
  presencePenalty: true,
  frequencyPenalty: true,
}
export const SAMPLING_NAMES = Object.keys(ELSEWHERE) as Elsewhere[]

const TEXT = rule('a text', (value) => typeof value === 'string')
const NAME = rule('a text that is not empty', isName)
const NAMES = rule('at least one text that is not empty', isNames)
const COUNT = wholeNumberFrom(1)
const RECORD = rule('an object', isRecord)

const OPTIONS: Rules<Exclude<keyof LabelOptions, Elsewhere>> = {
  input: rule(NAMES.expected, (value) => isName(value) || isNames(value)),
  prompts: NAMES,
  engines: rule(
    'at least one model or server',
    (value) => Array.isArray(value) && value.length > 0,
  ),
  out: rule(
    'a name that ends in .jsonl or .parquet',
    (value) => typeof value === 'string' && /\.(?:jsonl|ndjson|parquet)$/i.test(value),
  ),
  system: TEXT,
  queue: NAME,
  run: NAME,
  media: NAME,
  clipFolders: FLAG,
  frames: COUNT,
  fps: POSITIVE,
  forceSample: FLAG,
  maxErrors: rule(
    'a number of items such as 25 or a share such as 5%',
    (value) => typeof value === 'number' || typeof value === 'string',
  ),
  resume: FLAG,
  overwrite: FLAG,
  leaseMs: numberFrom(1000, 1000 * LONGEST_SECONDS),
  schema: rule('a JSON Schema', isRecord),
}

const MODEL: Rules<keyof ModelOptions> = {
  model: rule('a loaded model, or a function that loads one', isModel),
  name: NAME,
  settings: RECORD,
  batch: COUNT,
}

/** Those that have a rule of their own, of all servers. */
const ADDRESS = ['url', 'apiKey'] as const

const SERVER: Rules<Exclude<keyof ServerOptions, (typeof ADDRESS)[number]>> = {
  model: NAME,
  attempts: COUNT,
  timeoutMs: numberFrom(1, LONGEST_CALL_MS),
  batch: COUNT,
}

const HOOKS: Rules<keyof LabelHooks> = {
  onEvent: rule('a function', (value) => typeof value === 'function'),
  signal: rule('an AbortSignal', (value) => value instanceof AbortSignal),
}

const CODE = 'INPUT_OPTION'

/** Of other schemes, or PostgreSQL's parameters as `host=… dbname=…`, which would name a file. */
const FOREIGN_ADDRESS =
  /^(?!file:|postgres(?:ql)?:)(?:[A-Za-z][A-Za-z+.-]+:\/\/|(?:host|hostaddr|port|dbname|user|password|passfile|service|sslmode) *=)/

/** Throws one InputError that names every fault. */
export function checkOptions(options: unknown, hooks: unknown): void {
  const faults = new Faults('label')
  const needed = ['input', 'prompts', 'engines']
  checkFields('', options, { rules: OPTIONS, needed, elsewhere: SAMPLING_NAMES }, faults)
  checkFields('hooks', hooks, { rules: HOOKS, needed: [] }, faults)
  const given: Record<string, unknown> = isRecord(options) ? options : {}
  const { engines, out, queue, resume, overwrite } = given
  if (isRecord(options) && out === undefined && queue === undefined) {
    faults.add(
      CODE,
      'out should say where the answers go; only with a queue may another one write them',
    )
  }
  if (typeof queue === 'string' && FOREIGN_ADDRESS.test(queue)) {
    faults.add(
      CODE,
      'queue should be a file or postgres://USER@HOST/DATABASE, an address of another form came; write it so (a file of that name as ./NAME)',
    )
  }
  if (resume === true && overwrite === true) {
    faults.add(CODE, 'resume would do nothing with overwrite, which begins anew; leave one out')
  }
  for (const [i, engine] of (Array.isArray(engines) ? (engines as unknown[]) : []).entries()) {
    checkEngine(`engines[${i}]`, engine, faults)
  }
  faults.throwIfAny()
}

function checkEngine(path: string, engine: unknown, faults: Faults): void {
  if (!isRecord(engine) || !('url' in engine || 'model' in engine)) {
    faults.mismatch(CODE, path, 'an object with model or url', engine)
  } else if ('url' in engine) {
    checkServerAddress(engine, { faults, code: CODE, path })
    checkFields(path, engine, { rules: SERVER, needed: [], elsewhere: ADDRESS }, faults)
  } else checkFields(path, engine, { rules: MODEL, needed: ['model', 'name'] }, faults)
}

type Fields = {
  readonly rules: Rules<string>
  readonly needed: readonly string[]
  /** Names that are checked where they are used. */
  readonly elsewhere?: readonly string[]
}

function checkFields(path: string, object: unknown, fields: Fields, faults: Faults): void {
  const { rules, needed, elsewhere = [] } = fields
  if (!isRecord(object)) {
    faults.mismatch(CODE, path || 'the options', 'an object', object)
    return
  }
  const known = [...elsewhere, ...Object.keys(rules)]
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', path, object, known)
  for (const [name, { expected, read }] of Object.entries(rules)) {
    const value = object[name]
    if (value === undefined && !needed.includes(name)) continue
    if (read(value) !== undefined) continue
    faults.mismatch(CODE, path === '' ? name : `${path}.${name}`, expected, value)
  }
}

function rule(expected: string, isRight: (value: unknown) => boolean): FieldRule<unknown> {
  return { expected, read: (value) => (isRight(value) ? value : undefined) }
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== ''
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isName)
}

function isModel(value: unknown): boolean {
  if (typeof value === 'function') return true
  return typeof value === 'object' && value !== null && 'generate' in value
}
