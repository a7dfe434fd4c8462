/**
 * From a request to an answer: prepare, encode the pictures, prefill, decode, text.
 *
 * The stages are those of the path; this file says in which order they run and what each took.
 */
import { anySignal } from '../core/any-signal.ts'
import { InputError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import { requireToolFormat } from '../families/tool-format.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import type { Answer, AnswerLogprob } from './answer.ts'
import { AnswerRun, unheard, type AnswerRunParts } from './answer-run.ts'
import { searchBeams } from './beam-answer.ts'
import { grammarOf, type Grammar } from './constrained/response-format.ts'
import type { ConstraintMaker, TokenConstraint } from './constrained/token-constraint.ts'
import { embedPrompt, PictureKeys, type EncodedMedia } from './embedded-prompt.ts'
import { MediaEncoder } from './encode-media.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { Engine } from './engine.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { GenerationConfig } from './generation-config.ts'
import type { PreparedPrompt, PromptPreparer } from './prepare-prompt.ts'
import { parseGenerateRequest, type ParsedRequest, type Prompt } from './request.ts'
import { countPixels, type RequestGate } from './request-gate.ts'
import { scoreChoices, type ChoiceFields, type ChoiceScores } from './score-choices.ts'
import { extendPrompt } from './scheduled-sequence.ts'
import type { EmbeddedPrompt } from './sequence-group.ts'
import type { ServingStats } from './serving-stats.ts'
import { callGrammar } from './tools/call-grammar.ts'
import type { WrittenCall } from './tools/call-parser.ts'
import { CallHearer } from './tools/hear-calls.ts'
import type { VisionOptions, VisionRunner } from './vision-runner.ts'

export type GeneratorParts = {
  readonly config: ModelConfig
  readonly generation: GenerationConfig
  readonly tokenizer: Tokenizer
  readonly preparer: PromptPreparer
  readonly vision: VisionRunner | null
  readonly engine: Engine
  readonly gate: RequestGate
  readonly table: EmbeddingTable
  readonly constraints: ConstraintMaker
  /** The row that ends rows of tiles, where the family has one. */
  readonly newline: Float32Array | null
}

export type AnswerParts = GeneratorParts & {
  /** Ids that no answer may have: those of no token, and those that mark places. */
  readonly unusableIds: readonly number[]
}

/** A prompt through preparation and vision, and how long those took. */
export type EncodedPrompt = {
  /** Without what it was decoded to: an answer takes longer than its pictures are needed. */
  readonly prepared: Omit<PreparedPrompt, 'media'>
  readonly embedded: EmbeddedPrompt
  /** Rows of the pictures and clips in the order of their places. */
  readonly media: readonly EncodedMedia[]
  readonly preprocessMs: number
  readonly visionMs: number
}

export type EncodeOptions = VisionOptions & {
  /** Tokens that are to fit behind the prompt, or how many those are behind what was prepared. */
  readonly answer?: number | ((prepared: EncodedPrompt['prepared']) => number)
}

/**
 * Hears a piece of text, the log-probabilities of the tokens since the last one where they are wanted, and calls of tools;
 * where a request has several answers, also of which of them.
 */
export type OnText = (
  text: string,
  logprobs: readonly AnswerLogprob[],
  calls?: readonly WrittenCall[],
  index?: number,
) => void

export class Generator {
  readonly #parts: AnswerParts
  readonly #pictures = new PictureKeys()
  readonly #media: MediaEncoder | null
  #preparing = 0
  #encoded = 0

  constructor(parts: GeneratorParts) {
    this.#parts = { ...parts, unusableIds: unusableIds(parts) }
    const { vision, table, newline } = parts
    this.#media = vision && new MediaEncoder(vision, { width: table.width, newline })
  }

  get stats(): ServingStats {
    const { engine, gate, vision, preparer } = this.#parts
    const { counters, ...state } = engine.scheduler.stats
    const { bytes = 0, budgetBytes = 0, pictures = 0, cachedPictures = 0 } = vision?.stats ?? {}
    return {
      ...state,
      preparing: this.#preparing,
      pictureBytes: bytes,
      pictureBudgetBytes: budgetBytes,
      counters: {
        ...counters,
        refused: gate.refused,
        pictures,
        cachedPictures,
        decodedPictures: preparer.decoded,
      },
    }
  }

  /** One answer; `onText` hears its pieces as they become certain. */
  async generate(request: unknown, onText: OnText = unheard): Promise<Answer> {
    return this.#answer(parseGenerateRequest(request, this.#parts.generation), onText)
  }

  /**
   * As many answers as requests; each equals the one it would get alone, and one that is aborted leaves the others as they
   * are. Where one fails the others are given up.
   */
  async generateBatch(requests: readonly unknown[]): Promise<Answer[]> {
    if (!Array.isArray(requests)) {
      throw new InputError('INPUT_PROMPT', 'generateBatch: expected a list of requests.')
    }
    const parsed = requests.map((one) => parseGenerateRequest(one, this.#parts.generation))
    const failed = new AbortController()
    const answers = parsed.map(({ prompt, options }) => {
      const signal = anySignal(options.signal, failed.signal)
      return this.#answer({ prompt, options: { ...options, signal } })
    })
    try {
      return await Promise.all(answers)
    } catch (error) {
      failed.abort()
      await Promise.allSettled(answers)
      throw error
    }
  }

  /**
   * Prepares a prompt and encodes its pictures. Throws InputError if it is longer than the context with `answer` tokens
   * behind it.
   */
  async encode(
    prompt: Prompt,
    { signal, answer = 0, salt = '' }: EncodeOptions = {},
  ): Promise<EncodedPrompt> {
    const { preparer, table } = this.#parts
    const start = performance.now()
    const { media, ...prepared } = await preparer.prepare(prompt, { signal, salt })
    this.#checkLength(prepared, typeof answer === 'number' ? answer : answer(prepared))
    const preparedAt = performance.now()
    const clock = { decodeMs: 0 }
    const encoded: EncodedMedia[] = []
    const options = { signal, salt, rank: this.#encoded++, clock }
    for (const one of media) encoded.push(await this.#encoder().encode(one, options))
    const embedded = embedPrompt(prepared, encoded, { table, keys: this.#pictures })
    const visionMs = performance.now() - preparedAt - clock.decodeMs
    const preprocessMs = preparedAt - start + clock.decodeMs
    return { prepared, embedded, media: encoded, preprocessMs, visionMs }
  }

  /** The prompt with tokens behind it. */
  extend(prompt: EmbeddedPrompt, ids: readonly number[]): EmbeddedPrompt {
    return extendPrompt(prompt, ids, this.#parts.table)
  }

  /** What the model thinks of several continuations of a conversation: `score-choices.ts`. */
  async scoreChoices(prompt: Prompt, fields: ChoiceFields): Promise<ChoiceScores> {
    return scoreChoices(prompt, fields, {
      ...this.#parts,
      encode: (one, options) => this.encode(one, options),
    })
  }

  /** The scheduler puts it together with the answers to all other requests. */
  async #answer(request: ParsedRequest, onText: OnText = unheard): Promise<Answer> {
    const toolUse = request.prompt.kind === 'messages' ? request.prompt.toolUse : null
    if (!toolUse) return this.#write(request, grammarOf(request.options.responseFormat), onText)
    const format = requireToolFormat(this.#parts.config.prompt)
    const { required, isParallel } = toolUse
    const grammar = required
      ? callGrammar(required, { format, isParallel })
      : grammarOf(request.options.responseFormat)
    const hearer = new CallHearer(toolUse, format, onText)
    // Marks of calls are control tokens to some tokenizers.
    const options = { ...request.options, skipSpecialTokens: false }
    return hearer.end(await this.#write({ ...request, options }, grammar, hearer.hear))
  }

  async #write(
    { prompt, options }: ParsedRequest,
    grammar: Grammar | null,
    onText: OnText,
  ): Promise<Answer> {
    const start = performance.now()
    const { gate, engine } = this.#parts
    const constraints: TokenConstraint[] = []
    const answer = await unlessAborted(options, null, async () => {
      // Whoever waits for a constraint holds no room for pixels, and is one of those that wait.
      const constrain = () => this.#constrain(grammar, options, constraints)
      const leave = await gate.enter(countPixels(prompt), options, constrain)
      try {
        const encoded = await this.#prepared(prompt, options)
        const limited = this.#limit(encoded, options)
        if (options.numBeams > 1) return await searchBeams(this.#parts, encoded, limited, start)
        const own = { onText, start, onPrefilled: leave }
        const runs = this.#runs(encoded, limited, own, constraints)
        await engine.generate(runs.map((run) => run.request))
        return AnswerRun.answer(runs)
      } finally {
        leave()
      }
    }).finally(() => constraints.forEach((constraint) => constraint.dispose()))
    return answer ?? abortedAnswer(start)
  }

  /** Adds to `constraints` one for each answer, where the request wants a form. */
  async #constrain(
    grammar: Grammar | null,
    { n, priority, signal }: ResolvedGenerateOptions,
    constraints: TokenConstraint[],
  ): Promise<void> {
    if (!grammar) return
    for (let i = 0; i < n; i++) {
      constraints.push(await this.#parts.constraints.create(grammar, { priority, signal }))
    }
  }

  async #prepared(prompt: Prompt, options: ResolvedGenerateOptions): Promise<EncodedPrompt> {
    this.#preparing++
    try {
      return await this.encode(prompt, { signal: options.signal, salt: options.cacheSalt })
    } finally {
      this.#preparing--
    }
  }

  #encoder(): MediaEncoder {
    if (!this.#media) throw new Error('internal: a picture came to a model without eyes')
    return this.#media
  }

  #runs(
    encoded: EncodedPrompt,
    options: ResolvedGenerateOptions,
    { onText, ...parts }: Pick<AnswerRunParts, 'onText' | 'start' | 'onPrefilled'>,
    constraints: readonly TokenConstraint[],
  ): AnswerRun[] {
    return Array.from({ length: options.n }, (_, index) => {
      const hear: OnText = (text, logprobs) => onText(text, logprobs, [], index)
      const isOne = options.n === 1 || onText === unheard
      const constraint = constraints[index] ?? null
      const own = { encoded, options, index, constraint, onText: isOne ? onText : hear }
      return new AnswerRun({ ...this.#parts, ...parts, ...own })
    })
  }

  /** The options with `maxTokens` cut to the context. */
  #limit({ prepared }: EncodedPrompt, options: ResolvedGenerateOptions): ResolvedGenerateOptions {
    const { maxContext, truncate } = this.#parts.config
    // The original cuts prompts and then writes on behind them.
    if (truncate === 'asOriginal') return options
    this.#checkLength(prepared, 1)
    const room = maxContext - prepared.inputIds.length
    return { ...options, maxTokens: Math.min(options.maxTokens, room) }
  }

  /** Throws InputError if a prompt and `answer` tokens are more than the context. */
  #checkLength({ inputIds, imageSlots }: EncodedPrompt['prepared'], answer: number): void {
    const { maxContext } = this.#parts.config
    const excess = inputIds.length + answer - maxContext
    if (excess <= 0) return
    const room = answer === 0 ? '' : ` leaves beside ${answer} of the answer`
    throw new InputError(
      'INPUT_CONTEXT',
      `prompt: it has ${inputIds.length} tokens (${imageSlots.length} of them pictures and clips), ${excess} more than the context of ${maxContext}${room}; shorten it, send fewer pictures or frames, or raise maxContext.`,
    )
  }
}

/** A vocabulary is larger than an answer is long: it is looked through once. */
function unusableIds({ config, tokenizer }: GeneratorParts): number[] {
  const marks = [config.image?.placeholder, config.video?.placeholder]
  const unusable: number[] = []
  for (let id = 0; id < config.decoder.vocabSize; id++) {
    if (marks.includes(id) || tokenizer.tokenOf(id) === undefined) unusable.push(id)
  }
  return unusable
}

/** What `run` gives, or `aborted` if the caller stopped it. */
async function unlessAborted<T>(
  { signal }: { readonly signal: AbortSignal | undefined },
  aborted: T,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return aborted
    throw error
  }
}

/** Before decoding began there is no answer. */
function abortedAnswer(start: number): Answer {
  const totalMs = performance.now() - start
  const none = { preprocessMs: 0, visionMs: 0, prefillMs: 0, decodeMs: 0, firstTokenMs: 0 }
  return {
    text: '',
    tokens: [],
    finishReason: 'abort',
    usage: { promptTokens: 0, imageTokens: 0, cachedTokens: 0, completionTokens: 0 },
    timings: { ...none, totalMs },
  }
}
