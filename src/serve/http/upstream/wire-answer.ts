/**
 * The events of a worker's stream as one kind of piece: text, tokens with log-probabilities, the end, the usage.
 *
 * Workers differ in three forms: chunks of chat, chunks of completions, and `/generate`, whose texts are whole so far.
 */
import { isRecord } from '../../faults.ts'
import { streamedError, WorkerFailure } from './upstream-error.ts'
import type { WireRequest } from './wire-request.ts'

/** A token as a worker names it: by id, or by bytes. */
export type WireToken = { readonly logprob: number } & (
  | { readonly id: number; readonly bytes?: undefined }
  | { readonly bytes: Uint8Array }
)
export type WireLogprob = WireToken & { readonly top: readonly WireToken[] }

export type WirePiece = {
  readonly text: string
  readonly logprobs: readonly WireLogprob[]
  readonly ids: readonly number[]
  readonly calls: readonly WireCall[]
  readonly end: WireEnd | null
  readonly usage: WireUsage | null
}

/** A piece of a call: its name comes once, its arguments may come in parts. */
export type WireCall = { readonly index: number; readonly name: string; readonly arguments: string }

export type WireEnd = {
  readonly reason: 'stop' | 'length'
  /** The stop string that ended it; null: the model did, or a limit. */
  readonly stop: string | null
}

export type WireUsage = {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  /** Null: the worker does not say. */
  readonly imageTokens: number | null
}

/** Reads the events of one answer; it remembers what `/generate` has told already. */
export class WireReader {
  readonly #form: WireRequest['path']
  #told = ''
  #toldLogprobs = 0

  constructor(form: WireRequest['path']) {
    this.#form = form
  }

  /** Throws what an event that is an error says, and WorkerFailure for one that cannot be read. */
  read(event: Record<string, unknown>): WirePiece {
    if (isRecord(event['error']) || event['object'] === 'error') throw streamedError(event)
    if (this.#form === '/generate') return this.#native(event)
    const choices: unknown = event['choices']
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
    const usage = usageOf(event['usage'])
    if (!isRecord(choice)) return { ...NOTHING, usage }
    const { delta, text, logprobs, finish_reason: reason, token_ids: ids } = choice
    const content = isRecord(delta) ? delta['content'] : text
    return {
      text: typeof content === 'string' ? content : '',
      logprobs:
        this.#form === '/v1/completions' ? legacyLogprobs(logprobs) : chatLogprobs(logprobs),
      ids: isIds(ids) ? ids : [],
      calls: isRecord(delta) ? callsOf(delta['tool_calls']) : [],
      end: endOf(reason, choice['stop_reason'] ?? choice['matched_stop']),
      usage,
    }
  }

  #native(event: Record<string, unknown>): WirePiece {
    const { text: whole, meta_info: info } = event
    if (typeof whole !== 'string' || !isRecord(info)) {
      throw new WorkerFailure('failed', '/generate should send text and meta_info')
    }
    const { finish_reason: reason } = info
    const end = isRecord(reason) ? endOf(reason['type'], reason['matched']) : null
    // Half a character is shown as U+FFFD, and is another one when the rest of it came.
    const certain = end ? whole : whole.replace(/\uFFFD+$/, '')
    if (!whole.startsWith(this.#told)) {
      throw new WorkerFailure('failed', '/generate took back what it had said')
    }
    const text = certain.slice(this.#told.length)
    this.#told += text
    const told = nativeLogprobs(info)
    const logprobs = told.slice(this.#toldLogprobs)
    this.#toldLogprobs = Math.max(this.#toldLogprobs, told.length)
    const usage = usageOf({ ...info, prompt_tokens_details: info })
    return { ...NOTHING, text, logprobs, end, usage }
  }
}

const NOTHING: WirePiece = { text: '', logprobs: [], ids: [], calls: [], end: null, usage: null }

function callsOf(value: unknown): WireCall[] {
  if (!Array.isArray(value)) return []
  return value.filter(isRecord).flatMap(({ index = 0, function: called }) => {
    const { name = '', arguments: text = '' } = isRecord(called) ? called : {}
    return [{ index: Number(index), name: String(name ?? ''), arguments: String(text ?? '') }]
  })
}

function endOf(reason: unknown, stop: unknown): WireEnd | null {
  if (reason === null || reason === undefined) return null
  // `function_call` is what OpenAI said before there were tools.
  if (reason === 'tool_calls' || reason === 'function_call') return { reason: 'stop', stop: null }
  if (reason === 'stop') return { reason, stop: typeof stop === 'string' ? stop : null }
  if (reason === 'length') return { reason, stop: null }
  throw new WorkerFailure('failed', `its answer ended by ${String(reason).slice(0, 40)}`)
}

function usageOf(value: unknown): WireUsage | null {
  if (!isRecord(value)) return null
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = value
  if (typeof promptTokens !== 'number' || typeof completionTokens !== 'number') return null
  const details = isRecord(value['prompt_tokens_details']) ? value['prompt_tokens_details'] : {}
  const { cached_tokens: cached, image_tokens: image } = details
  return {
    promptTokens,
    completionTokens,
    cachedTokens: typeof cached === 'number' ? cached : 0,
    imageTokens: typeof image === 'number' ? image : null,
  }
}

/** OpenAI's, of which vLLM's tokens may be `token_id:5`. */
function chatLogprobs(value: unknown): WireLogprob[] {
  const content = isRecord(value) ? value['content'] : null
  if (!Array.isArray(content)) return []
  return content.filter(isRecord).flatMap((entry) => {
    const token = tokenOf(entry)
    const top: unknown = entry['top_logprobs']
    const others = Array.isArray(top)
      ? top.filter(isRecord).flatMap((one) => tokenOf(one) ?? [])
      : []
    return token ? [{ ...token, top: others }] : []
  })
}

function tokenOf({ token, logprob, bytes }: Record<string, unknown>): WireToken | null {
  if (typeof token !== 'string' || typeof logprob !== 'number') return null
  return { ...named(token, bytes), logprob }
}

function named(token: string, bytes?: unknown): { id: number } | { bytes: Uint8Array } {
  const id = /^token_id:(\d+)$/.exec(token)?.[1]
  if (id !== undefined) return { id: Number(id) }
  return { bytes: isIds(bytes) ? Uint8Array.from(bytes) : new TextEncoder().encode(token) }
}

/** Lists side by side; the likeliest tokens are an object. */
function legacyLogprobs(value: unknown): WireLogprob[] {
  if (!isRecord(value)) return []
  const { tokens, token_logprobs: logprobs, top_logprobs: tops } = value
  if (!Array.isArray(tokens) || !Array.isArray(logprobs)) return []
  return tokens.flatMap((token: unknown, i): WireLogprob[] => {
    const logprob: unknown = logprobs[i]
    if (typeof token !== 'string' || typeof logprob !== 'number') return []
    const top: unknown = Array.isArray(tops) ? tops[i] : null
    const others = isRecord(top)
      ? Object.entries(top).flatMap(([name, value_]): WireToken[] =>
          typeof value_ === 'number' ? [{ ...named(name), logprob: value_ }] : [],
        )
      : []
    return [{ ...named(token), logprob, top: others }]
  })
}

/** SGLang's triples: log-probability, id, text. */
function nativeLogprobs(info: Record<string, unknown>): WireLogprob[] {
  const { output_token_logprobs: chosen, output_top_logprobs: tops } = info
  if (!Array.isArray(chosen)) return []
  return chosen.flatMap((triple: unknown, i): WireLogprob[] => {
    const token = tripleOf(triple)
    const top: unknown = Array.isArray(tops) ? tops[i] : null
    const others = Array.isArray(top) ? top.flatMap((one) => tripleOf(one) ?? []) : []
    return token ? [{ ...token, top: others }] : []
  })
}

function tripleOf(value: unknown): WireToken | null {
  if (!Array.isArray(value)) return null
  const [logprob, id] = value as unknown[]
  return typeof logprob === 'number' && typeof id === 'number' ? { logprob, id } : null
}

function isIds(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(Number.isSafeInteger)
}
