/**
 * Several workers as one: each request to the worker that knows its beginning, around those that are gone, and once more
 * to another where one fails before the client heard a word.
 */
import { anySignal } from '../../../core/any-signal.ts'
import { CapacityError, ConfigError, InputError } from '../../../core/errors.ts'
import { certificateAdvice } from '../../remote/certificate-advice.ts'
import { HttpError } from '../http-error.ts'
import type { Log } from '../log.ts'
import type { WorkerStats } from '../served-model.ts'
import { chooseWorker, ROUTING_DEFAULTS, type RoutingConfig } from './choose-worker.ts'
import { PrefixTree } from './prefix-tree.ts'
import { toldFailure, WorkerFailure } from './upstream-error.ts'
import { addressOf, WorkerApi, type WorkerAddress } from './worker-api.ts'
import {
  HEALTH_DEFAULTS,
  Worker,
  type CallEnd,
  type HealthConfig,
  type WorkerParts,
} from './worker.ts'

export type PoolOptions = {
  readonly workers: readonly WorkerAddress[]
  readonly routing?: Partial<RoutingConfig> | undefined
  readonly health?: Partial<HealthConfig> | undefined
  /** Throws ConfigError for a worker that is of no use as it is, whenever it comes. Default: each is. */
  readonly accept?: WorkerParts['accept'] | undefined
  /** Workers that are asked for one answer at most. */
  readonly attempts?: number | undefined
  readonly log?: Log | undefined
  /** Whether what a worker says of its failure is logged too: it may quote a prompt. Default false. */
  readonly logPrompts?: boolean | undefined
}

/** Characters of prompts that are remembered of all workers together. */
const REMEMBERED = 16 << 20
const ATTEMPTS = 3

export type Routed = {
  /** What clients call the model that is asked. */
  readonly model: string
  /** Whether a worker can answer. */
  readonly serves: (worker: Worker) => boolean
  /** The prompt as a text, salt first; null: whoever is idlest. */
  readonly key: string | null
  /** The client hears nothing before the end: events are handed over when all are there. Default false. */
  readonly isWhole?: boolean
  readonly signal: AbortSignal
}

export class WorkerPool {
  readonly workers: readonly Worker[]
  readonly #routing: RoutingConfig
  readonly #health: HealthConfig
  readonly #attempts: number
  readonly #log: Log
  readonly #logsWords: boolean
  readonly #tree = new PrefixTree<Worker>(REMEMBERED)
  readonly #closed = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: PoolOptions) {
    this.#routing = { ...ROUTING_DEFAULTS, ...options.routing }
    this.#health = { ...HEALTH_DEFAULTS, ...options.health }
    this.#attempts = options.attempts ?? ATTEMPTS
    this.#log = options.log ?? (() => {})
    this.#logsWords = options.logPrompts ?? false
    const { accept = () => {} } = options
    const parts = { health: this.#health, log: this.#log, accept }
    this.workers = options.workers.map((address) => new Worker(new WorkerApi(address), parts))
  }

  /**
   * Meets all workers; those that do not answer are asked again by later checks. Throws CapacityError where none does, unless
   * it may wait for them, and ConfigError where one is of no use.
   */
  async open(signal: AbortSignal, { mayWait = false } = {}): Promise<void> {
    const met = await Promise.allSettled(this.workers.map((worker) => worker.meet(signal)))
    signal.throwIfAborted()
    const faults = met.flatMap((result, i) =>
      result.status === 'fulfilled' ? [] : [{ url: urlOf(this.workers, i), error: result.reason }],
    )
    const useless = faults.find(({ error }) => error instanceof ConfigError)
    if (useless) throw useless.error
    if (mayWait || faults.length < this.workers.length) return this.#checkLater()
    throw noneAnswers(faults)
  }

  /** Nobody meets the workers any more: those that are asked yet are taken for what they were. */
  close(): void {
    clearTimeout(this.#timer)
    this.#closed.abort()
  }

  /** Checks all workers once. */
  async check(): Promise<void> {
    const { signal } = this.#closed
    await Promise.all(this.workers.map((worker) => this.#check(worker, signal)))
  }

  async #check(worker: Worker, signal: AbortSignal): Promise<void> {
    const before = namesOf(worker)
    const isBack = await worker.check(signal)
    // It may have been started anew, and then has nothing in its cache.
    if (isBack || namesOf(worker) !== before) this.#tree.forget(worker)
  }

  /** Addresses, states and counts. */
  list(): WorkerStats[] {
    return this.workers.map(({ api, state, running, counters }) => ({
      worker: api.url,
      state,
      running,
      ...counters,
    }))
  }

  /** The worker of that address gets nothing new; resolves when it has finished what it had. Throws InputError. */
  drain(url: string): Promise<void> {
    return this.#named(url).hold()
  }

  resume(url: string): void {
    this.#named(url).release()
  }

  /**
   * The events of an answer. Where a worker fails before the first of them is handed over, another one is asked, and one that
   * serves others than it did by what it calls them now. Throws CapacityError where no worker could, and what a worker refuses.
   */
  async *stream<E>(
    routed: Routed,
    call: (worker: Worker, signal: AbortSignal) => AsyncIterable<E>,
  ): AsyncGenerator<E, void, undefined> {
    const { key, signal, isWhole = false } = routed
    const tried = new Set<Worker>()
    for (let left = this.#attempts - 1; ; left--) {
      const worker = this.#choose(routed, tried)
      tried.add(worker)
      const { models } = worker
      const begun = worker.begin()
      let end: CallEnd = 'answered'
      let [hasBegun, isHeard] = [false, false]
      const held: E[] = []
      try {
        for await (const event of call(worker, anySignal(signal, begun.signal))) {
          if (!hasBegun && key !== null) this.#tree.add(key, worker)
          hasBegun = true
          if (isWhole) held.push(event)
          else {
            isHeard = true
            begun.heard()
            yield event
          }
        }
        yield* held
        return
      } catch (error) {
        end = endBy(error, signal)
        signal.throwIfAborted()
        if (!(error instanceof WorkerFailure)) throw error
        this.#noteFailed(worker, error)
        const failure = await this.#understood(error, { worker, models, signal })
        if (failure.kind === 'changed') tried.delete(worker)
        const isLast = left === 0 || !this.#able(routed).some((one) => !tried.has(one))
        if (isHeard || isLast) throw toldFailure(failure)
      } finally {
        begun.end(end)
      }
    }
  }

  /** Who lacks what it listed is met at once, unless it was since it was asked: it may be another by now. */
  async #understood(failure: WorkerFailure, { worker, models, signal }: Called) {
    if (failure.kind !== 'lacking' || this.#closed.signal.aborted) return failure
    if (worker.models === models) await this.#check(worker, anySignal(signal, this.#closed.signal))
    const isMet = worker.state === 'up' && worker.models !== models
    if (!isMet) return new WorkerFailure('failed', 'it lacks what it listed', { cause: failure })
    if (namesOf(worker) === namesOf({ models })) return failure
    return new WorkerFailure('changed', 'it serves others than it did', { cause: failure })
  }

  #noteFailed({ api }: Worker, { kind, message: why, said }: WorkerFailure): void {
    const words = this.#logsWords && said !== null ? { said } : {}
    this.#log('warn', { event: 'worker-failed', worker: api.url, kind, why, ...words })
  }

  /** One JSON answer from any worker that can give it; as `stream`. */
  async ask(
    routed: Omit<Routed, 'key'>,
    call: (worker: Worker, signal: AbortSignal) => Promise<unknown>,
  ): Promise<unknown> {
    const once = async function* (worker: Worker, signal: AbortSignal) {
      yield await call(worker, signal)
    }
    for await (const answer of this.stream({ ...routed, key: null }, once)) return answer
    throw new Error('internal: a worker gave no answer')
  }

  #choose(routed: Routed, tried: ReadonlySet<Worker>): Worker {
    const able = this.#able(routed).filter((worker) => !tried.has(worker))
    if (able.length === 0) {
      throw new CapacityError(
        'CAPACITY_UPSTREAM',
        `server: no worker that serves ${JSON.stringify(routed.model)} can be reached at the moment; try again later.`,
      )
    }
    const matches = routed.key === null ? new Map<Worker, number>() : this.#tree.match(routed.key)
    const candidates = able.map((worker) => ({
      worker,
      running: worker.running,
      matched: matches.get(worker) ?? 0,
      cached: this.#tree.sizeOf(worker),
    }))
    return chooseWorker(candidates, routed.key?.length ?? 0, this.#routing).worker
  }

  #able({ serves }: Routed): Worker[] {
    return this.workers.filter((worker) => worker.state === 'up' && serves(worker))
  }

  #named(url: string): Worker {
    const worker = this.workers.find(({ api }) => api.url === addressOf(url))
    if (worker) return worker
    throw new InputError(
      'INPUT_WORKER',
      `worker: it should be one of ${this.workers.map(({ api }) => api.url).join(', ')}; ${JSON.stringify(url.slice(0, 200))} came.`,
    )
  }

  #checkLater(): void {
    this.#timer = setTimeout(() => {
      void this.check()
        .catch(() => {})
        .then(() => {
          if (!this.#closed.signal.aborted) this.#checkLater()
        })
    }, this.#health.everySeconds * 1000)
    // A server that has stopped is not kept alive by its checks.
    ;(this.#timer as { unref?: () => void }).unref?.()
  }
}

/** A worker, the models that it listed when it was asked, and the signal of who asked. */
type Called = {
  readonly worker: Worker
  readonly models: Worker['models']
  readonly signal: AbortSignal
}

function namesOf({ models }: Pick<Worker, 'models'>): string {
  return JSON.stringify(models.map(({ id }) => id))
}

/** What an error tells of the worker: that it refuses a request is an answer. */
function endBy(error: unknown, signal: AbortSignal): CallEnd {
  if (signal.aborted) return 'untold'
  if (error instanceof WorkerFailure) return error
  return error instanceof HttpError ? 'answered' : 'untold'
}

type Fault = { readonly url: string; readonly error: unknown }

function noneAnswers(faults: readonly Fault[]): CapacityError {
  const advice = faults.map(({ error }) => adviceOn(error)).find((one) => one !== null)
  const told = faults.map(({ url, error }) => `${url}: ${messageOf(error)}`).join('; ')
  return new CapacityError(
    'CAPACITY_UPSTREAM',
    `upstream: at least one worker should answer GET /v1/models, none did (${told}); ${advice ?? 'start it first'}.`,
    { cause: faults[0]?.error },
  )
}

/** Null where nobody is there. */
function adviceOn(error: unknown): string | null {
  const isDenied = error instanceof WorkerFailure && error.kind === 'denied'
  if (isDenied) return 'give the key that it wants with --upstream-api-key-file'
  return certificateAdvice(error)
}

function urlOf(workers: readonly Worker[], i: number): string {
  return workers[i]?.api.url ?? ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
