/** Any OpenAI-compatible server as the model that is asked. */
import { readChatReply, wireMessages } from '../serve/remote/chat-wire.ts'
import type { Endpoint } from '../serve/remote/endpoint.ts'
import { InputError } from '../core/errors.ts'
import {
  withFittingPrompt,
  type AnswerEngine,
  type EngineAnswer,
  type EngineRequest,
} from './answer-engine.ts'
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
  /** Before its first answer, a server that refuses may refuse everything. */
  #hasAnswered = false
  #listed = MOST_LISTED

  constructor(options: EndpointEngineOptions) {
    this.#options = options
    this.name = options.model
    // Not the address: the same model behind another one is the same model.
    this.identity = { kind: 'endpoint', model: options.model }
  }

  async answer(request: EngineRequest, signal: AbortSignal | undefined): Promise<EngineAnswer> {
    try {
      const answer = await this.#answer(request, signal)
      this.#hasAnswered ||= !('error' in answer)
      return answer
    } catch (error) {
      signal?.throwIfAborted()
      const isOfQuestion = error instanceof InputError && this.#isOfQuestion(error)
      return {
        error: error instanceof Error ? error.message : String(error),
        ...(isOfQuestion ? { isOfQuestion } : {}),
      }
    }
  }

  /** Its picture or clip cannot be read or sent, or the server has no text for it. */
  #isOfQuestion({ code }: InputError): boolean {
    if (!code.startsWith('INPUT_ENDPOINT')) return true
    if (code === 'INPUT_ENDPOINT_PART' || code === 'INPUT_ENDPOINT_NO_TEXT') return true
    return this.#hasAnswered && code === 'INPUT_ENDPOINT_REFUSED'
  }

  async #answer(request: EngineRequest, signal: AbortSignal | undefined): Promise<EngineAnswer> {
    if (!request.choices) return this.generate(request, signal)
    const ask = (prompt: string) => this.#choose(request, prompt, signal)
    // Every server says in its own words that a prompt is too long, all of them with this one.
    const isTooLong = (error: unknown) =>
      error instanceof InputError && /context/i.test(error.message)
    return withFittingPrompt(request, ask, isTooLong)
  }

  /** An answer in words. Throws what the endpoint throws, where `answer` gives it back. */
  async generate(
    { messages, maxTokens }: EngineRequest,
    signal: AbortSignal | undefined,
  ): Promise<Extract<EngineAnswer, { readonly text: string }>> {
    const { endpoint, model, seed, readPicture } = this.#options
    const kindOf = () => endpoint.kind(signal)
    const body = {
      model,
      messages: await wireMessages(messages, readPicture, kindOf),
      max_tokens: maxTokens,
      temperature: 0,
      seed,
    }
    const reply = await endpoint.postChat(body, signal)
    const answer = readChatReply(reply, endpoint.url)
    return endpoint.isOwnTemperature ? { ...answer, isOwnTemperature: true } : answer
  }

  /** The likeliest of the continuations: what the server lists among its likeliest tokens, else the one that it is held to. */
  async #choose(
    { choices = [] }: EngineRequest,
    prompt: string,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer> {
    const { model } = this.#options
    const body = { model, prompt, max_tokens: 1, temperature: 0 }
    const top = topLogprobs(await this.#withLogprobs(body, signal))
    const ranked = choices
      .map((choice) => ({ choice, logprob: logprobOf(choice, top) }))
      .sort((a, b) => b.logprob - a.logprob)
    const [best, second] = ranked
    if (!best || best.logprob === Number.NEGATIVE_INFINITY) {
      return await this.#hold({ choices }, prompt, signal)
    }
    const margin = best.logprob - (second?.logprob ?? Number.NEGATIVE_INFINITY)
    return {
      text: best.choice,
      finishReason: 'stop',
      ...(Number.isFinite(margin) ? { margin } : {}),
    }
  }

  /** With as many likeliest tokens as the server lists: 20, or OpenAI's 5. */
  async #withLogprobs(
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const listed = this.#listed
    try {
      return await this.#options.endpoint.post(
        '/completions',
        { ...body, logprobs: listed },
        signal,
      )
    } catch (error) {
      const isOfCount = error instanceof InputError && /logprobs/i.test(error.message)
      if (!isOfCount || listed === FEWEST_LISTED) throw error
      this.#listed = FEWEST_LISTED
      return this.#withLogprobs(body, signal)
    }
  }

  /** The likeliest of these tokens alone: all of them are lifted above every other. Servers with /tokenize say which they are. */
  async #hold(
    { choices }: { readonly choices: readonly string[] },
    prompt: string,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer> {
    const { endpoint, model } = this.#options
    const unknown = `none of ${choices.join(', ')} is among the server's ${this.#listed} likeliest tokens`
    const tokensOf = (text: string) =>
      endpoint.post('/../tokenize', { model, prompt: text }, signal).then(tokensIn, noTokens)
    const [whole, ...tails] = await Promise.all([
      tokensOf(prompt),
      ...choices.map((choice) => tokensOf(prompt + choice)),
    ])
    const ids = tails.map((tokens) => tokens.slice(whole?.length))
    if (ids.some(({ length }) => length !== 1)) return { error: unknown }
    const lifted = Object.fromEntries(ids.map(([id]) => [String(id), MOST_BIAS]))
    const body = { model, prompt, max_tokens: 1, temperature: 0, logit_bias: lifted }
    const text = textOf(await endpoint.post('/completions', body, signal))
    const held = choices.find((choice) => choice.trim() === text.trim())
    return held === undefined ? { error: unknown } : { text: held, finishReason: 'stop' }
  }
}

/** A server without that route says so for good. */
function noTokens(error: unknown): readonly unknown[] {
  if (error instanceof InputError) return []
  throw error
}

/** Likeliest tokens that are asked for, and those that OpenAI's completions list at most. */
const MOST_LISTED = 20
const FEWEST_LISTED = 5

/** As OpenAI has it. */
const MOST_BIAS = 100

function tokensIn(reply: unknown): readonly unknown[] {
  const tokens = isRow(reply) ? reply['tokens'] : null
  return Array.isArray(tokens) ? tokens : []
}

function textOf(reply: unknown): string {
  const { text } = firstChoice(reply)
  return text === undefined ? '' : String(text)
}

function firstChoice(reply: unknown): Row {
  const choice: unknown =
    isRow(reply) && Array.isArray(reply['choices']) ? reply['choices'][0] : null
  return isRow(choice) ? choice : {}
}

/** Of a token ▁A some servers show no space: else the likeliest that is the same without spaces. */
function logprobOf(choice: string, top: ReadonlyMap<string, number>): number {
  const alike = [...top].filter(([token]) => token.trim() === choice.trim())
  return top.get(choice) ?? Math.max(...alike.map(([, logprob]) => logprob))
}

function topLogprobs(reply: unknown): Map<string, number> {
  const { logprobs } = firstChoice(reply)
  const lists = isRow(logprobs) ? logprobs['top_logprobs'] : null
  const first: unknown = Array.isArray(lists) ? lists[0] : null
  const entries = isRow(first) ? Object.entries(first) : []
  return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}
