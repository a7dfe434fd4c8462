/**
 * Chosen tokens to text, with the rules of where an answer ends.
 *
 * tokens → detokenizer (never half a character) → stop strings → text. An end token ends with 'stop' and is not part of
 * the answer; so does a stop string, of which no character is given out; the last token that is allowed ends with 'length'.
 */
import type { AnswerLogprob, FinishReason } from './answer.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { ChosenToken } from './sampler.ts'
import { createStopMatcher, type StopMatcher } from './stop-strings.ts'

/** A tokenizer's `stream`: the text that is certain after each id, and at the end what was still open. */
export type TextDecoder = { push(id: number): string; end(): string }

export type AnswerStreamOptions = Pick<
  ResolvedGenerateOptions,
  'maxTokens' | 'stop' | 'ignoreEos' | 'eosTokenIds' | 'logprobs'
>

export class AnswerStream {
  readonly tokens: number[] = []
  readonly logprobs: AnswerLogprob[] = []
  readonly #options: AnswerStreamOptions
  readonly #decoder: TextDecoder
  readonly #stops: StopMatcher
  #text = ''
  #finishReason: FinishReason | undefined

  constructor(decoder: TextDecoder, options: AnswerStreamOptions) {
    this.#decoder = decoder
    this.#options = options
    this.#stops = createStopMatcher(options.stop)
  }

  /** All text given out so far. */
  get text(): string {
    return this.#text
  }

  /** Why the answer is over; undefined while it is not. */
  get finishReason(): FinishReason | undefined {
    return this.#finishReason
  }

  /** Takes the next token and returns the text that it makes certain, often none. */
  push(chosen: ChosenToken): string {
    const { eosTokenIds, ignoreEos, logprobs, maxTokens } = this.#options
    if (!ignoreEos && eosTokenIds.includes(chosen.id)) return this.#finish('stop')
    this.tokens.push(chosen.id)
    if (logprobs) this.logprobs.push({ id: chosen.id, logprob: chosen.logprob, top: chosen.top })
    const text = this.#give(this.#decoder.push(chosen.id))
    if (this.#finishReason !== undefined || this.tokens.length < maxTokens) return text
    return text + this.#finish('length')
  }

  /** Ends the answer from outside, if it is not over, and returns the text that was held back. */
  abort(): string {
    return this.#finishReason === undefined ? this.#finish('abort') : ''
  }

  /** Flushes both ends; what comes out last may still complete a stop string. */
  #finish(reason: FinishReason): string {
    const last = this.#give(this.#decoder.end())
    if (this.#finishReason !== undefined) return last
    this.#finishReason = reason
    const held = this.#stops.end()
    this.#text += held
    return last + held
  }

  #give(piece: string): string {
    const { text, stop } = this.#stops.push(piece)
    if (stop !== undefined) this.#finishReason = 'stop'
    this.#text += text
    return text
  }
}
