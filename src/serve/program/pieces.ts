/**
 * The words of a program: roles, pictures and clips, and the places that a model fills.
 *
 * The language is that of SGLang's front end (docs.sglang.io, "Frontend Language"), with functions for what Python's
 * operators do there.
 */
import { Faults, isRecord } from '../faults.ts'
import { OPTION_NAMES, type GenerateOptions } from '../generate-options.ts'
import type { ImagePart, ImageSource, VideoPart, VideoSource } from '../messages.ts'
import { CHOICE_METHODS, type ChoiceMethod } from './choose-option.ts'

/** What stands in a turn; a place that a model fills stands in the assistant's only. */
export type Piece = string | ImagePart | VideoPart | GenPiece | SelectPiece

export type Turn = {
  readonly type: 'turn'
  readonly role: 'system' | 'user' | 'assistant'
  readonly pieces: readonly Piece[]
}

export type GenPiece = {
  readonly type: 'gen'
  readonly name: string
  readonly options: GenOptions
}

export type SelectPiece = {
  readonly type: 'select'
  /** What was written, by which its faults are told. */
  readonly call: 'gen' | 'select'
  readonly name: string
  readonly choices: readonly string[]
  readonly method: ChoiceMethod
}

/** Options of `generate` that are not offered here: a place has one answer, of which its text is kept. */
const NOT_OFFERED = [
  'n',
  'numBeams',
  'lengthPenalty',
  'earlyStopping',
  'lookup',
  'logprobs',
  'topLogprobs',
  'signal',
] as const

const GEN_OPTIONS = [
  ...OPTION_NAMES.filter((name) => !NOT_OFFERED.some((one) => one === name)),
  'regex',
  'json',
  'ebnf',
  'choices',
  'method',
]

/** How a place is filled: the options of `generate`, and shorter words for the form of the answer. */
export type GenOptions = Omit<GenerateOptions, (typeof NOT_OFFERED)[number]> & {
  /** The whole answer matches. */
  readonly regex?: string | undefined
  /** `true`: any JSON object; a JSON Schema: one that it describes. */
  readonly json?: true | object | undefined
  /** A grammar whose rule `root` is the answer. */
  readonly ebnf?: string | undefined
  /** The likeliest of these texts: the same as `select`. */
  readonly choices?: readonly string[] | undefined
  /** How the likeliest is found. Default: `tokenLengthNormalized`. */
  readonly method?: ChoiceMethod | undefined
}

export type SelectOptions = { readonly method?: ChoiceMethod | undefined }

/** A place for an answer, kept under `name`. Throws InputError for options that would do nothing. */
export function gen(name: string, options?: GenOptions | null): GenPiece | SelectPiece {
  const { choices, method, ...rest } = optionsIn<GenOptions>('gen', options)
  if (choices) return choosing('gen', { name, choices, options: { ...rest, method } })
  const faults = new Faults('gen')
  checkName(name, faults)
  if (method !== undefined) {
    faults.add('INPUT_OPTION', 'method says how choices are compared, none came', 'method')
  }
  for (const key of NOT_OFFERED) {
    if ((rest as Readonly<Record<string, unknown>>)[key] === undefined) continue
    const instead = key === 'signal' ? 'give it to program.with' : 'leave it out'
    faults.add('INPUT_OPTION', `${key} is not offered in programs; ${instead}`, key)
  }
  const others = Object.entries(rest).filter(([key]) => !NOT_OFFERED.some((one) => one === key))
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', '', Object.fromEntries(others), GEN_OPTIONS)
  faults.throwIfAny()
  return { type: 'gen', name, options: rest }
}

/** Throws InputError for what is no object. */
function optionsIn<T extends object>(where: string, options: T | null | undefined): Partial<T> {
  const faults = new Faults(where)
  if (options === undefined || options === null) return {}
  if (!isRecord(options)) faults.mismatch('INPUT_OPTION', 'options', 'an object', options)
  faults.throwIfAny()
  return options
}

function checkName(name: unknown, faults: Faults): void {
  if (typeof name === 'string' && name !== '') return
  faults.mismatch('INPUT_OPTION', 'name', 'a text, which the answer is kept under', name)
}

/** A place for the likeliest of several texts, kept under `name`. Throws InputError for other options, and other methods. */
export function select(
  name: string,
  choices: readonly string[],
  options?: SelectOptions | null,
): SelectPiece {
  const given = optionsIn<SelectOptions>('select', options)
  return choosing('select', { name, choices, options: given })
}

type Choosing = {
  readonly name: string
  readonly choices: readonly string[]
  readonly options: SelectOptions
}

function choosing(call: SelectPiece['call'], { name, choices, options }: Choosing): SelectPiece {
  const { method = 'tokenLengthNormalized' } = options
  const faults = new Faults(call)
  checkName(name, faults)
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', '', options, ['method'])
  if (!CHOICE_METHODS.includes(method)) {
    faults.mismatch('INPUT_OPTION', 'method', `one of ${CHOICE_METHODS.join(', ')}`, method)
  }
  faults.throwIfAny()
  return { type: 'select', call, name, choices, method }
}

/** A picture: a path, URL, bytes, Blob or `{ data, width, height }`. */
export function image(source: ImageSource): ImagePart {
  return { type: 'image', image: source }
}

type VideoOptions = Pick<VideoPart, 'frames' | 'fps' | 'start' | 'end' | 'forceSample'>

/** A clip: a file, a folder of frames, or pictures. */
export function video(source: VideoSource, options?: VideoOptions | null): VideoPart {
  return { type: 'video', video: source, ...optionsIn<VideoOptions>('video', options) }
}

export function system(...pieces: readonly string[]): Turn {
  return { type: 'turn', role: 'system', pieces }
}

export function user(...pieces: readonly (string | ImagePart | VideoPart)[]): Turn {
  return { type: 'turn', role: 'user', pieces }
}

export function assistant(...pieces: readonly (string | GenPiece | SelectPiece)[]): Turn {
  return { type: 'turn', role: 'assistant', pieces }
}
