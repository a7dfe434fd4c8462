/**
 * A model behind workers as the server serves its own: the same checks, the same events, the same counts.
 *
 * With the checkpoint's files here (`side`) prompts are counted, defaults filled in and tokens named as our own engine does
 * it; without them the workers are asked.
 */
import { anySignal } from '../../../core/any-signal.ts'
import { CapacityError, InputError } from '../../../core/errors.ts'
import type { AnswerLogprob, StreamEvent, Usage } from '../../answer.ts'
import { isRecord } from '../../faults.ts'
import type { ResolvedGenerateOptions } from '../../generate-options.ts'
import { parseGenerationConfig, type GenerationConfig } from '../../generation-config.ts'
import { parseGenerateRequest, parsePrompt, type PromptInput } from '../../request.ts'
import { HttpError } from '../http-error.ts'
import type { Log } from '../log.ts'
import { idsOf, textOf, tokensOf, type ServedModel, type ServedRequest } from '../served-model.ts'
import { agreedLimits, type AgreedLimits } from './agreed-limits.ts'
import { atPlaceAsked } from './place-asked.ts'
import { GrowingAnswer } from './growing-answer.ts'
import { promptKey, saltOf } from './prompt-key.ts'
import type { PromptSide } from './prompt-side.ts'
import { endsByToken, StreamedUsage, type CountedHere } from './streamed-usage.ts'
import { TokenBook } from './token-book.ts'
import { WorkerFailure } from './upstream-error.ts'
import { withFramesFor } from './wire-media.ts'
import { WireReader, type WireLogprob, type WirePiece, type WireToken } from './wire-answer.ts'
import { wireRequest, type ToSend, type WireRequest } from './wire-request.ts'
import type { WorkerPool } from './worker-pool.ts'
import type { Worker, WorkerModel } from './worker.ts'

export type UpstreamParts = {
  readonly pool: WorkerPool
  /** What clients call it. */
  readonly id: string
  /** What a worker calls it; null: it does not serve it. */
  readonly nameOn: (worker: Worker) => string | null
  /** What the workers that were met said of it last: each may come, or come back with other limits, at any time. */
  readonly known: () => readonly WorkerModel[]
  readonly side: PromptSide | null
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: number
}

export class UpstreamModel implements ServedModel {
  readonly id: string
  readonly created: number
  readonly measureMedia?: NonNullable<ServedModel['measureMedia']>
  readonly whole: ServedModel
  readonly #parts: UpstreamParts
  readonly #isWhole: boolean
  readonly #book: TokenBook

  /** `streamed`: this one is the same model for clients that are told nothing before an answer is whole. */
  constructor(parts: UpstreamParts, streamed?: UpstreamModel) {
    this.#parts = parts
    this.#isWhole = streamed !== undefined
    this.id = parts.id
    this.created = Math.floor(parts.now / 1000)
    const { side } = parts
    const measure = side?.measureMedia
    if (measure) this.measureMedia = (prompt) => measure(prompt)
    this.#book = streamed
      ? streamed.#book
      : new TokenBook((id, over) => this.detokenize([id], over))
    this.whole = streamed ? this : new UpstreamModel(parts, this)
  }

  get maxContext(): number | null {
    return this.#limits.maxContext
  }

  get usualTokens(): number | null {
    return this.#limits.usualTokens
  }

  get mostTokens(): number | undefined {
    return this.#limits.mostTokens
  }

  get takes(): ServedModel['takes'] {
    return this.#limits.takes
  }

  get autoOrient(): boolean | null {
    return this.#limits.autoOrient
  }

  async *stream(request: ServedRequest): AsyncGenerator<StreamEvent, void, undefined> {
    const growing = new GrowingAnswer(performance.now())
    const { pool, side } = this.#parts
    const { prompt, options: parsed } = parseGenerateRequest(request, this.#generation)
    const options = request.maxTokens === undefined ? this.#allowed(parsed) : parsed
    const counted = side ? await tokensOf(promptOf(request), side) : null
    const fitting = counted ? this.#limited(counted, options) : options
    const signal = options.signal ?? new AbortController().signal
    const routed = {
      model: this.id,
      serves: (worker: Worker) => this.#parts.nameOn(worker) !== null,
      key: await promptKey(prompt, options.cacheSalt),
      isWhole: this.#isWhole,
      signal,
    }
    const streamed = new StreamedUsage(counted && side && countedHere(counted, side))
    const salted = { ...fitting, cacheSalt: await saltOf(options.cacheSalt) }
    const asked = { prompt, asked: request, options: salted }
    try {
      const pieces = pool.stream(routed, (worker, over) =>
        this.#pieces(worker, { asked, streamed, signal: over }),
      )
      for await (const piece of pieces) {
        const text = growing.add({ ...piece, logprobs: await this.#named(piece.logprobs, signal) })
        if (text !== null) yield text
      }
      if (counted) this.#compare(streamed, counted)
    } catch (error) {
      // As the library: an abort ends an answer with what there was, and what it cost.
      if (!signal.aborted || !streamed.worker) throw atPlaceAsked(error, { prompt, request })
    }
    if (streamed.worker) note(streamed.worker, streamed.usage)
    yield growing.done(streamed.usage, options)
  }

  async countTokens(prompt: PromptInput, signal: AbortSignal): Promise<number> {
    const { side } = this.#parts
    if (!side) return (await this.promptIds(prompt, signal)).length
    const { text, image } = await tokensOf(prompt, side)
    return text + image
  }

  async promptIds(prompt: PromptInput, signal: AbortSignal): Promise<readonly number[]> {
    const { side } = this.#parts
    if (side) return (await side.prepare(prompt)).inputIds
    const parsed = parsePrompt('tokenize', prompt)
    if (parsed.kind === 'ids' && parsed.media.length === 0) return parsed.ids
    return this.#tokens(signal, async (worker, model) => {
      if (parsed.kind === 'text' && parsed.media.length === 0) return { model, prompt: parsed.text }
      if (parsed.kind !== 'messages') throw uncounted()
      const options = parseGenerateRequest({ ...prompt }, this.#generation).options
      const { kind } = worker
      const send = { kind, model, prompt: withFramesFor(kind, parsed), asked: {}, options }
      const { body } = wireRequest(send)
      return { model, messages: body['messages'] }
    })
  }

  async tokenize(text: string, { addBos }: { readonly addBos: boolean }, signal: AbortSignal) {
    const { side } = this.#parts
    if (side) return idsOf(text, { addBos }, side)
    return this.#tokens(signal, async (_, model) => ({
      model,
      prompt: text,
      add_special_tokens: addBos,
    }))
  }

  async detokenize(ids: readonly number[], signal: AbortSignal): Promise<string> {
    const { side } = this.#parts
    if (side) return textOf(ids, side)
    const body: AskBody = async (_, model) => ({ model, tokens: ids })
    const answer = await this.#ask('/detokenize', { signal, body })
    // vLLM and ours say `prompt`, SGLang says `text`.
    const text = isRecord(answer) ? (answer['prompt'] ?? answer['text']) : null
    if (typeof text === 'string') return text
    throw new WorkerFailure('failed', '/detokenize should give a text')
  }

  tokenBytes(id: number): Uint8Array {
    const { side } = this.#parts
    return side && id >= 0 ? side.tokenizer.tokenBytes(id) : this.#book.bytesOf(id)
  }

  workers(): ReturnType<NonNullable<ServedModel['workers']>> {
    return this.#parts.pool.list()
  }

  /** The pieces of an answer that hold something, and when they came; `streamed` counts them all. */
  async *#pieces(
    worker: Worker,
    { asked, streamed, signal }: Streaming,
  ): AsyncGenerator<WirePiece & { readonly at: number }, void, undefined> {
    const model = this.#parts.nameOn(worker) ?? this.id
    const { kind } = worker
    const prompt = withFramesFor(kind, asked.prompt)
    const wire = wireRequest({ kind, model, ...asked, prompt })
    let hasEnded = false
    streamed.begin(worker)
    for await (const piece of answerPieces(worker, wire, signal)) {
      streamed.add(piece)
      hasEnded ||= piece.end !== null
      const { text, ids, calls, end } = piece
      // The end token's log-probability comes last.
      const logprobs = endsByToken(end, worker) ? piece.logprobs.slice(0, -1) : piece.logprobs
      const holds = text !== '' || piece.logprobs.length + ids.length + calls.length > 0
      if (holds || end) yield { ...piece, logprobs, at: performance.now() }
    }
    if (!hasEnded) throw new WorkerFailure('failed', 'its answer has no finish_reason')
    if (streamed.told || this.#parts.side) return
    throw new WorkerFailure(
      'failed',
      'its answer has no usage, and without --model none is counted',
    )
  }

  get #limits(): AgreedLimits {
    return agreedLimits(this.#parts.known(), this.#parts.side)
  }

  /** What completes a request: without the checkpoint it is greedy and plain. */
  get #generation(): GenerationConfig {
    const { side } = this.#parts
    return side?.generation ?? { ...PLAIN, maxTokens: this.usualTokens }
  }

  /** A length that nobody asked for is no more than workers take. */
  #allowed(options: ResolvedGenerateOptions): ResolvedGenerateOptions {
    return { ...options, maxTokens: Math.min(options.maxTokens, this.mostTokens ?? Infinity) }
  }

  /** As our own engine: a prompt that is too long is refused, an answer that would be is cut. */
  #limited(
    { text, image }: { readonly text: number; readonly image: number },
    options: ResolvedGenerateOptions,
  ): ResolvedGenerateOptions {
    const tokens = text + image
    const { maxContext } = this
    const room = (maxContext ?? Infinity) - tokens
    if (room >= 1) return { ...options, maxTokens: Math.min(options.maxTokens, room) }
    const [excess, beside] = room < 0 ? [-room, ''] : [1, ' leaves beside 1 of the answer']
    throw new InputError(
      'INPUT_CONTEXT',
      `prompt: it has ${tokens} tokens (${image} of them pictures and clips), ${excess} more than the context of ${maxContext}${beside}; shorten it, or send fewer pictures or frames.`,
    )
  }

  async #named(logprobs: readonly WireLogprob[], signal: AbortSignal): Promise<AnswerLogprob[]> {
    if (logprobs.length === 0) return []
    const ids = logprobs
      .flatMap(({ top, ...one }) => [one, ...top])
      .flatMap((one) => (one.bytes === undefined ? [one.id] : []))
    if (!this.#parts.side) await this.#book.learn(ids, signal)
    const token = (one: WireToken) => ({
      id: one.bytes === undefined ? one.id : this.#book.numberOf(one.bytes),
      logprob: one.logprob,
    })
    return logprobs.map((one) => ({ ...token(one), top: one.top.map(token) }))
  }

  /** A worker that renders prompts otherwise answers another question: it is told aloud. */
  #compare(
    { worker, told }: StreamedUsage,
    { text, image }: { readonly text: number; readonly image: number },
  ): void {
    if (!worker || !told || told.promptTokens === text + image) return
    worker.counters.mismatches++
    this.#parts.log('warn', {
      event: 'prompt-mismatch',
      worker: worker.api.url,
      expected: text + image,
      came: told.promptTokens,
    })
  }

  async #tokens(signal: AbortSignal, body: AskBody): Promise<readonly number[]> {
    const answer = await this.#ask('/tokenize', { signal, body })
    const tokens: unknown = isRecord(answer) ? answer['tokens'] : null
    if (Array.isArray(tokens) && tokens.every(Number.isSafeInteger)) return tokens as number[]
    throw new WorkerFailure('failed', '/tokenize should give tokens')
  }

  async #ask(path: string, { signal, body }: Asking): Promise<unknown> {
    const { pool, nameOn } = this.#parts
    const serves = (worker: Worker) => nameOn(worker) !== null
    const over = new AbortController()
    const late = new CapacityError(
      'CAPACITY_UPSTREAM',
      `server: no worker answered ${path} in time; try again later.`,
    )
    const timer = setTimeout(() => over.abort(late), ASK_MS)
    try {
      return await pool.ask(
        { model: this.id, serves, signal: anySignal(signal, over.signal) },
        async (worker, ended) =>
          worker.api.post(path, await body(worker, nameOn(worker) ?? this.id), ended),
      )
    } catch (error) {
      throw error instanceof HttpError && error.status === 404 ? noRoute(path) : error
    } finally {
      clearTimeout(timer)
    }
  }
}

const PLAIN = parseGenerationConfig(undefined)

/** For what runs no model. */
const ASK_MS = 30_000

type Streaming = {
  readonly asked: Omit<ToSend, 'kind' | 'model'>
  readonly streamed: StreamedUsage
  readonly signal: AbortSignal
}

type AskBody = (worker: Worker, model: string) => Promise<object>
type Asking = { readonly signal: AbortSignal; readonly body: AskBody }

function noRoute(path: string): HttpError {
  return new HttpError(
    404,
    'INPUT_UPSTREAM',
    `model: a worker that serves it should have the route ${path}, none has; start this server with --model, where tokens are counted and named without them.`,
  )
}

function uncounted(): InputError {
  return new InputError(
    'INPUT_UPSTREAM',
    'tokenize: raw prompts with pictures are counted where the checkpoint is known; start the server with --model.',
  )
}

/** The prompt of a request alone. */
function promptOf(request: ServedRequest): PromptInput {
  const fields = request as Readonly<Record<string, unknown>>
  const names = [
    'messages',
    'tools',
    'toolChoice',
    'parallelToolCalls',
    'prompt',
    'inputIds',
    'images',
    'videos',
  ]
  return Object.fromEntries(
    names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  ) as PromptInput
}

/**
 * The stream of one answer. vLLM and SGLang refuse a limit that is more than the context leaves, where ours cuts it: asked
 * without one they stop at the context, which is then the nearer of the two.
 */
async function* answerPieces(
  worker: Worker,
  { path, body }: WireRequest,
  signal: AbortSignal,
): AsyncGenerator<WirePiece, void, undefined> {
  const read = async function* (sent: object) {
    const reader = new WireReader(path)
    for await (const event of worker.api.events(path, sent, signal)) yield reader.read(event)
  }
  try {
    yield* read(body)
  } catch (error) {
    const { max_tokens: limit, ...unlimited } = body
    const isForeign = worker.kind === 'vllm' || worker.kind === 'sglang'
    if (!isForeign || limit === undefined || !isAboutLength(error)) throw error
    yield* read(unlimited)
  }
}

function isAboutLength(error: unknown): boolean {
  return (
    error instanceof HttpError &&
    error.status === 400 &&
    /max_tokens|max_completion_tokens|max_new_tokens|context length/i.test(error.message)
  )
}

function countedHere(
  { text, image }: { readonly text: number; readonly image: number },
  { tokenizer }: PromptSide,
): CountedHere {
  return {
    promptTokens: text + image,
    imageTokens: image,
    tokensOf: (answer) => tokenizer.encode(answer, { addBos: false }).length,
  }
}

function note({ counters }: Worker, usage: Usage): void {
  counters.promptTokens += usage.promptTokens
  counters.cachedTokens += usage.cachedTokens
  counters.completionTokens += usage.completionTokens
}
