/** One answer while it grows: its sampler, its text, its clock. */
import type { Answer, Sequence, Usage } from './answer.ts'
import { AnswerStream } from './answer-stream.ts'
import type { TokenConstraint } from './constrained/token-constraint.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { AnswerParts, EncodedPrompt, OnText } from './generator.ts'
import type { ProcessorContext } from './logit-processors.ts'
import type { SequenceRequest } from './scheduled-sequence.ts'
import { createSampler, type ChosenToken, type Sampler } from './sampler.ts'

export type AnswerRunParts = Pick<AnswerParts, 'config' | 'tokenizer' | 'unusableIds'> & {
  readonly encoded: EncodedPrompt
  readonly options: ResolvedGenerateOptions
  /** Which of the `n` answers to its request. */
  readonly index: number
  /** Keeps the answer to a form; disposed of by whoever made it. */
  readonly constraint?: TokenConstraint | null
  readonly onText: OnText
  /** Called when the prompt is read. */
  readonly onPrefilled?: (() => void) | undefined
  /** When the request came, on `performance.now`'s clock. */
  readonly start: number
}

/** Where nobody reads along. */
export const unheard: OnText = () => {}

export class AnswerRun {
  readonly request: SequenceRequest
  readonly #parts: AnswerRunParts
  readonly #stream: AnswerStream
  readonly #sampler: Sampler
  readonly #chosen: ChosenToken[] = []
  #cachedTokens = 0
  #prefilledAt = 0
  #firstTokenAt = 0
  /** Tokens whose log-probabilities went out with a text. */
  #heard = 0
  #endedAt = 0

  constructor(parts: AnswerRunParts) {
    this.#parts = parts
    const { encoded, options, tokenizer, constraint } = parts
    const decoder = tokenizer.stream({
      skipSpecial: options.skipSpecialTokens,
      continuation: this.#keepsSpace(),
      wholeRuns: true,
    })
    this.#stream = new AnswerStream(decoder, options)
    const context = processorContext(parts)
    this.#sampler = createSampler(options, context, parts.index, parts.constraint)
    this.request = {
      prompt: encoded.embedded,
      maxTokens: options.maxTokens,
      signal: options.signal,
      salt: options.cacheSalt,
      priority: options.priority,
      lookup: options.lookup,
      isHeard: parts.onText !== unheard,
      onPrefilled: (cachedLength) => {
        this.#cachedTokens = cachedLength
        this.#prefilledAt = performance.now()
        parts.onPrefilled?.()
      },
      next: (logits) => this.#next(logits),
      ...(constraint && { ready: () => constraint.ready() }),
      ...(constraint && options.jumpForward && { ahead: () => constraint.ahead() }),
    }
  }

  /** The answer to a request from all its runs, the best first where there are several. */
  static answer(runs: readonly AnswerRun[]): Answer {
    const ended = runs
      .map((run, index) => ({ index, ...run.#end() }))
      .sort((a, b) => b.score - a.score)
    const [best] = ended
    if (!best) throw new Error('internal: a request has no answer')
    if (runs.length === 1) return best.answer
    const sequences = ended.map(({ index, answer: { text, tokens }, score }): Sequence => ({
      index,
      text,
      tokens,
      score,
    }))
    return { ...best.answer, sequences, usage: sumUsage(ended.map(({ answer }) => answer.usage)) }
  }

  #next(logits: Float32Array): number | null {
    const chosen = this.#sampler(logits, this.#stream.tokens)
    this.#chosen.push(chosen)
    this.#firstTokenAt ||= performance.now()
    const text = this.#stream.push(chosen)
    if (text !== '') this.#hear(text)
    if (this.#stream.finishReason === undefined) return chosen.id
    this.#endedAt = performance.now()
    return null
  }

  #hear(text: string): void {
    const { logprobs } = this.#stream
    this.#parts.onText(text, logprobs.slice(this.#heard))
    this.#heard = logprobs.length
  }

  /** A form counts the first space, and so does a text that is continued. */
  #keepsSpace(): boolean {
    return this.#parts.encoded.prepared.continues || Boolean(this.#parts.constraint)
  }

  /**
   * The whole text. Decoded in one go, as the reference does it, unless a stop string cut it or its first space counts: the
   * two ways give the same.
   */
  #text(): string {
    const { options, tokenizer } = this.#parts
    if (options.stop.length > 0 || this.#keepsSpace()) return this.#stream.text
    return tokenizer.decode(this.#stream.tokens, { skipSpecial: options.skipSpecialTokens })
  }

  #end(): { readonly answer: Answer; readonly score: number } {
    const rest = this.#stream.abort()
    if (rest !== '') this.#hear(rest)
    const { encoded, options, start } = this.#parts
    const { prepared, preprocessMs, visionMs } = encoded
    const endedAt = this.#endedAt || performance.now()
    const prefilledAt = this.#prefilledAt || endedAt
    const { tokens, finishReason, logprobs, stopString } = this.#stream
    const sum = this.#chosen.reduce((total, { logprob }) => total + logprob, 0)
    const answer: Answer = {
      text: this.#text(),
      tokens,
      ...(options.logprobs && { logprobs }),
      finishReason: finishReason ?? 'abort',
      ...(stopString !== undefined && { stopString }),
      usage: {
        promptTokens: prepared.inputIds.length,
        imageTokens: prepared.imageSlots.length,
        cachedTokens: this.#cachedTokens,
        completionTokens: tokens.length,
      },
      timings: {
        preprocessMs,
        visionMs,
        prefillMs: Math.max(0, prefilledAt - start - preprocessMs - visionMs),
        decodeMs: endedAt - prefilledAt,
        firstTokenMs: (this.#firstTokenAt || endedAt) - start,
        totalMs: endedAt - start,
      },
    }
    const length = Math.max(1, this.#chosen.length)
    return { answer, score: sum / length ** options.lengthPenalty }
  }
}

/** Of several answers to one prompt, which is read once: the others find it cached. */
function sumUsage(usages: readonly Usage[]): Usage {
  const [first] = usages.toSorted((a, b) => a.cachedTokens - b.cachedTokens)
  const completionTokens = usages.reduce((sum, usage) => sum + usage.completionTokens, 0)
  return { ...(first as Usage), completionTokens }
}

/** What the logit processors need to know of the prompt and the vocabulary. */
export function processorContext({
  config,
  unusableIds,
  encoded,
}: Pick<AnswerRunParts, 'config' | 'unusableIds' | 'encoded'>): ProcessorContext {
  const { vocabSize } = config.decoder
  return { promptIds: encoded.prepared.inputIds, vocabSize, unusableIds }
}
