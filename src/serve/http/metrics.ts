/** What `/metrics` shows, in Prometheus' text format: requests, tokens, batch and queue, and the time of each phase. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Answer } from '../answer.ts'
import type { Admission } from './admission.ts'
import type { ServedModel, WorkerStats } from './served-model.ts'

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

export class Metrics {
  readonly #registry = new Registry()
  readonly queueSeconds: Histogram
  readonly #requests: Counter<'route' | 'status'>
  readonly #tokens: Counter<'kind'>
  readonly #answers: Counter<'finish_reason'>
  readonly #phases: Histogram<'phase'>
  readonly #firstToken: Histogram
  readonly #perToken: Histogram

  /** `memory`: what the process has, in bytes by kind, where it is told. */
  constructor(
    admission: Admission,
    models: readonly ServedModel[],
    memory?: (() => object) | undefined,
  ) {
    const registers = [this.#registry]
    this.queueSeconds = new Histogram({
      name: 'llava_queue_seconds',
      help: 'Time that requests waited for a place',
      buckets: SECONDS,
      registers,
    })
    this.#requests = new Counter({
      name: 'llava_http_requests_total',
      help: 'Requests by route and status',
      labelNames: ['route', 'status'],
      registers,
    })
    this.#tokens = new Counter({
      name: 'llava_tokens_total',
      help: 'Tokens as usage tells them: of prompts (image ones among them), of those the ones found in the cache, and of answers; a prompt of n answers counts once',
      labelNames: ['kind'],
      registers,
    })
    this.#answers = new Counter({
      name: 'llava_answers_total',
      help: 'Answers by the reason of their end',
      labelNames: ['finish_reason'],
      registers,
    })
    this.#phases = new Histogram({
      name: 'llava_phase_seconds',
      help: 'Time of an answer by phase',
      labelNames: ['phase'],
      buckets: SECONDS,
      registers,
    })
    this.#firstToken = new Histogram({
      name: 'llava_first_token_seconds',
      help: 'Time from a request to its first token, without the queue',
      buckets: SECONDS,
      registers,
    })
    this.#perToken = new Histogram({
      name: 'llava_token_seconds',
      help: 'Time from token to token, mean of an answer',
      buckets: SECONDS,
      registers,
    })
    this.#addGauges(admission, models)
    if (!memory) return
    new Gauge({
      name: 'llava_memory_bytes',
      help: 'Memory of the process in bytes: rss is what it takes of the machine; heapTotal and heapUsed are of JavaScript objects; external and arrayBuffers are sizes of buffers, whether touched or not and mapped files among them, and may be more than rss',
      labelNames: ['kind'],
      registers,
      collect() {
        for (const [kind, bytes] of numbersIn(memory())) this.set({ kind }, bytes)
      },
    })
  }

  /** Prometheus' content type and text. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  countRequest(route: string, status: number): void {
    this.#requests.inc({ route, status: String(status) })
  }

  /** `isFirst`: of the answers to its prompt, which counts once, as in `usage`. */
  countAnswer(
    { usage, timings, finishReason }: Answer,
    { isFirst }: { readonly isFirst: boolean },
  ): void {
    this.#answers.inc({ finish_reason: finishReason })
    this.#tokens.inc({ kind: 'completion' }, usage.completionTokens)
    if (isFirst) {
      this.#tokens.inc({ kind: 'prompt' }, usage.promptTokens)
      this.#tokens.inc({ kind: 'image' }, usage.imageTokens)
      this.#tokens.inc({ kind: 'cached' }, usage.cachedTokens)
    }
    for (const phase of ['preprocess', 'vision', 'prefill', 'decode'] as const) {
      this.#phases.observe({ phase }, timings[`${phase}Ms`] / 1000)
    }
    this.#firstToken.observe(timings.firstTokenMs / 1000)
    if (usage.completionTokens > 1) {
      this.#perToken.observe(timings.decodeMs / 1000 / (usage.completionTokens - 1))
    }
  }

  #addGauges(admission: Admission, models: readonly ServedModel[]): void {
    const registers = [this.#registry]
    const gauges = [
      ['llava_answers_running', 'Answers that are given now', () => admission.running],
      ['llava_requests_waiting', 'Requests that wait for a place', () => admission.waiting],
    ] as const
    for (const [name, help, read] of gauges) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
    this.#addWorkers(models)
    if (models.every(({ stats }) => stats === undefined)) return
    new Gauge({
      name: 'llava_engine',
      help: "The engine's own counts and sizes by name",
      labelNames: ['model', 'name'],
      registers,
      collect() {
        for (const model of models) {
          for (const [name, value] of numbersIn(model.stats?.() ?? {})) {
            this.set({ model: model.id, name }, value)
          }
        }
      },
    })
  }

  /** Workers behind this server, where there are some. */
  #addWorkers(models: readonly ServedModel[]): void {
    if (models.every(({ workers }) => workers === undefined)) return
    const registers = [this.#registry]
    new Gauge({
      name: 'llava_worker_state',
      help: 'The state that a worker is in is 1: up, draining, down',
      labelNames: ['worker', 'state'],
      registers,
      collect() {
        for (const one of workersOf(models)) {
          for (const state of ['up', 'draining', 'down']) {
            this.set({ worker: one.worker, state }, one.state === state ? 1 : 0)
          }
        }
      },
    })
    new Gauge({
      name: 'llava_worker',
      help: "A worker's counts by name: requests, failures, ejections, tokens, and what it answers now",
      labelNames: ['worker', 'name'],
      registers,
      collect() {
        for (const { worker, state: _, ...numbers } of workersOf(models)) {
          for (const [name, value] of numbersIn(numbers)) this.set({ worker, name }, value)
        }
      },
    })
  }
}

/** A worker that serves several models stands behind each, and is one. */
function workersOf(models: readonly ServedModel[]): WorkerStats[] {
  const stats = models.flatMap((model) => model.workers?.() ?? [])
  return [...new Map(stats.map((one) => [one.worker, one])).values()]
}

/** Numbers of a nested object with their paths: `prefix.hits`. */
function numbersIn(object: object, path = ''): [string, number][] {
  return Object.entries(object).flatMap(([key, value]: [string, unknown]) => {
    const name = path === '' ? key : `${path}.${key}`
    if (typeof value === 'number') return [[name, value] as [string, number]]
    return typeof value === 'object' && value !== null ? numbersIn(value, name) : []
  })
}
