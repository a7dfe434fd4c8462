/** What an answer costs, at any moment of its stream: a client that leaves before the end pays for what it had. */
import type { Usage } from '../../answer.ts'
import type { WirePiece, WireUsage } from './wire-answer.ts'
import type { Worker } from './worker.ts'

/** What is counted where the checkpoint is known. */
export type CountedHere = {
  readonly promptTokens: number
  readonly imageTokens: number
  readonly tokensOf: (answer: string) => number
}

export class StreamedUsage {
  readonly #here: CountedHere | null
  #worker: Worker | null = null
  #text = ''
  #pieces = 0
  /** Tokens that came with their ids or log-probabilities. */
  #named = 0
  #told: WireUsage | null = null
  #hasEndToken = false

  constructor(here: CountedHere | null) {
    this.#here = here
  }

  /** Who is asked now: what another one said before is no part of the answer. */
  begin(worker: Worker): void {
    this.#worker = worker
    this.#text = ''
    this.#pieces = 0
    this.#named = 0
    this.#told = null
    this.#hasEndToken = false
  }

  add({ text, logprobs, ids, calls, end, usage }: WirePiece): void {
    this.#text += text
    this.#named += Math.max(logprobs.length, ids.length)
    if (text !== '' || calls.length > 0) this.#pieces++
    this.#told = usage ?? this.#told
    this.#hasEndToken ||= this.#worker !== null && endsByToken(end, this.#worker)
  }

  /** Who was asked last. */
  get worker(): Worker | null {
    return this.#worker
  }

  /** What the worker told last; null: nothing. */
  get told(): WireUsage | null {
    return this.#told
  }

  /** As the worker tells it, else as it is counted here, else a token for each piece, and nothing for the prompt. */
  get usage(): Usage {
    const { promptTokens = 0, imageTokens = 0 } = this.#here ?? {}
    const told = this.#told
    const extra = this.#hasEndToken ? 1 : 0
    return {
      promptTokens: told?.promptTokens ?? promptTokens,
      imageTokens: this.#here ? imageTokens : (told?.imageTokens ?? 0),
      cachedTokens: told?.cachedTokens ?? 0,
      completionTokens: told ? Math.max(0, told.completionTokens - extra) : this.#counted(),
    }
  }

  #counted(): number {
    if (this.#here) return this.#here.tokensOf(this.#text)
    return Math.max(this.#named, this.#pieces)
  }
}

/** Whether an end token stands behind the answer, which others count among its tokens and we do not. */
export function endsByToken(end: WirePiece['end'], { kind }: Worker): boolean {
  return end?.reason === 'stop' && end.stop === null && (kind === 'vllm' || kind === 'sglang')
}
