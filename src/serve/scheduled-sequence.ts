/** A sequence from when it is handed in until it ended, was stopped, or failed. */
import type { EmbeddingTable } from './embedding-table.ts'
import type { LookupOptions } from './prompt-lookup.ts'
import type { EmbeddedPrompt } from './sequence-group.ts'

export type SequenceRequest = {
  readonly prompt: EmbeddedPrompt
  /** Positions that the answer may take. */
  readonly maxTokens: number
  /** Called with the logits [V] after the last position; gives the next token, or null to end. May overwrite them. */
  next(logits: Float32Array): number | null
  /** Resolves when `next` can choose; null where it can. For the first token it can. */
  ready?(): Promise<void> | null
  /** Tokens that are likely to be chosen after the newest one, because its form leaves no other text. */
  ahead?(): Promise<readonly number[]>
  readonly signal?: AbortSignal | undefined
  /** Sequences with equal salts share beginnings. */
  readonly salt?: string | undefined
  /** Of those that wait, the highest goes first. */
  readonly priority?: number | undefined
  /** Guess tokens by what came before and check them together; such a sequence has a cache of its own. */
  readonly lookup?: LookupOptions | null | undefined
  /** Whether somebody reads along: then no step waits for other prompts. Default true. */
  readonly isHeard?: boolean
  /** Called when the prompt is in the cache, with the number of positions that were there before. */
  onPrefilled?(cachedLength: number): void
}

export type SequenceEnd = 'finished' | 'aborted' | 'failed'

export class ScheduledSequence {
  readonly request: SequenceRequest
  readonly salt: string
  readonly priority: number
  /** Rejects if the sequence failed; one that was stopped is done. */
  readonly done: Promise<void>
  readonly #stop = new AbortController()
  #resolve = (): void => {}
  #reject: (error: unknown) => void = () => {}
  /** Tokens that were chosen before its row was lost, and are still to be added again. */
  #lost: number[] = []
  /** The token that was chosen last and is in no cache yet. */
  #token: number | null = null
  /** What was read at once, by the positions before it. */
  readonly jumps = new Map<number, readonly number[]>()
  /** Whether it was let in: it leaves its row when the loop comes to it, and waits for nothing else. */
  isIn = false
  /** Whether it sat a step out since it last chose. */
  isLate = false
  /** Whether that was in the middle of a jump, which is to be read again: steps choose nothing meanwhile. */
  isHeld = false
  #isRead = false
  #end: SequenceEnd | null = null

  constructor(request: SequenceRequest) {
    this.request = request
    this.salt = request.salt ?? ''
    this.priority = request.priority ?? 0
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get prompt(): EmbeddedPrompt {
    return this.request.prompt
  }

  /** Tokens that a row of it is sure to get beside what it has. */
  get lost(): number {
    return this.#lost.length
  }

  get token(): number | null {
    return this.#token
  }

  /** Aborted when somebody wants the sequence to stop. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get end(): SequenceEnd | null {
    return this.#end
  }

  /** Positions that it takes if its answer has `tokens`, or what it may have if that is less. */
  lengthWith(tokens: number): number {
    const { prompt, maxTokens } = this.request
    return prompt.keys.length + Math.min(tokens, maxTokens)
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Says that the prompt is read; the first time counts, later it was only read again. */
  markRead(cachedLength: number): void {
    if (this.#isRead) return
    this.#isRead = true
    this.request.onPrefilled?.(cachedLength)
  }

  /** Resolves when it can choose; null where it can. */
  ready(): Promise<void> | null {
    if ((this.lost > 0 && !this.isHeld) || this.signal.aborted || this.end) return null
    return this.request.ready?.() ?? null
  }

  /** Takes the token after the last position from those that were chosen before; false where there is none. */
  chooseAgain(): boolean {
    const token = this.#lost.shift()
    if (token === undefined) return false
    this.#token = token
    return true
  }

  /** Chooses the token after the last position, unless it is to stop. A fault of whoever chooses is this sequence's alone. */
  choose(logits: Float32Array): void {
    if (this.signal.aborted) return
    this.isLate = false
    try {
      this.#token = this.request.next(logits)
      if (this.#token === null) this.finish('finished')
    } catch (error) {
      this.finish('failed', error)
    }
  }

  /**
   * Its row, which had `keys`, is lost. What the answer has comes back as it came, one by one or by the same jumps: read in
   * other runs, those positions would not have the very same numbers.
   */
  rewind(keys: readonly number[]): void {
    this.isHeld = false
    this.#lost.unshift(...keys.slice(this.prompt.keys.length), this.#token as number)
  }

  /** Its form is late in the middle of a jump from `token`: the tokens `chosen` of it come again when all of it is read again. */
  hold(token: number, chosen: readonly number[]): void {
    this.isLate = true
    this.isHeld = true
    this.#lost.unshift(...chosen)
    this.#token = token
  }

  finish(end: SequenceEnd, error?: unknown): void {
    if (this.#end) return
    this.#end = end
    if (end === 'failed') this.#reject(error)
    else this.#resolve()
  }
}

/** The prompt with tokens behind it. */
export function extendPrompt(
  prompt: EmbeddedPrompt,
  ids: readonly number[],
  table: EmbeddingTable,
): EmbeddedPrompt {
  return {
    keys: [...prompt.keys, ...ids],
    async embeddings(from) {
      const start = Math.min(from, prompt.keys.length)
      const head = await prompt.embeddings(start)
      const tail = new Float32Array(ids.length * table.width)
      table.copyRows(ids, tail)
      const whole = new Float32Array(head.length + tail.length)
      whole.set(head)
      whole.set(tail, head.length)
      return whole.subarray((from - start) * table.width)
    },
  }
}
