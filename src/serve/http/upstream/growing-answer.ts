/** An answer while its pieces come from a worker: its text, its tokens, its clock. */
import type { Answer, AnswerLogprob, StreamEvent, TextEvent, Usage } from '../../answer.ts'
import type { WrittenCall } from '../../tools/call-parser.ts'
import type { WireCall, WireEnd } from './wire-answer.ts'

/** A piece with its tokens named, the end token not among them. */
export type NamedPiece = {
  readonly text: string
  readonly logprobs: readonly AnswerLogprob[]
  readonly ids: readonly number[]
  readonly calls: readonly WireCall[]
  readonly end: WireEnd | null
  /** When it came, on `performance.now`'s clock. */
  readonly at: number
}

export class GrowingAnswer {
  readonly #start: number
  #text = ''
  #ids: number[] = []
  #logprobs: AnswerLogprob[] = []
  /** Log-probabilities that came since the last text. */
  #held: AnswerLogprob[] = []
  #calls: WrittenCall[] = []
  /** Of which so many were told. */
  #told = 0
  #end: WireEnd | null = null
  #firstAt = 0

  /** `start`: when the request came, on `performance.now`'s clock. */
  constructor(start: number) {
    this.#start = start
  }

  /** The event that a piece makes, if there is text in it or a call has become whole. */
  add({ text, logprobs, ids, calls, end, at }: NamedPiece): TextEvent | null {
    this.#firstAt ||= at
    this.#text += text
    this.#ids.push(...ids)
    this.#logprobs.push(...logprobs)
    this.#held.push(...logprobs)
    this.#end = end ?? this.#end
    const whole = this.#wholeCalls(calls)
    if (text === '' && whole.length === 0) return null
    const held = this.#held.splice(0)
    return {
      type: 'text',
      text,
      ...(held.length > 0 && { logprobs: held }),
      ...(whole.length > 0 && { toolCalls: whole }),
    }
  }

  /** Calls that are whole now: the next one has begun, or the answer ended. */
  #wholeCalls(pieces: readonly WireCall[]): readonly WrittenCall[] {
    for (const piece of pieces) {
      const { name, arguments: text } = this.#calls[piece.index] ?? { name: '', arguments: '' }
      this.#calls[piece.index] = { name: name + piece.name, arguments: text + piece.arguments }
    }
    const whole = this.#end ? this.#calls.length : Math.max(0, this.#calls.length - 1)
    const told = this.#calls.slice(this.#told, whole)
    this.#told = Math.max(this.#told, whole)
    return told
  }

  /** All that there is: the whole, or what came before the caller aborted it. */
  done(usage: Usage, { logprobs: hasLogprobs }: { readonly logprobs: boolean }): StreamEvent {
    const end = this.#end
    return {
      type: 'done',
      text: this.#text,
      tokens: this.#tokens(usage.completionTokens),
      ...(hasLogprobs && { logprobs: this.#logprobs }),
      finishReason: end?.reason ?? 'abort',
      ...(end && end.stop !== null && { stopString: end.stop }),
      ...(this.#calls.length > 0 && { toolCalls: this.#calls }),
      usage,
      timings: this.#timings(performance.now()),
    }
  }

  /** Ids where the worker said them, by themselves or with their log-probabilities. */
  #tokens(count: number): number[] {
    if (this.#ids.length > 0) return this.#ids.slice(0, count)
    const ids = this.#logprobs.map(({ id }) => id)
    return ids.every((id) => id >= 0) ? ids : []
  }

  /** What happened where is not known here: until the first word it is all prefill. */
  #timings(endedAt: number): Answer['timings'] {
    const firstTokenMs = (this.#firstAt || endedAt) - this.#start
    const totalMs = endedAt - this.#start
    return {
      preprocessMs: 0,
      visionMs: 0,
      prefillMs: firstTokenMs,
      decodeMs: totalMs - firstTokenMs,
      firstTokenMs,
      totalMs,
    }
  }
}
