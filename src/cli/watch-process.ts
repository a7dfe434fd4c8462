/** Watches this process while it works: its peak memory, and how long the event loop was kept from turning. */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export type Watched = {
  /** `RssAnon`, memory that is no mapped file, where the system tells it (Linux); elsewhere the whole resident set. */
  readonly memory: { readonly kind: 'RssAnon' | 'rss'; readonly peakBytes: number }
  readonly eventLoop: { readonly maxMs: number; readonly p99Ms: number }
}

const SAMPLE_MS = 20
const NS_PER_MS = 1e6

export class ProcessWatch {
  // It samples every ten milliseconds, so as much is in each delay even of an idle loop.
  readonly #resolutionMs = 10
  readonly #delay = monitorEventLoopDelay({ resolution: this.#resolutionMs })
  readonly #timer: NodeJS.Timeout
  #peakBytes = 0

  constructor() {
    this.#delay.enable()
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref()
  }

  /** What was seen since the start or the last call. */
  take(): Watched {
    this.#sample()
    const delayMs = (ns: number) => Math.max(0, ns / NS_PER_MS - this.#resolutionMs)
    const watched: Watched = {
      memory: { kind: anonymousBytes() === null ? 'rss' : 'RssAnon', peakBytes: this.#peakBytes },
      eventLoop: { maxMs: delayMs(this.#delay.max), p99Ms: delayMs(this.#delay.percentile(99)) },
    }
    this.#delay.reset()
    this.#peakBytes = 0
    return watched
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#delay.disable()
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, anonymousBytes() ?? process.memoryUsage.rss())
  }
}

function anonymousBytes(): number | null {
  if (process.platform !== 'linux') return null
  const found = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return found ? Number(found[1]) * 1024 : null
}
