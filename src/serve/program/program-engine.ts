/** What runs the places of programs: a loaded model, or a server somewhere else. */
import { describeValue } from '../../core/describe-value.ts'
import { ConfigError } from '../../core/errors.ts'
import type { Answer, StreamEvent, Usage } from '../answer.ts'
import { isRecord } from '../faults.ts'
import type { Message } from '../messages.ts'
import type { GenerateRequest, PromptInput } from '../request.ts'
import type { ChoiceFields, ChoiceScores } from '../score-choices.ts'
import { chooseOption, type ChoiceMethod } from './choose-option.ts'
import type { RemoteAddress } from './remote-server.ts'

export type ProgramEngine = {
  /** The answer, whose pieces `onText` hears. A conversation that ends with the assistant goes on in its words. */
  generate(request: GenerateRequest, onText: (text: string) => void): Promise<Answer>
  select(request: SelectRequest): Promise<Selected>
}

export type SelectRequest = {
  /** What the program says, for errors. */
  readonly call: 'gen' | 'select'
  readonly messages: readonly Message[]
  readonly choices: readonly string[]
  readonly method: ChoiceMethod
  readonly signal: AbortSignal
}

export type Selected = {
  readonly index: number
  /** Null: the server keeps them to itself. */
  readonly scores: readonly number[] | null
  readonly probabilities: readonly number[] | null
  readonly usage: Usage
}

/** The parts of a loaded model that programs need. */
export type ProgramModel = {
  stream(request: GenerateRequest): AsyncIterable<StreamEvent>
  scoreChoices(request: PromptInput & ChoiceFields): Promise<ChoiceScores>
}

/** Whatever can run a program. */
export type EngineSource = ProgramEngine | ProgramModel | RemoteAddress

/** Throws ConfigError for what runs no program, and what connecting to a server throws. */
export async function engineOf(source: EngineSource, signal: AbortSignal): Promise<ProgramEngine> {
  if (isRecord(source) && 'url' in source) {
    const { connectRemote } = await import('./remote-engine-node.ts')
    return connectRemote(source as RemoteAddress, signal)
  }
  if (isProgramEngine(source)) return source
  if (isProgramModel(source)) return localEngine(source)
  throw new ConfigError(
    'CONFIG_PROGRAM_ENGINE',
    `program: the engine should be a loaded model, or { url, model, apiKey } of a server, ${describeValue(source)} came; load one with loadModel.`,
  )
}

function isProgramEngine(source: unknown): source is ProgramEngine {
  return hasFunction(source, 'select') && hasFunction(source, 'generate')
}

function isProgramModel(source: unknown): source is ProgramModel {
  return hasFunction(source, 'scoreChoices') && hasFunction(source, 'stream')
}

function hasFunction(source: unknown, name: string): boolean {
  if (typeof source !== 'object' || source === null) return false
  return typeof (source as Readonly<Record<string, unknown>>)[name] === 'function'
}

function localEngine(model: ProgramModel): ProgramEngine {
  return {
    generate: (request, onText) => collect(model.stream(request), onText),
    async select({ messages, choices: texts, signal, method }) {
      const unconditional = method === 'unconditionalLikelihoodNormalized'
      const { choices, usage } = await model.scoreChoices({
        messages,
        choices: texts,
        signal,
        unconditional,
      })
      return { ...chooseOption(choices, method), usage }
    },
  }
}

/** The whole answer of a stream. */
export async function collect(
  events: AsyncIterable<StreamEvent>,
  onText: (text: string) => void,
): Promise<Answer> {
  for await (const event of events) {
    if (event.type === 'done') return event
    onText(event.text)
  }
  throw new Error('internal: a stream ended without an answer')
}
