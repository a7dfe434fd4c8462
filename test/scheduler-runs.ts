/** Schedulers over a tiny decoder, and greedy sequences whose tokens, logits and order of events are written down. */
import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { createRuntime } from '../src/runtime/node.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { SequenceRequest } from '../src/serve/scheduled-sequence.ts'
import { Scheduler, type SchedulerParts } from '../src/serve/scheduler.ts'
import { TINY, TinyDecoder } from './tiny-decoder.ts'

export const CONFIG = { ...TINY, maxPositions: 4096 }
const PLENTY = 1 << 30

export type Trace = { tokens: number[]; logits: Float32Array[]; cachedLength: number }

export type Greedy = Partial<SequenceRequest> & {
  readonly onToken?: (tokens: readonly number[]) => void
  /** Of eight tokens of its answer, how many its form leaves a choice. */
  readonly free?: number
  /** How long its form takes for what may follow a token, and for what must. */
  readonly lateMs?: () => number
  readonly aheadMs?: () => number
}

/** What tests of one file share; its hooks make and close it. */
export class SchedulerRuns {
  runtime!: Runtime
  decoder!: TinyDecoder
  readonly #opened: Scheduler[] = []

  constructor() {
    before(async () => {
      this.runtime = await createRuntime()
      this.decoder = await TinyDecoder.create(this.runtime, 'f32', { config: CONFIG })
      await this.decoder.runner.prepareTogether()
    })
    afterEach(async () => {
      for (const scheduler of this.#opened.splice(0)) await scheduler.dispose()
    })
    after(async () => {
      await this.decoder.dispose()
      await this.runtime.dispose()
    })
  }

  scheduler(parts: Partial<SchedulerParts> = {}): Scheduler {
    const limits = { maxRows: 16, kvBytes: PLENTY, keptBytes: PLENTY, prefixCache: true }
    const { runner, table } = this.decoder
    const freeBytes = () => PLENTY
    const scheduler = new Scheduler({ runner, table, freeBytes, ...limits, ...parts })
    this.#opened.push(scheduler)
    return scheduler
  }

  /** A greedy sequence of `count` tokens, and where its trace will be. */
  greedy(
    ids: readonly number[],
    count: number,
    more: Greedy = {},
  ): SequenceRequest & { readonly trace: Trace } {
    const trace: Trace = { tokens: [], logits: [], cachedLength: -1 }
    let late: Promise<void> | null = null
    return {
      ready: () => late,
      prompt: this.decoder.prompt(ids),
      maxTokens: count,
      onPrefilled: (length) => (trace.cachedLength = length),
      next(logits) {
        assert.equal(late, null)
        const ms = more.lateMs?.() ?? 0
        if (ms > 0) {
          late = new Promise((resolve) => {
            setTimeout(() => resolve((late = null) as never), ms)
          })
        }
        trace.logits.push(logits.slice())
        const best = forcedToken(trace.tokens.length, more) ?? logits.indexOf(Math.max(...logits))
        trace.tokens.push(best)
        more.onToken?.(trace.tokens)
        return trace.tokens.length < count ? best : null
      },
      async ahead() {
        const ids: number[] = []
        const ms = more.aheadMs?.() ?? 0
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
        for (let i = trace.tokens.length; ; i++) {
          const id = forcedToken(i, more)
          if (id === null) return ids
          ids.push(id)
        }
      },
      trace,
      ...more,
    }
  }

  /** What the runner does, in order: positions that are read in a run, of each prompt, or a step of so many rows. */
  async record(run: () => Promise<void>): Promise<(number[] | string)[]> {
    const events: (number[] | string)[] = []
    const { runner } = this.decoder
    const { prefillTogether, stepper } = runner
    runner.prefillTogether = (requests, options) => {
      events.push(requests.map(({ embeddings }) => embeddings.length / CONFIG.hiddenSize))
      return prefillTogether.call(runner, requests, options)
    }
    runner.stepper = (cache, count) => {
      const made = stepper.call(runner, cache, count)
      const step = made.step.bind(made)
      made.step = (...args) => (events.push(`step ${count}`), step(...args))
      return made
    }
    try {
      await run()
    } finally {
      Object.assign(runner, { prefillTogether, stepper })
    }
    return events
  }
}

/** As a form would leave no choice. */
function forcedToken(index: number, { free = 8 }: { free?: number }): number | null {
  return index % 8 >= free ? (index * 5) % TINY.vocabSize : null
}

export function assertSame(actual: Trace, expected: Trace): void {
  assert.deepEqual([actual.tokens, actual.logits], [expected.tokens, expected.logits])
}
