/** What a request is answered with. Field by field the contract of `model.generate` and `model.stream`. */
import type { TokenLogprob } from './logprobs.ts'
import type { WrittenCall } from './tools/call-parser.ts'

export type FinishReason = 'stop' | 'length' | 'abort'

export type Answer = {
  readonly text: string
  /** Generated ids without the end token. A stop string's tokens are among them, its characters are not in `text`. */
  readonly tokens: number[]
  /** One entry for each of `tokens`; log-probabilities are the model's own, before penalties and filters. */
  readonly logprobs?: readonly AnswerLogprob[]
  readonly finishReason: FinishReason
  /** The stop string that ended it; a server behind this one may not say. */
  readonly stopString?: string
  /** What the model calls, where it might; `text` is what it says beside. */
  readonly toolCalls?: readonly WrittenCall[]
  /** All answers to one request, best first: with `n` or `numBeams` over 1. */
  readonly sequences?: readonly Sequence[]
  readonly usage: Usage
  readonly timings: Timings
}

export type AnswerLogprob = TokenLogprob & { readonly top: readonly TokenLogprob[] }

export type Sequence = {
  /** Of `n` answers: which pieces of a stream are its own. */
  readonly index?: number
  readonly text: string
  readonly tokens: number[]
  /** Sum of log-probabilities divided by (number of new tokens, end token included)^lengthPenalty, as transformers. */
  readonly score: number
}

export type Usage = {
  /** Image and video tokens included. */
  readonly promptTokens: number
  readonly imageTokens: number
  readonly cachedTokens: number
  /** Of all `n` answers; of a beam search, those of the best one. */
  readonly completionTokens: number
}

export type Timings = {
  readonly preprocessMs: number
  readonly visionMs: number
  readonly prefillMs: number
  readonly decodeMs: number
  readonly firstTokenMs: number
  readonly totalMs: number
}

export type StreamEvent = TextEvent | ({ readonly type: 'done' } & Answer)

export type TextEvent = {
  readonly type: 'text'
  readonly text: string
  /** Where a request asks for `n` answers: of which this is a piece. They come side by side; `sequences` has the same numbers. */
  readonly index?: number
  /** Of the tokens since the last text; some of the last ones may be in `done` only. */
  readonly logprobs?: readonly AnswerLogprob[]
  /** Calls that became whole, behind the text, which may be empty. */
  readonly toolCalls?: readonly WrittenCall[]
}
