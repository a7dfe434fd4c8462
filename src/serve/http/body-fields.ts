/** Which field of a body it is that a loaded model finds fault with, long after the body was read. */
import { isRecord } from '../faults.ts'
import { FORMAT_PROPERTIES } from './format-fields.ts'
import type { Failure } from './http-error.ts'

/** What requests gave: names of fields, and `sampling_params`, in which SGLang has fields of its own. */
const GIVEN = new WeakMap<
  Request,
  { readonly names: readonly string[]; readonly inside: unknown }
>()

/** What failed at one of its request's prompts. The error itself knows none: requests that wait for one compilation share it. */
export class PromptFailure {
  readonly error: unknown
  readonly prompt: number
  constructor(error: unknown, prompt: number) {
    this.error = error
    this.prompt = prompt
  }
}

const PROMPTS = ['messages', 'prompt', 'input', 'text', 'input_ids', 'input_embeds']
/** What a failure is about, by the beginning of its code: one of these fields, the first that was given. */
const FIELDS: readonly (readonly [code: string, fields: readonly string[]])[] = [
  ['INPUT_CONTEXT', PROMPTS],
  // What a template writes, and how long that takes, the messages decide.
  ['CONFIG_TEMPLATE_LIMIT', PROMPTS],
  ['INPUT_CONVERSATION_', PROMPTS],
  ['INPUT_MESSAGES', PROMPTS],
  ['INPUT_TEMPLATE_', PROMPTS],
  [
    'INPUT_FORMAT',
    [...Object.keys(FORMAT_PROPERTIES), 'output_config', 'tools', 'text', 'sampling_params'],
  ],
  ['INPUT_PROMPT', ['tokens']],
  ['INPUT_TOOLS', ['tools', 'tool_choice', 'messages', 'input']],
]

export function noteFields(request: Request, body: unknown): void {
  if (!isRecord(body)) return
  GIVEN.set(request, { names: namesIn(body), inside: body['sampling_params'] })
}

/** Fields by their names: where they stand. */
function placesIn(request: Request, prompt: number): ReadonlyMap<string, string> {
  const { names = [], inside } = GIVEN.get(request) ?? {}
  const [params, place] = Array.isArray(inside)
    ? [inside[prompt] as unknown, `sampling_params[${prompt}]`]
    : [inside, 'sampling_params']
  return new Map([
    ...(isRecord(params) ? namesIn(params) : []).map((name) => [name, `${place}.${name}`] as const),
    ...names.map((name) => [name, name] as const),
  ])
}

function namesIn(fields: object): string[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name]) => name)
}

type Fault = Pick<Failure, 'code' | 'message'>

/** The failure of that one of its prompts in the request's words: with the field that it is about, and options of the library by fields' names. */
export function inFields(failure: Failure, request: Request, prompt: number): Failure {
  const given = placesIn(request, prompt)
  const field = fieldOf(failure, given)
  const message = inFieldNames(failure, { given, field })
  return { ...failure, message, param: failure.param ?? field }
}

/** Null where the failure is about no field in particular. */
function fieldOf({ code, message }: Fault, given: ReadonlyMap<string, string>): string | null {
  if (code === 'INPUT_OPTION') return given.get(firstNamed(message, [...given.keys()])) ?? null
  const about = isAboutForm({ code, message }) ? 'INPUT_FORMAT' : code
  const [, fields = []] = FIELDS.find(([start]) => about.startsWith(start)) ?? []
  const candidates = fields.filter((name) => given.has(name))
  // Tools, their choice and calls in a conversation have one code: the message says which of them it is.
  const named = code === 'INPUT_TOOLS' ? firstNamed(message, candidates) : ''
  return given.get(named || (candidates[0] ?? '')) ?? null
}

/** What a worker does not offer has one code, whatever it is. */
function isAboutForm({ code, message }: Fault): boolean {
  return (
    code === 'INPUT_FORMAT' || (code === 'INPUT_UPSTREAM' && message.includes('responseFormat'))
  )
}

/** The field that the message names first, by its own name or by the library's: `logitBias` is logit_bias. */
function firstNamed(message: string, given: readonly string[]): string {
  const [first] = given
    .flatMap((field) =>
      [field, inLibrary(field)].map((name) => ({ field, at: message.search(word(name)) })),
    )
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at)
  return first?.field ?? ''
}

type Place = { readonly given: ReadonlyMap<string, string>; readonly field: string | null }

function inFieldNames(fault: Fault, { given, field }: Place): string {
  const { code, message } = fault
  if (field !== null && isAboutForm(fault)) {
    return message
      .replace(/^\w+/, (name) => given.get(name) ?? name)
      .replaceAll(word('responseFormat'), field)
  }
  // A conversation may have come as `input`.
  if (field !== null && code === 'INPUT_MESSAGES') return message.replace(/^messages:/, `${field}:`)
  if (code !== 'INPUT_OPTION' && code !== 'INPUT_TOOLS') return message
  return (
    [...given.keys()]
      .reduce((text, field) => text.replaceAll(word(inLibrary(field)), field), message)
      // `responseFormat regex`, where the request has a field `regex`, is that field.
      .replaceAll(/\bresponseFormat (\w+)/g, (all, kind: string) => (given.has(kind) ? kind : all))
  )
}

function inLibrary(field: string): string {
  return field.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function word(name: string): RegExp {
  return new RegExp(`\\b${name.replaceAll(/\W/g, String.raw`\$&`)}\\b`, 'g')
}
