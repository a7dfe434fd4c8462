/** Many who ask at once: throughput, waiting, what they share, what HTTP and forms cost, beside llama.cpp. */
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { SMOLLM2, type DecoderShape } from '../models/shapes.ts'
import { median, type Contender, type Measurement } from '../rounds.ts'
import type { Comparison, Row } from '../row.ts'
import { WorkerProcess } from '../worker-process.ts'
import type {
  SharedQuestion,
  StreamsQuestion,
  StreamsTimings,
} from '../workers/serving-protocol.ts'
import { batching, GGUF_TYPES } from './contenders.ts'
import {
  contest,
  decoder7b,
  fewRounds,
  sized,
  tokensOf,
  type Context,
  type RowMaker,
} from './context.ts'

const STREAMS = [1, 4, 8, 16] as const

type Kind = { readonly name: string; readonly shapeOf: (context: Context) => DecoderShape }

const KINDS: readonly Kind[] = [
  { name: 'smollm2', shapeOf: (context) => sized(context, SMOLLM2) },
  { name: '7b', shapeOf: decoder7b },
]

export const servingRows: readonly RowMaker[] = [
  ...KINDS.flatMap((kind) => [
    ...STREAMS.map((count): RowMaker => ({
      name: `serve-${kind.name}-${count}`,
      make: (context) => streamsRow(context, kind, count),
    })),
    row(kind, 'shared', sharedRow),
    row(kind, 'http', httpRow),
    row(kind, 'event-loop', eventLoopRow),
  ]),
  { name: 'serve-llama-8', make: llamaRow },
  row(KINDS[0] as Kind, 'constraint', constraintRow),
]

function row(
  kind: Kind,
  what: string,
  make: (context: Context, kind: Kind) => Promise<Row>,
): RowMaker {
  return { name: `serve-${kind.name}-${what}`, make: (context) => make(context, kind) }
}

type Serving = { readonly worker: WorkerProcess; readonly url: string }

async function withServing<T>(
  context: Context,
  kind: Kind,
  use: (serving: Serving, shape: DecoderShape) => Promise<T>,
): Promise<T> {
  const { lineUp, options } = context
  const shape = kind.shapeOf(context)
  const folder = await lineUp.checkpoint(shape)
  const path = fileURLToPath(new URL('../workers/serving.js', import.meta.url))
  const worker = new WorkerProcess('serving', { command: process.execPath, args: [path] })
  try {
    const loading = { folder, options: { precision: 'int8', threads: options.threads } }
    const { url } = await worker.ask<{ url: string }>('load', loading)
    return await use({ worker, url }, shape)
  } finally {
    await worker.close()
  }
}

function questionOf(context: Context, streams: number): (round: number) => StreamsQuestion {
  const promptTokens = tokensOf(context, 128)
  const newTokens = tokensOf(context, 64)
  return (round) => ({ streams, promptTokens, newTokens, seed: 5000 + 100 * round })
}

function streamsRow(context: Context, kind: Kind, count: number): Promise<Row> {
  return withServing(context, kind, async ({ worker }, shape) => {
    const question = questionOf(context, count)
    const firstMs: number[] = []
    const betweenMs: number[] = []
    const ours: Contender = {
      label: `llava-ts int8, ${count} streams`,
      async sample(round) {
        const asked = question(round)
        const timings = await worker.ask<StreamsTimings>('streams', asked)
        if (round > 0) {
          firstMs.push(...timings.firstMs)
          betweenMs.push(...timings.betweenMs)
        }
        return timings.ms / (count * asked.newTokens)
      },
    }
    const { promptTokens, newTokens } = question(0)
    const measured = await contest({
      name: `serve-${kind.name}-${count}`,
      what: `${count} requests of ${promptTokens} tokens at once, ${newTokens} tokens each; a token of any, prompts included, ${shape.name}`,
      unit: 'ms/token',
      ours: [ours],
      groups: [],
      rounds: fewRounds(context),
    })
    const rate = measured.ours.samples.map((ms) => 1000 / ms).toSorted((a, b) => a - b)
    return {
      ...measured,
      notes: [
        `${figure(rate[rate.length >> 1] ?? 0)} tokens/s of all`,
        `first token ${spread(firstMs)}`,
        `between tokens ${spread(betweenMs)}`,
      ],
    }
  })
}

function sharedRow(context: Context, kind: Kind): Promise<Row> {
  return withServing(context, kind, async ({ worker }, shape) => {
    const sizes = { streams: 8, beginning: tokensOf(context, 1000), own: 20 }
    const computed = new Map<boolean, number>()
    const contender = (label: string, isShared: boolean): Contender => ({
      label,
      async sample(round) {
        const asked: SharedQuestion = { ...sizes, seed: 7000 + 10_000 * round, isShared }
        const { ms, computedTokens } = await worker.ask<{ ms: number; computedTokens: number }>(
          'shared',
          asked,
        )
        computed.set(isShared, computedTokens)
        return ms
      },
    })
    const measured = await contest({
      name: `serve-${kind.name}-shared`,
      what: `${sizes.streams} prompts with the same first ${sizes.beginning} tokens and ${sizes.own} of their own, to their first tokens, ${shape.name}`,
      unit: 'ms',
      ours: [contender('llava-ts int8', true)],
      groups: [{ contenders: [contender('nothing shared', false)] }],
      rounds: fewRounds(context),
    })
    const once = sizes.beginning + sizes.streams * sizes.own
    return {
      ...measured,
      notes: [
        `${computed.get(true)} tokens computed, ${once} if the beginning costs once; ${computed.get(false)} where nothing is shared`,
      ],
    }
  })
}

/** HTTP may cost this share of the library's time. */
const HTTP_SHARE = 0.03

function httpRow(context: Context, kind: Kind): Promise<Row> {
  return withServing(context, kind, async (serving, shape) => {
    const question = questionOf(context, 8)
    const { worker } = serving
    const onMainThread = { library: [] as number[], http: [] as number[] }
    const whoAsks: number[] = []
    /** What `ask` takes, and in `spent` what it takes of the server's main thread. */
    const counted = async (round: number, spent: number[], ask: () => Promise<number>) => {
      const before = await worker.ask<number | null>('mainThreadMs')
      const ms = await ask()
      const after = await worker.ask<number | null>('mainThreadMs')
      if (round > 0 && before !== null && after !== null) spent.push(after - before)
      return ms
    }
    const library: Contender = {
      label: 'the library',
      sample: (round) =>
        counted(round, onMainThread.library, async () => {
          const { ms } = await worker.ask<StreamsTimings>('streams', question(2 * round))
          return ms
        }),
    }
    const http: Contender = {
      label: 'over HTTP, streamed',
      sample: (round) =>
        counted(round, onMainThread.http, async () => {
          const before = process.cpuUsage()
          const ms = await askOverHttp(serving, question(2 * round + 1))
          const { user, system } = process.cpuUsage(before)
          whoAsks.push((user + system) / 1000)
          return ms
        }),
    }
    const measured = await contest({
      name: `serve-${kind.name}-http`,
      what: `8 requests at once, streamed over HTTP to another process, beside the library, ${shape.name}`,
      unit: 'ms',
      ours: [http],
      groups: [{ contenders: [library], bar: 1 / (1 + HTTP_SHARE) }],
      rounds: context.options.rounds,
    })
    if (onMainThread.http.length === 0) return measured
    const [over, without, asking] = [onMainThread.http, onMainThread.library, whoAsks].map(
      (samples) => figure(median({ samples })),
    )
    return {
      ...measured,
      notes: [
        `processor time: on the server's main thread ${over} ms, in the library ${without} ms; of the process that asks ${asking} ms, on the same cores`,
      ],
    }
  })
}

async function askOverHttp({ worker, url }: Serving, question: StreamsQuestion): Promise<number> {
  const prompts = await worker.ask<number[][]>('ids', question)
  const agent = new Agent({ keepAlive: true })
  const start = performance.now()
  await Promise.all(prompts.map((prompt) => post(url, agent, { prompt, ...question })))
  const ms = performance.now() - start
  agent.destroy()
  return ms
}

/** Reads a stream to its end, and nothing in it: what is measured is the server. */
function post(
  url: string,
  agent: Agent,
  { prompt, newTokens }: { readonly prompt: number[]; readonly newTokens: number },
): Promise<void> {
  const body = JSON.stringify({
    prompt,
    max_tokens: newTokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
  })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const asked = request(
      `${url}/v1/completions`,
      { method: 'POST', agent, headers },
      (response) => {
        let end = ''
        response.on('data', (piece: Buffer) => (end = piece.toString('latin1').slice(-20)))
        response.on('end', () => {
          if (response.statusCode === 200 && end.includes('[DONE]')) resolve()
          else reject(new Error(`bench: HTTP ${response.statusCode} ended with ${end}`))
        })
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

function eventLoopRow(context: Context, kind: Kind): Promise<Row> {
  return withServing(context, kind, async (serving, shape) => {
    const samples: number[] = []
    for (let round = 0; round <= context.options.rounds; round++) {
      await serving.worker.ask('watchDelay')
      await askOverHttp(serving, questionOf(context, 16)(50 + round))
      const ms = await serving.worker.ask<number>('delay')
      if (round > 0) samples.push(ms)
    }
    return {
      name: `serve-${kind.name}-event-loop`,
      what: `the longest stop of the event loop while 16 are answered over HTTP, ${shape.name}`,
      unit: 'ms',
      ours: { samples },
      limit: 50,
    }
  })
}

/** The text path at eight streams, prompts read beforehand on both sides. */
async function llamaRow(context: Context): Promise<Row> {
  const { lineUp } = context
  const shape = sized(context, SMOLLM2)
  const promptTokens = tokensOf(context, 128)
  const newTokens = tokensOf(context, 65)
  const question = (round: number) => ({
    streams: 8,
    promptTokens,
    newTokens,
    seed: 900 + 10 * round,
  })
  const folder = await lineUp.checkpoint(shape)
  const ours = await lineUp.ours(folder, { precision: 'int8' })
  const peers: Contender[] = []
  for (const type of GGUF_TYPES) {
    const contextSize = promptTokens + newTokens + 8
    const worker = await lineUp.llama(shape, type, { contextSize, streams: 8 })
    if (worker) peers.push(batching(`llama.cpp ${type}, 8 streams`, worker, question))
  }
  return contest({
    name: 'serve-llama-8',
    what: `8 streams after ${promptTokens} tokens each, a token of any stream, ${shape.name}`,
    unit: 'ms/token',
    ours: [batching('llava-ts int8, 8 streams', ours, question)],
    groups: [{ contenders: peers, bar: 1.3 }],
    rounds: context.options.rounds,
  })
}

type Forms = {
  readonly vocabSize: number
  readonly forms: readonly {
    readonly form: string
    readonly costMs: { readonly p50: number; readonly p99: number; readonly most: number }
  }[]
}

function constraintRow(context: Context, kind: Kind): Promise<Row> {
  return withServing(context, kind, async ({ worker }) => {
    const { vocabSize, forms } = await worker.ask<Forms>('constraint', {
      rounds: context.options.rounds,
    })
    const [first, ...others] = forms.toSorted((a, b) => b.costMs.p99 - a.costMs.p99)
    if (!first) throw new Error('bench: no form was measured.')
    const p99 = (one: typeof first): Measurement => ({ samples: [one.costMs.p99] })
    return {
      name: `serve-${kind.name}-constraint`,
      what: `a form's cost of a token, p99, of ${vocabSize} tokens; the dearest is ${first.form}`,
      unit: 'ms',
      ours: p99(first),
      limit: 1,
      comparisons: others.map((one): Comparison => ({ label: one.form, measured: p99(one) })),
      notes: forms.map(
        ({ form, costMs }) =>
          `${form}: p50 ${costMs.p50.toFixed(3)} ms, p99 ${costMs.p99.toFixed(3)} ms, at most ${costMs.most.toFixed(2)} ms`,
      ),
    }
  })
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return `p50 ${figure(at(0.5))} ms, p99 ${figure(at(0.99))} ms`
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
