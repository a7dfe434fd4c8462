/**
 * A conversation while a program writes it, and the values that its places were filled with.
 *
 * A state is written from front to back; `fork` copies it, so that branches begin with the same words and share what was
 * computed for them.
 */
import { describeValue } from '../../core/describe-value.ts'
import { anySignal } from '../../core/any-signal.ts'
import { ConfigError, InputError } from '../../core/errors.ts'
import type { FinishReason, Usage } from '../answer.ts'
import { Faults, isRecord } from '../faults.ts'
import {
  checkMessages,
  type ContentPart,
  type ImagePart,
  type Message,
  type TextPart,
  type VideoPart,
} from '../messages.ts'
import type { ResponseFormat } from '../constrained/response-format.ts'
import { Branches } from './fork.ts'
import {
  assistant,
  system,
  user,
  type GenOptions,
  type GenPiece,
  type SelectPiece,
  type Turn,
} from './pieces.ts'
import type { ProgramRun } from './program-run.ts'

export type Value = string | readonly Value[]

/** A place that was filled. */
export type Step = {
  readonly name: string
  /** Which fork at each level, from the first: `[]` is the program itself. */
  readonly branch: readonly number[]
  readonly value: string
  readonly finishReason: FinishReason
  readonly usage: Usage
  /** Of `select`, where the engine tells: one for each choice. */
  readonly scores?: readonly number[]
  readonly probabilities?: readonly number[]
}

type StateParts = {
  readonly run: ProgramRun
  readonly signal: AbortSignal
  readonly branch: readonly number[]
  readonly messages: readonly Message[]
  readonly values: ReadonlyMap<string, Value>
}

export class ProgramState {
  readonly branch: readonly number[]
  readonly #run: ProgramRun
  readonly #signal: AbortSignal
  readonly #values: Map<string, Value>
  #messages: Message[]
  #isWriting = false
  #forks = 0

  constructor({ run, signal, branch, messages, values }: StateParts) {
    this.branch = branch
    this.#run = run
    this.#signal = signal
    this.#messages = [...messages]
    this.#values = new Map(values)
  }

  /** The conversation so far; its last message may be one that the assistant has begun. */
  get messages(): readonly Message[] {
    return this.#messages
  }

  /** Every place of the whole program that was filled so far, branches among them, in the order of their ends. */
  get steps(): readonly Step[] {
    return this.#run.steps
  }

  /** Of all steps together. */
  get usage(): Usage {
    return this.#run.usage
  }

  /** Aborted when the program is to stop. */
  get signal(): AbortSignal {
    return this.#signal
  }

  /** Writes turns, or pieces of the assistant's own; resolves when all their places are filled. */
  async add(...given: readonly (Turn | GenPiece | SelectPiece)[]): Promise<this> {
    if (this.#isWriting) {
      throw new ConfigError(
        'CONFIG_PROGRAM_ORDER',
        'program: a state is written by one at a time; await what was added before, or fork it.',
      )
    }
    this.#isWriting = true
    try {
      for (const one of given) await this.#turn(asTurn(one))
    } finally {
      this.#isWriting = false
    }
    return this
  }

  system(...pieces: readonly string[]): Promise<this> {
    return this.add(system(...pieces))
  }

  user(...pieces: readonly (string | ImagePart | VideoPart)[]): Promise<this> {
    return this.add(user(...pieces))
  }

  assistant(...pieces: readonly (string | GenPiece | SelectPiece)[]): Promise<this> {
    return this.add(assistant(...pieces))
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** The text of a place. Throws ConfigError for a name that has none, or has several: see `all`. */
  get(name: string): string {
    const value = this.#values.get(name)
    if (typeof value === 'string') return value
    if (value === undefined) throw noValue(name, [...this.#values.keys()])
    throw new ConfigError(
      'CONFIG_PROGRAM_VALUE',
      `program: ${name} has a value of each branch; read them with all.`,
    )
  }

  /** The texts of a place in all branches that were joined, in their order. */
  all(name: string): readonly string[] {
    const value = this.#values.get(name)
    if (value === undefined) throw noValue(name, [...this.#values.keys()])
    return flat(value)
  }

  /** Sets a value, as a place does. */
  set(name: string, value: Value): void {
    this.#values.set(name, value)
  }

  /** Names and values. */
  get values(): Readonly<Record<string, Value>> {
    return Object.fromEntries(this.#values)
  }

  /** The conversation as a text: roles, words, `<image>` and `<video>` where media stand. */
  text(): string {
    return this.#messages.map(({ role, content }) => `${role}: ${shown(content)}`).join('\n')
  }

  /** Copies of this state that go their own ways: `count` of them. */
  fork(count: number): Branches {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new InputError(
        'INPUT_PROGRAM',
        `fork: the number of branches should be a whole number from 1, ${count} came.`,
      )
    }
    const failed = new AbortController()
    const signal = anySignal(this.#signal, failed.signal)
    const first = this.#forks
    this.#forks += count
    const states = Array.from(
      { length: count },
      (_, i) =>
        new ProgramState({
          run: this.#run,
          signal,
          branch: [...this.branch, first + i],
          messages: this.#messages,
          values: this.#values,
        }),
    )
    return new Branches(this, states, (reason) => failed.abort(reason))
  }

  async #turn({ role, pieces }: Turn): Promise<void> {
    for (const piece of pieces) {
      this.#signal.throwIfAborted()
      if (typeof piece !== 'string' && !isRecord(piece)) throw noPiece(role, piece)
      if (typeof piece !== 'string' && (piece.type === 'gen' || piece.type === 'select')) {
        if (role !== 'assistant') throw misplaced(piece.name, role)
        const filled = await (piece.type === 'gen' ? this.#generate(piece) : this.#select(piece))
        this.#fill({ ...filled, name: piece.name, branch: this.branch })
      } else if (typeof piece === 'string' || role === 'user') this.#write(role, piece)
      else throw misplacedMedium(piece, role)
    }
  }

  #write(role: Turn['role'], piece: string | ContentPart): void {
    if (piece === '') return
    const last = this.#messages.at(-1)
    const isBegun = last?.role === role
    const before = isBegun ? this.#messages.slice(0, -1) : this.#messages
    const content = appended(isBegun ? last.content : '', piece)
    const messages = [...before, { role, content }]
    const faults = new Faults('program')
    checkMessages('messages', messages, faults)
    faults.throwIfAny()
    this.#messages = messages
  }

  async #generate({ name, options }: GenPiece): Promise<Filled> {
    const { seed = seedOf(this.branch) } = options
    const request = { ...requestOptions(options), seed, messages: this.#ready(name) }
    const { text, finishReason, usage } = await this.#run.engine.generate(
      { ...request, signal: this.#signal },
      (piece) => this.#run.tell({ type: 'text', name, branch: this.branch, text: piece }),
    )
    this.#signal.throwIfAborted()
    if (finishReason === 'abort') throw new Error('internal: an answer was aborted by nobody')
    return { value: text, finishReason, usage }
  }

  async #select(piece: SelectPiece): Promise<Filled> {
    checkChoices(piece)
    const { call, name, choices, method } = piece
    const { index, usage, scores, probabilities } = await this.#run.engine.select({
      call,
      messages: this.#ready(name),
      choices,
      method,
      signal: this.#signal,
    })
    const value = choices[index] as string
    this.#run.tell({ type: 'text', name, branch: this.branch, text: value })
    return {
      value,
      finishReason: 'stop',
      usage,
      ...(scores && { scores }),
      ...(probabilities && { probabilities }),
    }
  }

  #fill(step: Step): void {
    this.#write('assistant', step.value)
    this.#values.set(step.name, step.value)
    this.#run.note(step)
  }

  /** The messages, where there is something to answer. */
  #ready(name: string): readonly Message[] {
    if (this.#messages.length > 0) return this.#messages
    throw new InputError(
      'INPUT_PROGRAM',
      `program: something should be said before ${name} is answered; begin with user(…).`,
    )
  }
}

/** Branches draw answers of their own, the same ones whenever the program runs. */
function seedOf(branch: readonly number[]): number {
  return branch.reduce((seed, fork) => (31 * seed + fork + 1) % 2 ** 32, 0)
}

function flat(value: Value): string[] {
  return typeof value === 'string' ? [value] : value.flatMap(flat)
}

type Filled = Omit<Step, 'name' | 'branch'>

function asTurn(given: Turn | GenPiece | SelectPiece): Turn {
  if (isRecord(given) && given.type === 'turn') return given
  if (isRecord(given) && (given.type === 'gen' || given.type === 'select')) return assistant(given)
  throw new InputError(
    'INPUT_PROGRAM',
    'program: a text, picture or clip should stand in a turn; write system(…), user(…) or assistant(…).',
  )
}

function appended(
  content: Message['content'],
  piece: string | ContentPart,
): string | readonly ContentPart[] {
  if (typeof content === 'string' && typeof piece === 'string') return content + piece
  const parts = typeof content === 'string' ? textParts(content) : content
  const last = parts.at(-1)
  if (typeof piece !== 'string') return [...parts, piece]
  if (last?.type !== 'text') return [...parts, { type: 'text', text: piece }]
  return [...parts.slice(0, -1), { type: 'text', text: last.text + piece }]
}

function textParts(text: string): readonly TextPart[] {
  return text === '' ? [] : [{ type: 'text', text }]
}

function requestOptions({ regex, json, ebnf, ...options }: GenOptions) {
  const forms: ResponseFormat[] = [
    ...(regex === undefined ? [] : [{ type: 'regex', pattern: regex } as const]),
    ...(json === undefined ? [] : [jsonFormat(json)]),
    ...(ebnf === undefined ? [] : [{ type: 'ebnf', grammar: ebnf } as const]),
    ...(options.responseFormat ? [options.responseFormat] : []),
  ]
  if (forms.length > 1) {
    throw new InputError('INPUT_OPTION', 'gen: an answer has one form, several came; name one.')
  }
  return { ...options, ...(forms[0] && { responseFormat: forms[0] }) }
}

function jsonFormat(json: true | object): ResponseFormat {
  return json === true ? { type: 'json_object' } : { type: 'json_schema', schema: json }
}

function checkChoices({ call, name, choices }: SelectPiece): void {
  const isList = Array.isArray(choices) && choices.length > 0
  if (isList && choices.every((one) => typeof one === 'string' && one !== '')) return
  throw new InputError(
    'INPUT_PROGRAM',
    `${call}: ${name} should have at least one choice, each a text that is not empty.`,
  )
}

function misplacedMedium({ type }: ContentPart, role: Turn['role']): InputError {
  return new InputError(
    'INPUT_PROGRAM',
    `program: pictures and clips should stand in a turn of the user, ${type} came in one of ${role}; write user(…).`,
  )
}

function misplaced(name: string, role: string): InputError {
  return new InputError(
    'INPUT_PROGRAM',
    `program: ${name} stands in the ${role}'s turn, which the model does not write; put it into assistant(…).`,
  )
}

function noPiece(role: string, came: unknown): InputError {
  return new InputError(
    'INPUT_PROGRAM',
    `program: the ${role}'s turn should hold texts, image(…), video(…) or gen(…), ${describeValue(came)} came.`,
  )
}

function noValue(name: string, known: readonly string[]): ConfigError {
  const names = known.length === 0 ? 'there is none yet' : `there are ${known.join(', ')}`
  return new ConfigError('CONFIG_PROGRAM_VALUE', `program: no place was named ${name}; ${names}.`)
}

function shown(content: Message['content']): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : `<${kindOf(part)}>`)).join('')
}

function kindOf({ type }: Exclude<ContentPart, { readonly type: 'text' }>): string {
  return type === 'video' ? 'video' : 'image'
}
