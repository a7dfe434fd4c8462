/** Any OpenAI-compatible server as the model that is asked. */
import { InputError } from '../core/errors.ts'
import type { ContentPart, Message } from '../serve/messages.ts'
import type { AnswerEngine, EngineAnswer, EngineRequest } from './answer-engine.ts'
import type { Endpoint } from './endpoint.ts'
import { isRow, type Row } from './eval-file.ts'

export type EndpointEngineOptions = {
  readonly endpoint: Endpoint
  /** The id that the server knows its model by. */
  readonly model: string
  /** The bytes of a picture's file. */
  readonly readPicture: (path: string) => Promise<Uint8Array>
  readonly seed: number
}

export class EndpointEngine implements AnswerEngine {
  readonly name: string
  readonly identity: AnswerEngine['identity']
  readonly #options: EndpointEngineOptions

  constructor(options: EndpointEngineOptions) {
    this.#options = options
    this.name = options.model
    // Not the address: the same model behind another one is the same model.
    this.identity = { kind: 'endpoint', model: options.model }
  }

  async answer(request: EngineRequest, signal: AbortSignal | undefined): Promise<EngineAnswer> {
    try {
      return await (request.choices
        ? this.#choose(request, signal)
        : this.#generate(request, signal))
    } catch (error) {
      signal?.throwIfAborted()
      return { error: error instanceof Error ? error.message : String(error) }
    }
  }

  async #generate(
    { messages, maxTokens }: EngineRequest,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer> {
    const { endpoint, model, seed } = this.#options
    const body = {
      model,
      messages: await Promise.all(messages.map((message) => this.#wireMessage(message))),
      max_tokens: maxTokens,
      temperature: 0,
      seed,
    }
    const reply = await endpoint.post('/chat/completions', body, signal)
    const { text, finishReason } = readChatReply(reply, endpoint.url)
    const usage = isRow(reply) && isRow(reply['usage']) ? reply['usage'] : {}
    return {
      text,
      finishReason,
      ...numberField('promptTokens', usage['prompt_tokens']),
      ...numberField('completionTokens', usage['completion_tokens']),
    }
  }

  /** The likeliest of the continuations that the server lists among its likeliest tokens. */
  async #choose(
    { messages, choices = [] }: EngineRequest,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer> {
    const { endpoint, model } = this.#options
    const prompt = messages
      .map(({ content }) => (typeof content === 'string' ? content : ''))
      .join('')
    const body = { model, prompt, max_tokens: 1, temperature: 0, logprobs: 20 }
    const reply = await endpoint.post('/completions', body, signal)
    const top = topLogprobs(reply)
    const ranked = choices
      .map((choice) => ({ choice, logprob: top.get(choice) ?? Number.NEGATIVE_INFINITY }))
      .sort((a, b) => b.logprob - a.logprob)
    const [best, second] = ranked
    if (!best || best.logprob === Number.NEGATIVE_INFINITY) {
      return { error: `none of ${choices.join(', ')} is among the server's 20 likeliest tokens` }
    }
    const margin = best.logprob - (second?.logprob ?? Number.NEGATIVE_INFINITY)
    return {
      text: best.choice,
      finishReason: 'stop',
      ...(Number.isFinite(margin) ? { margin } : {}),
    }
  }

  async #wireMessage({ role, content }: Message): Promise<Row> {
    if (typeof content === 'string') return { role, content }
    return { role, content: await Promise.all(content.map((part) => this.#wirePart(part))) }
  }

  async #wirePart(part: ContentPart): Promise<Row> {
    if (part.type === 'text') return part
    if (part.type !== 'image') {
      throw new InputError(
        'INPUT_ENDPOINT_PART',
        'eval: an endpoint should be asked about pictures and texts, a clip came; run this benchmark on a local model.',
      )
    }
    const { image } = part
    const bytes =
      image instanceof Uint8Array ? image : await this.#options.readPicture(String(image))
    return { type: 'image_url', image_url: { url: dataUrl(bytes) } }
  }
}

/** Throws InputError where the reply holds no text. */
export function readChatReply(
  reply: unknown,
  url: string,
): { readonly text: string; readonly finishReason: string } {
  const choice: unknown =
    isRow(reply) && Array.isArray(reply['choices']) ? reply['choices'][0] : null
  const message = isRow(choice) ? choice['message'] : null
  const text = isRow(message) ? message['content'] : null
  if (typeof text !== 'string') {
    throw new InputError(
      'INPUT_ENDPOINT_REPLY',
      `eval: ${url} should reply with choices[0].message.content, a text; ${JSON.stringify(reply)?.slice(0, 120)} came.`,
    )
  }
  const reason = isRow(choice) ? choice['finish_reason'] : null
  return { text, finishReason: typeof reason === 'string' ? reason : 'stop' }
}

/** `data:` URL of a picture file, its kind by its first bytes. */
export function dataUrl(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return `data:${pictureType(bytes)};base64,${btoa(binary)}`
}

function pictureType(bytes: Uint8Array): string {
  const starts = (...head: number[]) => head.every((byte, i) => bytes[i] === byte)
  if (starts(0x89, 0x50, 0x4e, 0x47)) return 'image/png'
  if (starts(0x47, 0x49, 0x46)) return 'image/gif'
  if (starts(0x52, 0x49, 0x46, 0x46)) return 'image/webp'
  return 'image/jpeg'
}

function topLogprobs(reply: unknown): Map<string, number> {
  const choice: unknown =
    isRow(reply) && Array.isArray(reply['choices']) ? reply['choices'][0] : null
  const logprobs = isRow(choice) ? choice['logprobs'] : null
  const lists = isRow(logprobs) ? logprobs['top_logprobs'] : null
  const first: unknown = Array.isArray(lists) ? lists[0] : null
  const entries = isRow(first) ? Object.entries(first) : []
  return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}

function numberField<K extends string>(name: K, value: unknown): { [P in K]?: number } {
  return typeof value === 'number' ? ({ [name]: value } as { [P in K]?: number }) : {}
}
