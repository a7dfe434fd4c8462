/** Who labels: a model in this process, or a server elsewhere. The run knows no more of it than this. */
import { CapacityError, InputError, type LlavaError } from '../core/errors.ts'
import type { Answer } from '../serve/answer.ts'
import { isRecord } from '../serve/faults.ts'
import { readChatReply, wireMessages, type ReadFile } from '../serve/remote/chat-wire.ts'
import { takesFrames } from '../serve/remote/server-kind.ts'
import { Endpoint, isOfServer } from '../serve/remote/endpoint.ts'
import type { GenerateRequest } from '../serve/request.ts'
import type { Message } from '../serve/messages.ts'

export type LabelEngine = {
  /** The model's name, which answers carry. */
  readonly model: string
  /** Where it is, for people. */
  readonly place: string
  /** Questions that it is given at the same time. */
  readonly atOnce: number
  /**
   * Throws what is the question's fault, and an EngineFault where the engine itself is at fault; the signal's reason when
   * aborted.
   */
  answer(question: LabelQuestion, signal: AbortSignal): Promise<LabelAnswer>
}

export type LabelQuestion = {
  readonly messages: readonly Message[]
  readonly options: LabelSampling
}

/** What all kinds of engines understand alike. */
export type LabelSampling = {
  readonly maxTokens?: number
  /** 0, the default, takes the best token. */
  readonly temperature?: number
  readonly topP?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  /** A JSON Schema that answers keep to. */
  readonly schema?: object
}

export type LabelAnswer = {
  readonly text: string
  readonly finishReason: string
  readonly promptTokens?: number
  readonly completionTokens?: number
}

/** Not the question's fault: another engine, or this one later, may answer it. */
export class EngineFault extends Error {
  override readonly name = 'EngineFault'
  readonly code: string
  constructor(cause: LlavaError) {
    super(cause.message, { cause })
    this.code = cause.code
  }
}

/** The part of the library's `Model` that labels. */
export type LabelModel = { generate(request: GenerateRequest): Promise<Answer> }

/** While some questions are decoded, as many are prepared: pictures are read, cut and encoded. */
const PREPARED_AHEAD = 2

export function modelEngine(model: LabelModel, name: string, batch: number): LabelEngine {
  return {
    model: name,
    place: 'this process',
    atOnce: PREPARED_AHEAD * batch,
    async answer({ messages, options: { schema, ...options } }, signal) {
      const answer = model.generate({
        messages,
        numBeams: 1,
        ...options,
        ...(schema && { responseFormat: { type: 'json_schema', schema } }),
        signal,
      })
      const { text, finishReason, usage } = await answer.catch((error: unknown) => {
        throw isMissing(error)
          ? new InputError('INPUT_LABEL_MEDIA', error.message, { cause: error })
          : error
      })
      signal.throwIfAborted()
      const { promptTokens, completionTokens } = usage
      return { text, finishReason, promptTokens, completionTokens }
    },
  }
}

/** Of a clip or its frames: pictures alone were read before. */
function isMissing(error: unknown): error is InputError {
  if (!(error instanceof InputError)) return false
  return ['INPUT_IMAGE_MISSING', 'INPUT_VIDEO_MISSING'].includes(error.code)
}

export type ServerOptions = {
  readonly url: string
  /** The id that the server knows its model by; the only one it has may be left out. */
  readonly model?: string | undefined
  readonly apiKey?: string | undefined
  readonly attempts?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly batch: number
  readonly readFile: ReadFile
  /** Whether clips are made of pictures. */
  readonly hasFrames?: boolean
}

/**
 * Throws CapacityError where the server cannot be reached, and InputError where it has several models and none was named, or
 * takes no frames and is to be sent some.
 */
export async function serverEngine(
  options: ServerOptions,
  signal: AbortSignal,
): Promise<LabelEngine> {
  const { batch, readFile, hasFrames = false } = options
  const endpoint = new Endpoint(options)
  const model = options.model ?? (await onlyModel(endpoint, signal))
  // A server that is away says later who it is.
  const kind = hasFrames ? await endpoint.kind(signal).catch(unlessAborted(signal)) : null
  if (!takesFrames(kind)) throw noFrames(endpoint.url)
  return {
    model,
    place: endpoint.url,
    atOnce: batch,
    async answer(question, aborted) {
      try {
        const kindOf = () => endpoint.kind(aborted)
        const messages = await wireMessages(question.messages, readFile, kindOf)
        const body = { model, messages, ...wireOptions(question.options) }
        return readChatReply(await endpoint.postChat(body, aborted), endpoint.url)
      } catch (error) {
        throw error instanceof CapacityError || isOfServer(error) ? new EngineFault(error) : error
      }
    },
  }
}

function unlessAborted(signal: AbortSignal): () => null {
  return () => {
    signal.throwIfAborted()
    return null
  }
}

async function onlyModel(endpoint: Endpoint, signal: AbortSignal): Promise<string> {
  const reply = await endpoint.get('/models', signal)
  const list = isRecord(reply) && Array.isArray(reply['data']) ? (reply['data'] as unknown[]) : []
  const ids = list.flatMap((one) =>
    isRecord(one) && typeof one['id'] === 'string' ? one['id'] : [],
  )
  const [id] = ids
  if (id !== undefined && ids.length === 1) return id
  throw new InputError(
    'INPUT_LABEL_MODEL',
    `label: ${endpoint.url} should have one model, it has ${ids.slice(0, 5).join(', ') || 'none'}; say which is meant.`,
  )
}

function noFrames(url: string): InputError {
  return new InputError(
    'INPUT_LABEL_ENGINE',
    `label: ${url} should take clips made of pictures, it is SGLang, which takes films alone; name another engine, or make films of them.`,
  )
}

/** In the words of OpenAI, which SGLang and vLLM take too. */
function wireOptions(options: LabelSampling): object {
  const { maxTokens, temperature, topP, seed, stop, schema } = options
  const { presencePenalty, frequencyPenalty } = options
  return {
    max_tokens: maxTokens,
    temperature,
    seed,
    ...(topP !== undefined && { top_p: topP }),
    ...(stop && stop.length > 0 && { stop }),
    ...(presencePenalty !== undefined && { presence_penalty: presencePenalty }),
    ...(frequencyPenalty !== undefined && { frequency_penalty: frequencyPenalty }),
    ...(schema && {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'label', schema, strict: true },
      },
    }),
  }
}
