/** One worker as this server sees it: who it is, whether it may be asked, what it answers now and has answered. */
import { anySignal } from '../../../core/any-signal.ts'
import { ConfigError } from '../../../core/errors.ts'
import type { Log } from '../log.ts'
import { isRecord } from '../../faults.ts'
import { kindOf, type ServerKind } from '../../remote/server-kind.ts'
import { WorkerFailure, type FailureKind } from './upstream-error.ts'
import type { WorkerApi } from './worker-api.ts'

export type WorkerKind = ServerKind

export type WorkerModel = {
  readonly id: string
  /** Null: it does not say. */
  readonly maxContext: number | null
  /** Tokens of an answer at most where a request does not say. Null: it does not say. */
  readonly usualTokens: number | null
  /** Tokens of an answer that it takes a request for. Null: it does not say. */
  readonly mostTokens: number | null
  readonly takes: { readonly images: boolean; readonly videos: boolean }
  /** Whether it turns pictures as their Exif or XMP says. Null: it does not say. */
  readonly autoOrient: boolean | null
}

/** `draining`: it finishes what it has and gets nothing new. */
export type WorkerState = 'up' | 'down' | 'draining'

export type HealthConfig = {
  readonly everySeconds: number
  readonly timeoutSeconds: number
  /**
   * Checks that fail, and calls that do not reach it, without a check or call that succeeds between them, until it is asked no
   * more; checks in a row that succeed until it is again.
   */
  readonly failures: number
  readonly successes: number
}

export const HEALTH_DEFAULTS: HealthConfig = {
  everySeconds: 5,
  timeoutSeconds: 5,
  failures: 3,
  successes: 2,
}

export type WorkerCounters = {
  requests: number
  /** Requests that went on to another worker, or ended in an error. */
  failures: number
  ejections: number
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  /** Prompts that it counted otherwise than the checkpoint here. */
  mismatches: number
}

/** What a worker says of itself. */
export type Introduction = {
  readonly url: string
  readonly kind: WorkerKind
  readonly models: readonly WorkerModel[]
}

export type WorkerParts = {
  readonly health: HealthConfig
  readonly log: Log
  /** Throws ConfigError for a worker that cannot be asked for anything as it is. */
  readonly accept: (worker: Introduction) => void
}

export class Worker {
  readonly api: WorkerApi
  readonly counters: WorkerCounters = {
    requests: 0,
    failures: 0,
    ejections: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    mismatches: 0,
  }
  readonly #health: HealthConfig
  readonly #log: Log
  readonly #accept: WorkerParts['accept']
  /** Stops the calls that nobody heard a word of yet. */
  readonly #unheard = new Set<(reason: WorkerFailure) => void>()
  #kind: WorkerKind = 'openai'
  #models: readonly WorkerModel[] = []
  #running = 0
  /** What the last checks said; a worker nobody has reached yet is down. */
  #isUp = false
  #isStopping = false
  #isHeldBack = false
  #failed = 0
  #succeeded = 0
  /** What kept it from answering, as the log was told last. */
  #why: string | null = null
  #onIdle: (() => void)[] = []

  constructor(api: WorkerApi, { health, log, accept }: WorkerParts) {
    this.api = api
    this.#health = health
    this.#log = log
    this.#accept = accept
  }

  get kind(): WorkerKind {
    return this.#kind
  }

  get models(): readonly WorkerModel[] {
    return this.#models
  }

  get running(): number {
    return this.#running
  }

  get state(): WorkerState {
    if (!this.#isUp) return 'down'
    return this.#isStopping || this.#isHeldBack ? 'draining' : 'up'
  }

  /** Asks for nothing new until it is told otherwise; resolves when it has finished what it had. */
  hold(): Promise<void> {
    this.#isHeldBack = true
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  release(): void {
    this.#isHeldBack = false
  }

  /** Asks what it serves and whether it is well: it may be another since the last check. True where it just came back. */
  async check(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#inTime(signal, async (over) => {
        await this.#introduce(over)
        const path = HEALTH_PATHS[this.#kind]
        if (path !== null) await this.api.get(path, over)
      })
    } catch (error) {
      signal.throwIfAborted()
      // Our own servers say when they stop, and are gone after it; others fail their check at once.
      if (this.#kind === 'llava-ts' && isBusy(error)) this.#isStopping = true
      else this.#noteFailure(error)
      return false
    }
    this.#isStopping = false
    return this.#noteSuccess()
  }

  /** First contact: up at once where it answers. Throws what keeps it from answering. */
  async meet(signal: AbortSignal): Promise<void> {
    try {
      await this.#inTime(signal, (over) => this.#introduce(over))
    } catch (error) {
      signal.throwIfAborted()
      this.#tellDown(error)
      throw error
    }
    this.#isUp = true
  }

  /** A call begins. `heard` says that the client has its first word, `end` that it is over, and how. */
  begin(): WorkerCall {
    const stop = new AbortController()
    const leave = (reason: WorkerFailure) => stop.abort(reason)
    this.#unheard.add(leave)
    this.#running++
    this.counters.requests++
    return {
      signal: stop.signal,
      heard: () => void this.#unheard.delete(leave),
      end: (how) => {
        this.#unheard.delete(leave)
        this.#running--
        if (how === 'answered') this.#failed = 0
        if (how instanceof WorkerFailure) this.#noteFailedCall(how)
        if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
      },
    }
  }

  /** Of what is asked by the way: who does not answer in time cannot be reached. */
  async #inTime(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { timeoutSeconds } = this.#health
    const limit = AbortSignal.timeout(timeoutSeconds * 1000)
    try {
      await ask(anySignal(signal, limit))
    } catch (error) {
      signal.throwIfAborted()
      if (!limit.aborted) throw error
      throw new WorkerFailure('silent', `no answer within ${timeoutSeconds} s`, { cause: error })
    }
  }

  /** What it was before holds until it says something that makes sense. */
  async #introduce(signal: AbortSignal): Promise<void> {
    const list = await this.api.get('/v1/models', signal)
    const data = isRecord(list) && Array.isArray(list['data']) ? (list['data'] as unknown[]) : []
    const [kind, models] = [kindOf(list), data.filter(isRecord).flatMap(modelOf)]
    if (models.length === 0) throw new WorkerFailure('failed', '/v1/models should list a model')
    this.#accept({ url: this.api.url, kind, models })
    this.#kind = kind
    this.#models = models
  }

  #noteFailedCall(failure: WorkerFailure): void {
    this.counters.failures++
    if (UNREACHED.includes(failure.kind)) this.#noteFailure(failure)
  }

  #noteFailure(error: unknown): void {
    this.#succeeded = 0
    this.#failed++
    // What it says of itself is no chance failure, and of no use to wait out.
    const isCertain = error instanceof ConfigError
    if (!isCertain && (!this.#isUp || this.#failed < this.#health.failures)) return
    this.#tellDown(error)
    if (!this.#isUp) return
    this.#isUp = false
    this.counters.ejections++
    const reason = new WorkerFailure('gone', 'it stopped answering')
    for (const leave of this.#unheard) leave(reason)
  }

  /** Once for each reason: a worker that is down is checked as often as one that is up. */
  #tellDown(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    if (why === this.#why) return
    this.#why = why
    this.#log('warn', { event: 'worker-down', worker: this.api.url, why })
  }

  #noteSuccess(): boolean {
    this.#failed = 0
    this.#succeeded++
    if (this.#isUp || this.#succeeded < this.#health.successes) return false
    this.#isUp = true
    this.#why = null
    this.#log('info', { event: 'worker-up', worker: this.api.url, kind: this.#kind })
    return true
  }
}

/** The call did not come to it. */
const UNREACHED: readonly FailureKind[] = ['gone', 'untrusted']

/** What is asked of a worker to know that it is well. OpenAI's API has no route for it: its models are enough. */
const HEALTH_PATHS: { readonly [K in WorkerKind]: string | null } = {
  'llava-ts': '/ready',
  vllm: '/health',
  sglang: '/health',
  openai: null,
}

export type WorkerCall = {
  /** Aborted where the worker is found to be gone before the client heard a word of the answer. */
  readonly signal: AbortSignal
  readonly heard: () => void
  readonly end: (how: CallEnd) => void
}

/** `untold`: nothing was learned of the worker, since its client left before the end, or it was never asked. */
export type CallEnd = 'answered' | 'untold' | WorkerFailure

function isBusy(error: unknown): boolean {
  return error instanceof WorkerFailure && error.kind === 'busy'
}

/** A card of `/v1/models`; what it takes and how long answers are only our own servers say. */
function modelOf(card: Record<string, unknown>): WorkerModel[] {
  const {
    id,
    max_model_len: length,
    default_max_tokens: usual,
    max_answer_tokens: most,
    input_modalities: modalities,
    auto_orient: autoOrient,
  } = card
  if (typeof id !== 'string') return []
  const takes = (kind: string) => !Array.isArray(modalities) || modalities.includes(kind)
  return [
    {
      id,
      maxContext: typeof length === 'number' ? length : null,
      usualTokens: typeof usual === 'number' ? usual : null,
      mostTokens: typeof most === 'number' ? most : null,
      takes: { images: takes('image'), videos: takes('video') },
      autoOrient: typeof autoOrient === 'boolean' ? autoOrient : null,
    },
  ]
}
