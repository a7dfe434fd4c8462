/** A matcher in its thread, as the sampler sees it. */
import { InputError } from '../../core/errors.ts'
import { isInTime } from '../../core/in-time.ts'
import {
  AHEAD,
  AHEAD_LENGTH,
  AHEAD_TURN,
  BITS,
  MASK_MS,
  STATE,
  STATES,
  TURN,
} from './grammar-messages.ts'
import type { TokenConstraint } from './token-constraint.ts'
import type { TokenTexts } from './token-texts.ts'
import { workClock } from './work-clock-node.ts'

export type MatcherThread = {
  readonly texts: TokenTexts
  accept(id: number): void
  close(): void
  /** Masks that it has made for all its matchers. */
  masks(): number
  /** Ends the thread, which makes no mask any more, for all that wait for it. */
  giveUp(): Promise<void>
}

/** So long what must come is waited for without the mask. */
const AHEAD_MS = 2

/** How often somebody who waits for a mask looks whether the thread is still at work. */
const LOOK_MS = 100
/** A thread that makes no mask at all for so long will make none. */
const STUCK_MS = 4 * MASK_MS

export class SharedConstraint implements TokenConstraint {
  readonly #words: Int32Array
  readonly #thread: MatcherThread
  /** Masks that must have been written before the next is read. */
  #turn = 1
  #waiting: Promise<void> | null = null
  #isClosed = false

  constructor(words: Int32Array, thread: MatcherThread) {
    this.#words = words
    this.#thread = thread
  }

  get isDone(): boolean {
    return this.#isWritten && this.#words[STATE] === STATES.over
  }

  ready(): Promise<void> | null {
    if (this.#isWritten) return null
    this.#waiting ??= this.#written().finally(() => (this.#waiting = null))
    return this.#waiting
  }

  mask(logits: Float32Array): void {
    if (!this.#isWritten) throw new Error('internal: a mask was wanted before it was there')
    const state = this.#words[STATE]
    if (state === STATES.slow) throw slow()
    if (state !== STATES.open) throw new Error(`internal: a mask was wanted in state ${state}`)
    if (applyMask(this.#words, logits)) return
    throw new InputError(
      'INPUT_FORMAT',
      'responseFormat: no token of this model goes on from here as the format wants; use another format.',
    )
  }

  accept(id: number): void {
    this.#turn++
    this.#thread.accept(id)
  }

  async ahead(): Promise<readonly number[]> {
    const [words, turn] = [this.#words, this.#turn]
    const { value } = waitAsync(words, AHEAD_TURN, turn - 1)
    // Mostly a matter of microseconds; who waits for a mask also looks whether the thread is still at work. What must come is
    // written before the mask: with that it is there, or will not come.
    if (typeof value !== 'string' && !(await isInTime(value, AHEAD_MS))) {
      await Promise.race([value, this.ready()])
    }
    if (Atomics.load(words, AHEAD_TURN) !== turn) return []
    const bytes = new Uint8Array(words.buffer, 4 * AHEAD, words[AHEAD_LENGTH])
    return this.#thread.texts.tokensOf(bytes)
  }

  dispose(): void {
    if (!this.#isClosed) this.#thread.close()
    this.#isClosed = true
  }

  get #isWritten(): boolean {
    return Atomics.load(this.#words, TURN) >= this.#turn
  }

  /** One that nobody wants any more is not waited for. */
  async #written(): Promise<void> {
    let [left, masks] = [workClock(), this.#thread.masks()]
    while (!this.#isClosed) {
      const from = Atomics.load(this.#words, TURN)
      if (from >= this.#turn) return
      await changed(this.#words, TURN, { from, ms: LOOK_MS })
      if (this.#thread.masks() !== masks) [left, masks] = [workClock(), this.#thread.masks()]
      else if (left(STUCK_MS) === 0) await this.#thread.giveUp()
    }
  }
}

function slow(): InputError {
  return new InputError(
    'INPUT_FORMAT',
    `responseFormat: the format takes too long to follow: the next token took over ${MASK_MS} ms; write it so that a text can be read in one way only, [a-z ]+ for ([a-z]+ ?)+, say, or let it end sooner.`,
  )
}

/** Waits until a word is no longer what it was, without holding up the event loop, and not for longer than so many ms. */
async function changed(
  words: Int32Array,
  index: number,
  { from, ms }: { readonly from: number; readonly ms: number },
): Promise<void> {
  const { value } = waitAsync(words, index, from)
  // The timer is also what keeps the process alive meanwhile: neither the wait nor an idle thread does.
  if (typeof value !== 'string') await isInTime(value, ms)
}

/** ES2024's `Atomics.waitAsync`, which every Node has that this runs on. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
  ): { readonly value: string | Promise<string> }
}

/** Bans the tokens whose bits are 0; gives whether any is left. */
function applyMask(words: Int32Array, logits: Float32Array): boolean {
  let isAny = 0
  for (let at = 0; at < logits.length; at += 32) {
    const bits = words[BITS + (at >> 5)] as number
    isAny |= bits
    if (bits === -1) continue
    const end = Math.min(at + 32, logits.length)
    for (let id = at; id < end; id++) if (((bits >> (id & 31)) & 1) === 0) logits[id] = -Infinity
  }
  return isAny !== 0
}
