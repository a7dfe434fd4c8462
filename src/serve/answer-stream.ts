/**
 * Chosen tokens to text, with the rules of where an answer ends.
 *
 * tokens → detokenizer (never half a character) → stop strings → text. An end token ends with 'stop' and is not part of
 * the answer; so does a stop string, of which no character is given out; the last token that is allowed ends with 'length'.
 * A stop string counts at the token that completes it, inside a run of bytes that the detokenizer holds too, as
 * `StopStringCriteria` of transformers reads each token by itself.
 */
import type { DetokenizerStream } from '../text/detokenizer-stream.ts'
import type { AnswerLogprob, FinishReason } from './answer.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { ChosenToken } from './sampler.ts'
import { createStopMatcher, type StopMatcher } from './stop-strings.ts'

/** A tokenizer's `stream`: the text that is certain after each id, and at the end what was still open. */
export type TextDecoder = Pick<DetokenizerStream, 'push' | 'end' | 'open' | 'endBefore'>

export type AnswerStreamOptions = Pick<
  ResolvedGenerateOptions,
  'maxTokens' | 'stop' | 'ignoreEos' | 'eosTokenIds' | 'logprobs'
>

/** Tokens that were chosen by other rules, up to the one that completes a stop string. */
export function readTokens(
  tokens: readonly number[],
  decoder: TextDecoder,
  stop: readonly string[],
): AnswerStream {
  const rules = { maxTokens: Infinity, ignoreEos: true, eosTokenIds: [], logprobs: false, stop }
  const stream = new AnswerStream(decoder, rules)
  for (const id of tokens) {
    if (stream.finishReason === undefined) stream.push({ id, logprob: 0, top: [] })
  }
  return stream
}

export class AnswerStream {
  readonly tokens: number[] = []
  readonly logprobs: AnswerLogprob[] = []
  readonly #options: AnswerStreamOptions
  readonly #decoder: TextDecoder
  readonly #stops: StopMatcher
  #text = ''
  #finishReason: FinishReason | undefined
  #stopString: string | undefined

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

  /** The stop string that ended it, if one did. */
  get stopString(): string | undefined {
    return this.#stopString
  }

  /** Takes the next token and returns the text that it makes certain, often none. */
  push(chosen: ChosenToken): string {
    const { eosTokenIds, ignoreEos, logprobs, maxTokens } = this.#options
    if (!ignoreEos && eosTokenIds.includes(chosen.id)) return this.#finish('stop')
    this.tokens.push(chosen.id)
    if (logprobs) this.logprobs.push({ id: chosen.id, logprob: chosen.logprob, top: chosen.top })
    const text = this.#give(this.#decoder.push(chosen.id)) + this.#look()
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

  /** Ends the answer where the run of bytes that is held holds a stop string. */
  #look(): string {
    if (this.#finishReason !== undefined || this.#decoder.open === '') return ''
    const { text, stop } = this.#stops.look(this.#decoder.open)
    if (stop === undefined) return ''
    this.#stopAt(stop)
    const rest = text + this.#decoder.endBefore(new TextEncoder().encode(stop).length)
    this.#text += rest
    return rest
  }

  #give(piece: string): string {
    const { text, stop } = this.#stops.push(piece)
    if (stop !== undefined) this.#stopAt(stop)
    this.#text += text
    return text
  }

  #stopAt(stop: string): void {
    this.#finishReason = 'stop'
    this.#stopString = stop
  }
}
