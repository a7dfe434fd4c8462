/** llava-ts as it serves: a loaded model asked through the library, and the same model behind its HTTP server. */
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { measureConstraint } from '../../../src/cli/bench-constraint.ts'
import { loadModel } from '../../../src/index.ts'
import type { LoadOptions } from '../../../src/load-model.ts'
import type { Model } from '../../../src/model.ts'
import { createApp, listen, serveModel, type RunningServer } from '../../../src/serve/index.ts'
import { FIRST_WORD } from '../models/tokenizer.ts'
import {
  promptIds,
  serveOperations,
  type SharedQuestion,
  type StreamsQuestion,
  type StreamsTimings,
} from './serving-protocol.ts'

let loaded: { readonly model: Model; readonly server: RunningServer } | null = null
const delay = monitorEventLoopDelay({ resolution: 1 })

serveOperations({
  async load({ folder, options }: { folder: string; options: LoadOptions }) {
    const model = await loadModel(folder, { maxRows: 16, ...options })
    const config = { maxRunning: 16, maxQueued: 64 }
    const app = createApp({ models: [serveModel(model, 'bench', Date.now())], config })
    const server = await listen(app, { host: '127.0.0.1', port: 0 })
    loaded = { model, server }
    return { url: server.url, precision: model.precision.name }
  },
  streams,
  shared,
  /** With mini, whose vocabulary is SmolLM2's: that of a model made for the bench writes no text. */
  async constraint({ rounds }: { rounds: number }) {
    const { signal } = new AbortController()
    await using mini = await loadModel('mini')
    return measureConstraint(mini, { rounds, signal, onStep: () => {} })
  },
  /** The ids of prompts, for those who ask over HTTP. */
  ids: (question: StreamsQuestion) => prompts(question),
  watchDelay() {
    delay.reset()
    delay.enable()
  },
  mainThreadMs,
  delay() {
    delay.disable()
    return Math.max(0, delay.max / 1e6 - 1) // The timer itself comes every millisecond.
  },
})

/** Processor time of the thread that requests, texts and answers go through, in ms; null where the system does not tell. */
async function mainThreadMs(): Promise<number | null> {
  try {
    const [onCpuNs = ''] = (
      await readFile(`/proc/self/task/${process.pid}/schedstat`, 'utf8')
    ).split(' ')
    return Number(onCpuNs) / 1e6
  } catch {
    return null
  }
}

function current() {
  if (!loaded) throw new Error('bench: ask for `load` first.')
  return loaded
}

function prompts({ streams, promptTokens, seed }: StreamsQuestion): number[][] {
  const { vocabSize } = current().model.config.decoder
  return Array.from({ length: streams }, (_, i) =>
    promptIds(seed + i, promptTokens, { first: FIRST_WORD, size: vocabSize }),
  )
}

async function streams(question: StreamsQuestion): Promise<StreamsTimings> {
  const { model } = current()
  const { newTokens } = question
  const start = performance.now()
  const heard = await Promise.all(
    prompts(question).map(async (inputIds) => {
      const times: number[] = []
      const asked = { inputIds, maxTokens: newTokens, temperature: 0, ignoreEos: true }
      for await (const event of model.stream(asked)) {
        if (event.type === 'text') times.push(performance.now())
      }
      return times
    }),
  )
  return {
    ms: performance.now() - start,
    firstMs: heard.map(([first = start]) => first - start),
    betweenMs: heard.flatMap((times) => times.slice(1).map((at, i) => at - (times[i] as number))),
  }
}

/** Prompts with the same beginning, or with beginnings of their own, to their first tokens. */
async function shared({ streams: count, beginning, own, seed, isShared }: SharedQuestion) {
  const { model } = current()
  const { vocabSize } = model.config.decoder
  const words = (name: number, length: number) =>
    promptIds(name, length, { first: FIRST_WORD, size: vocabSize })
  const before = model.stats().counters.prefilledTokens
  const start = performance.now()
  await model.generateBatch(
    Array.from({ length: count }, (_, i) => ({
      inputIds: [
        ...words(isShared ? seed : seed + 1000 + i, beginning),
        ...words(seed + 100 + i, own),
      ],
      maxTokens: 1,
      temperature: 0,
      ignoreEos: true,
    })),
  )
  const ms = performance.now() - start
  return { ms, computedTokens: model.stats().counters.prefilledTokens - before }
}
