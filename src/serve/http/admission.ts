/**
 * Who is answered now, who waits, and who is sent away: at most so many answers at a time, the highest priority first and
 * equal ones in the order of their coming.
 *
 * The engine batches what runs; this keeps what waits bounded, so that a flood costs its senders a 503 and nobody else.
 */
import { AbortListeners } from '../../core/abort-listeners.ts'
import { CapacityError } from '../../core/errors.ts'
import { WaitingQueue } from '../waiting-queue.ts'

type Asked = { readonly answers: number; readonly priority: number }

type Waiting = Asked & { readonly start: () => void }

export class Admission {
  readonly #maxRunning: number
  readonly #maxQueued: number
  readonly #waiting = new WaitingQueue<Waiting>(({ priority }) => priority)
  /** Many who wait may share a signal. */
  readonly #aborts = new AbortListeners()
  #running = 0
  #isClosed = false
  #onIdle: (() => void)[] = []

  constructor(limits: { readonly maxRunning: number; readonly maxQueued: number }) {
    this.#maxRunning = limits.maxRunning
    this.#maxQueued = limits.maxQueued
  }

  /** Answers that are given at the moment. */
  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Resolves when nobody is answered and nobody waits. */
  idle(): Promise<void> {
    if (this.#running === 0 && this.#waiting.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** From now on nobody new is let in; who waits already still is. */
  close(): void {
    this.#isClosed = true
  }

  /**
   * Waits for a place for `answers` answers and gives the function that frees it. Throws CapacityError where the queue is
   * full or the server stops, and the signal's reason if it is aborted first.
   */
  async enter({ answers, priority }: Asked, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#isClosed) {
      throw new CapacityError('CAPACITY_STOPPING', 'server: it is stopping; ask another one.')
    }
    const places = Math.min(answers, this.#maxRunning)
    const before = this.#waiting.first
    const isFirst = !before || before.priority < priority
    if (isFirst && this.#running + places <= this.#maxRunning) this.#running += places
    else await this.#wait({ answers: places, priority }, signal)
    let isFreed = false
    return () => {
      if (isFreed) return
      isFreed = true
      this.#running -= places
      this.#startWaiting()
    }
  }

  async #wait(asked: Asked, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#maxQueued) {
      throw new CapacityError(
        'CAPACITY_QUEUE',
        `server: ${this.#running} answers are running and ${this.#waiting.size} requests wait, which is as many as may; try again later.`,
      )
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.remove(entry)
        reject(signal.reason)
        this.#startWaiting()
      }
      const entry: Waiting = {
        ...asked,
        start: () => {
          forget()
          resolve()
        },
      }
      const forget = this.#aborts.add(signal, leave)
      this.#waiting.add(entry)
    })
  }

  /** Lets in the first of the queue while there is room; they are counted here, before anybody else comes. */
  #startWaiting(): void {
    for (;;) {
      const next = this.#waiting.first
      if (!next || this.#running + next.answers > this.#maxRunning) break
      this.#waiting.remove(next)
      this.#running += next.answers
      next.start()
    }
    if (this.#running > 0 || this.#waiting.size > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
