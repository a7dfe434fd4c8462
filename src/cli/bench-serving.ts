/** `llava bench --serve`: how fast answers come when many ask at once, and what they cost one another. */
import type { GenerateRequest, Model } from '../index.ts'
import { fits, Words, type BenchPlan } from './bench-model.ts'
import { formatBytes, formatTable } from './format.ts'
import { formatMeasured, measured, type Measured } from './measure.ts'
import { spread, type Spread } from './spread.ts'
import type { Watched } from './watch-process.ts'

const PROMPT_TOKENS = 128
/** A beginning that all requests have, and what each adds. */
const SHARED = { streams: 8, beginning: 1000, own: 20 } as const

export type ServingSpeeds = {
  readonly streams: readonly {
    readonly streams: number
    /** Of all answers together, from the first request to the last token. */
    readonly tokensPerSecond: Measured
    readonly firstTokenMs: Spread
    /** From one piece of text to the next. */
    readonly betweenMs: Spread
    readonly meanRows: number
  }[]
  /** Requests with a common beginning: positions that were computed, and the time of as many requests that share nothing. */
  readonly shared: {
    readonly wantedTokens: number
    readonly computedTokens: number
    readonly ms: number
    readonly unsharedMs: number
  } | null
  /** A long prompt comes while answers run: the longest they wait for a piece, beside what they wait without it. */
  readonly joining: { readonly tokens: number; readonly betweenMs: Spread } | null
}

/** The first of the rounds warms up and does not count. */
export async function measureServing(model: Model, plan: BenchPlan): Promise<ServingSpeeds> {
  const words = new Words(model)
  const streams: ServingSpeeds['streams'][number][] = []
  for (const count of fits(PROMPT_TOKENS + 2, 'answers', { model, plan }) ? plan.streams : []) {
    plan.onStep(`measuring ${count} ${count === 1 ? 'stream' : 'streams'} …`)
    streams.push(await measureStreams(model, count, { plan, words }))
  }
  const longest = SHARED.beginning + SHARED.own + plan.tokens
  if (!fits(longest, 'long prompts', { model, plan })) {
    return { streams, shared: null, joining: null }
  }
  plan.onStep('measuring long prompts …')
  return {
    streams,
    shared: await measureShared(model, { plan, words }),
    joining: await measureJoining(model, { plan, words }),
  }
}

type Tools = { readonly plan: BenchPlan; readonly words: Words }
type Heard = {
  readonly firstTokenMs: number
  readonly betweenMs: readonly number[]
  /** Fewer than were wanted where the context ends. */
  readonly tokens: number
}

async function measureStreams(
  model: Model,
  count: number,
  { plan, words }: Tools,
): Promise<ServingSpeeds['streams'][number]> {
  const rates: number[] = []
  const heard: Heard[] = []
  let counters = model.stats().counters
  for (let round = 0; round <= plan.rounds; round++) {
    const start = performance.now()
    const answers = await Promise.all(
      Array.from({ length: count }, () => listen(model, request(words.take(PROMPT_TOKENS), plan))),
    )
    const ms = performance.now() - start
    plan.signal.throwIfAborted()
    if (round === 0) {
      counters = model.stats().counters
      continue
    }
    const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0)
    rates.push((tokens * 1000) / ms)
    heard.push(...answers)
  }
  const { steps, steppedRows } = model.stats().counters
  return {
    streams: count,
    tokensPerSecond: measured(rates),
    firstTokenMs: spread(heard.map(({ firstTokenMs }) => firstTokenMs)),
    betweenMs: spread(heard.flatMap(({ betweenMs }) => betweenMs)),
    meanRows: (steppedRows - counters.steppedRows) / (steps - counters.steps),
  }
}

async function measureShared(
  model: Model,
  { plan, words }: Tools,
): Promise<NonNullable<ServingSpeeds['shared']>> {
  const all = async (beginning: () => number[]) => {
    const before = model.stats().counters.prefilledTokens
    const start = performance.now()
    await model.generateBatch(
      Array.from({ length: SHARED.streams }, () => ({
        ...request([...beginning(), ...words.take(SHARED.own)], plan),
        maxTokens: 1,
      })),
    )
    plan.signal.throwIfAborted()
    const computedTokens = model.stats().counters.prefilledTokens - before
    return { ms: performance.now() - start, computedTokens }
  }
  const unshared = await all(() => words.take(SHARED.beginning))
  const common = words.take(SHARED.beginning)
  const shared = await all(() => common)
  const wantedTokens = SHARED.streams * (SHARED.beginning + SHARED.own)
  return { ...shared, wantedTokens, unsharedMs: unshared.ms }
}

async function measureJoining(
  model: Model,
  { plan, words }: Tools,
): Promise<NonNullable<ServingSpeeds['joining']>> {
  const streams = 4
  const running = Array.from({ length: streams }, () =>
    listen(model, request(words.take(PROMPT_TOKENS), plan)),
  )
  let hasEnded = false
  void Promise.race(running).then(() => (hasEnded = true))
  const isStarting = () => !hasEnded && model.stats().running < streams
  while (isStarting()) await new Promise((resolve) => setTimeout(resolve, 5))
  const long = request(words.take(SHARED.beginning), plan)
  await model.generate({ ...long, maxTokens: 1 })
  const heard = await Promise.all(running)
  plan.signal.throwIfAborted()
  const betweenMs = spread(heard.flatMap((one) => one.betweenMs))
  return { tokens: SHARED.beginning, betweenMs }
}

function request(inputIds: number[], { tokens, signal }: BenchPlan): GenerateRequest {
  return { inputIds, maxTokens: tokens, ignoreEos: true, signal }
}

/** When the pieces of one answer came. */
async function listen(model: Model, asked: GenerateRequest): Promise<Heard> {
  const start = performance.now()
  const times: number[] = []
  let tokens = 0
  for await (const event of model.stream(asked)) {
    if (event.type === 'text') times.push(performance.now())
    else tokens = event.usage.completionTokens
  }
  return {
    tokens,
    firstTokenMs: (times[0] ?? performance.now()) - start,
    betweenMs: times.slice(1).map((time, i) => time - (times[i] as number)),
  }
}

export function servingLines(report: {
  readonly model: string
  readonly precision: string
  readonly speeds: ServingSpeeds
  readonly memory: Watched['memory']
  readonly eventLoop: Watched['eventLoop']
}): string[] {
  const { speeds, memory, eventLoop } = report
  const { streams, shared, joining } = speeds
  const show = ({ p50, p99 }: Spread) => `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`
  const rows = [
    ['streams', 'tokens/s of all', 'first token p50 / p99', 'between p50 / p99', 'rows a step'],
    ...streams.map((one) => [
      String(one.streams),
      formatMeasured(one.tokensPerSecond),
      show(one.firstTokenMs),
      show(one.betweenMs),
      one.meanRows.toFixed(1),
    ]),
  ]
  return [
    `${report.model} in ${report.precision}: prompts of ${PROMPT_TOKENS} tokens`,
    ...formatTable(rows).map((line) => `  ${line}`),
    ...(shared
      ? [
          `${SHARED.streams} prompts with the same first ${SHARED.beginning} tokens: ${shared.computedTokens} of ${shared.wantedTokens} computed, ${(shared.ms / 1000).toFixed(2)} s; ${(shared.unsharedMs / 1000).toFixed(2)} s without a common beginning`,
        ]
      : []),
    ...(joining
      ? [
          `a prompt of ${joining.tokens} tokens beside 4 running answers: these wait ${show(joining.betweenMs)} for a piece, ${joining.betweenMs.most.toFixed(0)} ms at most`,
        ]
      : []),
    `${formatBytes(memory.peakBytes)} ${memory.kind} at most; event loop held up ${eventLoop.maxMs.toFixed(0)} ms at most, p99 ${eventLoop.p99Ms.toFixed(1)} ms`,
  ]
}
