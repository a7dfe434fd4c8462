/**
 * Engines at work on a queue: each takes items, asks all prompts about one together, and writes down what it got.
 *
 * Prompts about an item follow one another, so that its pictures and the beginning they share are computed once.
 */
import { anySignal } from '../core/any-signal.ts'
import { CapacityError } from '../core/errors.ts'
import type { ContentPart, Message } from '../serve/messages.ts'
import type { ErrorCount } from './error-limit.ts'
import { errorOf, resultOf, type ItemResult, type PromptResult } from './item-result.ts'
import type { ItemSource } from './item.ts'
import { EngineFault, type LabelEngine, type LabelSampling } from './label-engine.ts'
import type { LabelEvent } from './label-events.ts'
import { Silence } from './silence.ts'
import { Slots } from './slots.ts'
import type { ClaimedItem, WorkQueue } from './work-queue.ts'

export type EngineRun = {
  readonly queue: WorkQueue
  readonly engines: readonly LabelEngine[]
  readonly prompts: readonly string[]
  readonly system: string | undefined
  readonly options: LabelSampling
  readonly read: (source: ItemSource) => Promise<ContentPart[]>
  readonly errors: ErrorCount
  /** So often engines may fail an item before the item is to blame. */
  readonly attempts: number
  /** An engine that says nothing for so long is told of. */
  readonly silenceMs: number
  readonly signal: AbortSignal
  readonly onEvent: (event: LabelEvent) => void
  /** One more item is done, with or without errors. */
  readonly onDone: (hasErrors: boolean) => void
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** So many items may fail an engine in a row; then it is gone. */
const MOST_FAULTS = 3
/** The queue is asked whether there is something new, at first soon, then less and less often. */
const [FIRST_POLL_MS, LONGEST_POLL_MS] = [5, 1000] as const

export type EngineTally = {
  readonly engine: string
  readonly model: string
  readonly items: number
}

/**
 * Until every item is done or failed, whoever did it. Throws the signal's reason when aborted, and CapacityError where too
 * many items fail or no engine is left.
 */
export async function runEngines(run: EngineRun): Promise<EngineTally[]> {
  const workers = run.engines.map((engine) => new EngineWorker(engine, run))
  const stop = new AbortController()
  const signal = anySignal(run.signal, stop.signal)
  const listening = setInterval(() => {
    for (const worker of workers) worker.tellSilence()
  }, run.silenceMs / 4)
  try {
    const ends = await Promise.all(
      workers.map(async (worker) => {
        try {
          return await worker.work(signal)
        } catch (error) {
          stop.abort(error)
          throw error
        }
      }),
    )
    const [lost] = ends.filter((end) => end !== null)
    if (lost && ends.every((end) => end !== null)) throw noEngineLeft(run.engines.length, lost)
  } finally {
    clearInterval(listening)
    await Promise.allSettled(workers.map((worker) => worker.settled()))
  }
  return workers.map(({ tally }) => tally)
}

class EngineWorker {
  readonly #engine: LabelEngine
  readonly #run: EngineRun
  readonly #slots: Slots
  readonly #silence: Silence
  readonly #working = new Set<Promise<void>>()
  #claimed: ClaimedItem[] = []
  /** Items that it failed since it last answered, and how often it did. */
  readonly #failing = new Set<string>()
  #faultsInRow = 0
  #pollMs: number = FIRST_POLL_MS
  #lost: EngineFault | null = null
  #items = 0
  #failure: unknown = null
  /** Results that wait for the one write that is under way. */
  #results: { readonly place: string; readonly result: ItemResult }[] = []
  #writing: Promise<void> | null = null

  constructor(engine: LabelEngine, run: EngineRun) {
    this.#engine = engine
    this.#run = run
    this.#slots = new Slots(engine.atOnce)
    this.#silence = new Silence(run.silenceMs, () => performance.now())
  }

  get tally(): EngineTally {
    const { place, model } = this.#engine
    return { engine: place, model, items: this.#items }
  }

  tellSilence(): void {
    const silence = this.#silence.toTell()
    const { place: engine } = this.#engine
    if (silence) this.#run.onEvent({ type: 'engine-silent', engine, ...silence })
  }

  /** Null when all is done; why, if the engine is gone before that. */
  async work(signal: AbortSignal): Promise<EngineFault | null> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#failure !== null) throw this.#failure
      if (this.#lost) return this.#giveUp()
      if (this.#working.size >= this.#mostItems) {
        await Promise.race(this.#working)
        continue
      }
      const item = this.#claimed.shift() ?? (await this.#claim())
      if (item) this.#start(item, signal)
      else if (await this.#isIdle(signal)) return null
    }
  }

  /** Waits until there may be something to do; true when all is done. */
  async #isIdle(signal: AbortSignal): Promise<boolean> {
    if (this.#working.size === 0 && (await this.#isOver())) return true
    const stop = new AbortController()
    const abort = () => stop.abort()
    signal.addEventListener('abort', abort, { once: true })
    // What ends may have been given back, and others may have left something.
    const paused = this.#run.sleep(this.#pollMs, stop.signal).catch(() => {})
    await Promise.race([...this.#working, paused])
    signal.removeEventListener('abort', abort)
    stop.abort()
    this.#pollMs = Math.min(2 * this.#pollMs, LONGEST_POLL_MS)
    return false
  }

  /** When nothing of it is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#working)
    await this.#writing
  }

  get #mostItems(): number {
    return Math.max(2, Math.ceil(this.#engine.atOnce / this.#run.prompts.length))
  }

  async #claim(): Promise<ClaimedItem | undefined> {
    this.#claimed = await this.#run.queue.claim(this.#mostItems)
    return this.#claimed.shift()
  }

  /** What others have leased may come back, and what is not listed yet may come. */
  async #isOver(): Promise<boolean> {
    const { queue, onEvent } = this.#run
    await queue.reclaim()
    if (!(await queue.isListed())) return false
    const { open, leased } = await queue.left()
    if (open === 0 && leased > 0) onEvent({ type: 'waiting', items: leased })
    return open + leased === 0
  }

  async #giveUp(): Promise<EngineFault | null> {
    await Promise.allSettled(this.#working)
    await this.#run.queue.release(
      this.#claimed.map(({ place }) => place),
      { isFault: false },
    )
    const { message: reason = '' } = this.#lost ?? {}
    this.#run.onEvent({ type: 'engine-lost', engine: this.#engine.place, reason })
    return this.#lost
  }

  #start(item: ClaimedItem, signal: AbortSignal): void {
    this.#pollMs = FIRST_POLL_MS
    const working = this.#label(item, signal)
      .catch((error: unknown) => {
        // The loop throws it; what was aborted has its reason there.
        if (!signal.aborted) this.#failure ??= error
      })
      .finally(() => this.#working.delete(working))
    this.#working.add(working)
  }

  async #label(item: ClaimedItem, signal: AbortSignal): Promise<void> {
    const result = await this.#resultOf(item, signal)
    if (result) await this.#write(item.place, result)
  }

  /** Null where the engine failed: somebody else asks. */
  async #resultOf(item: ClaimedItem, signal: AbortSignal): Promise<ItemResult | null> {
    const { prompts, read } = this.#run
    let media: ContentPart[]
    try {
      media = await read(item.source)
    } catch (error) {
      return prompts.map(() => ({ error: errorOf(error) }))
    }
    const asked = await Promise.allSettled(
      prompts.map((prompt, i) => {
        const known = item.before?.[i]
        if (known && known.error === undefined) return known
        return this.#slots.use(() => this.#ask([...media, { type: 'text', text: prompt }], signal))
      }),
    )
    signal.throwIfAborted()
    const fault = asked.find(isEngineFault)?.reason as EngineFault | undefined
    if (fault) return this.#faulted(item, fault)
    this.#faultsInRow = 0
    this.#failing.clear()
    return asked.map((one) =>
      one.status === 'fulfilled' ? one.value : { error: errorOf(one.reason) },
    )
  }

  async #ask(content: ContentPart[], signal: AbortSignal): Promise<PromptResult> {
    signal.throwIfAborted()
    const { system, options } = this.#run
    const messages: Message[] = [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      { role: 'user', content: plainWhereText(content) },
    ]
    // A signal of its own: with dozens of listeners on one, Node.js warns of a leak.
    const own = anySignal(signal)
    const answer = await this.#silence.during(this.#engine.answer({ messages, options }, own))
    return resultOf(answer, this.#engine.model, options.schema)
  }

  /**
   * The item goes back: to another engine, or to this one later. An engine that fails several items in a row, or its first
   * one again and again, is gone; where it has answered others, an item that it fails again and again is to blame.
   */
  async #faulted(item: ClaimedItem, fault: EngineFault): Promise<ItemResult | null> {
    const { attempts, prompts, queue } = this.#run
    this.#failing.add(item.place)
    this.#faultsInRow++
    const hasAnswered = this.#items > 0
    const isGone =
      this.#failing.size >= MOST_FAULTS || (!hasAnswered && this.#faultsInRow >= MOST_FAULTS)
    if (isGone) this.#lost ??= fault
    else if (hasAnswered && item.faults + 1 >= attempts) {
      return prompts.map(() => ({ error: errorOf(fault.cause) }))
    }
    await queue.release([item.place], { isFault: true })
    return null
  }

  /** What comes while one write is under way goes into the next together. */
  async #write(place: string, result: ItemResult): Promise<void> {
    this.#results.push({ place, result })
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = null))
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    while (this.#results.length > 0) {
      const results = this.#results.splice(0)
      const written = await this.#run.queue.complete(results)
      this.#items += written
      for (const { result } of results) {
        const errors = result.flatMap(({ error }) => (error ? [error] : []))
        this.#run.onDone(errors.length > 0)
        this.#run.errors.add(errors)
      }
    }
  }
}

/** A text alone stays one: chat templates may render it differently from a list with one text. */
function plainWhereText(content: ContentPart[]): Message['content'] {
  if (!content.every((part) => part.type === 'text')) return content
  return content.map(({ text }) => text).join('\n')
}

function isEngineFault(one: PromiseSettledResult<unknown>): one is PromiseRejectedResult {
  return one.status === 'rejected' && one.reason instanceof EngineFault
}

function noEngineLeft(engines: number, lost: EngineFault): CapacityError {
  return new CapacityError(
    'CAPACITY_LABEL_ENGINES',
    `label: ${engines === 1 ? 'the engine' : `one of ${engines} engines`} should answer, none does any more (${lost.message}); mend it and run the same command again, it goes on where it ended.`,
    { cause: lost },
  )
}
