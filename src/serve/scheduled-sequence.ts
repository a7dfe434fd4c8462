/** A sequence from when it is handed in until it ended, was stopped, or failed. */
import type { EmbeddingTable } from './embedding-table.ts'
import { JumpPlan, type Ahead } from './jump-plan.ts'
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
  /** Tokens that are likely to be chosen after the newest one, because its form leaves no other text: the same, asked whenever. */
  readonly ahead?: Ahead | undefined
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
  readonly #plan: JumpPlan
  #resolve = (): void => {}
  #reject: (error: unknown) => void = () => {}
  /** Tokens that were chosen before its row was lost, and are still to be added again. */
  #lost: number[] = []
  /** The token that was chosen last and is in no cache yet. */
  #token: number | null = null
  /** Tokens of the answer in its row, and the newest. */
  #count = 0
  /** Whether it was let in: it leaves its row when the loop comes to it, and waits for nothing else. */
  isIn = false
  /** Whether it sat a step out, or had to give a jump up, because of its form since it last chose. */
  isLate = false
  #isRead = false
  #end: SequenceEnd | null = null

  /** `jumps`: whether it may read several tokens at once. */
  constructor(request: SequenceRequest, { jumps }: { readonly jumps: boolean }) {
    this.request = request
    this.#plan = new JumpPlan(jumps ? request.ahead : undefined, request.maxTokens)
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

  /** What it reads at once behind the newest token: none where it makes a step, undefined while its form has not said. */
  get jump(): readonly number[] | undefined {
    return this.#plan.after(this.#count)
  }

  /** Resolves when `jump` is decided; null where it is. */
  decided(): Promise<void> | null {
    return this.#isOver ? null : this.#plan.decided(this.#count)
  }

  /** Resolves when it can choose; null where it can. Of a jump that was given up, the last token must be there to be chosen. */
  ready(): Promise<void> | null {
    if ((this.lost > 0 && !this.isLate) || this.#isOver) return null
    return this.request.ready?.() ?? null
  }

  /** Resolves when it can go on; null where it can. A jump begins before it can choose, unless it was late: it would be again. */
  wait(): Promise<void> | null {
    const { jump } = this
    if (jump === undefined) return this.decided()
    return jump.length > 0 && !this.isLate ? null : this.ready()
  }

  get #isOver(): boolean {
    return this.signal.aborted || this.end !== null
  }

  /** Takes the token after the last position from those that were chosen before; false where there is none. */
  chooseAgain(): boolean {
    const token = this.#lost.shift()
    if (token === undefined) return false
    this.#token = token
    this.#count++
    return true
  }

  /** Chooses the token after the last position, unless it is to stop. A fault of whoever chooses is this sequence's alone. */
  choose(logits: Float32Array): void {
    if (this.signal.aborted) return
    this.isLate = false
    try {
      this.#token = this.request.next(logits)
      this.#count++
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
    this.isLate = false
    this.#count = 0
    this.#lost.unshift(...keys.slice(this.prompt.keys.length), this.#token as number)
  }

  /** Its form is late in the middle of a jump from `token`: the tokens `chosen` of it come again when all of it is read again. */
  hold(token: number, chosen: readonly number[]): void {
    this.isLate = true
    this.#lost.unshift(...chosen)
    this.#count -= chosen.length
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
