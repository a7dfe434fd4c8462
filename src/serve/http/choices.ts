/** Answers to one request through the queue: one stream of events for all choices, with the counting that goes with it. */
import type { Answer, StreamEvent, Usage } from '../answer.ts'
import { PromptFailure } from './body-fields.ts'
import { HttpError } from './http-error.ts'
import type { ServedModel, ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import type { Caller, Exchange, ServerContext } from './server-context.ts'

export type ChoiceEvent = { readonly index: number; readonly event: StreamEvent }

export type Asked = {
  readonly model: ServedModel
  /** One for each choice. */
  readonly requests: readonly ServedRequest[]
  /** So many in a row answer one prompt, which counts once. Default 1. */
  readonly n?: number
}

/**
 * As many requests as choices: choice i is what the request gives alone with seed + i, where it has a seed. Behind the largest
 * seed comes the smallest.
 */
export function choiceRequests(request: ServedRequest, choices: number): ServedRequest[] {
  const { seed } = request
  return Array.from({ length: choices }, (_, i) =>
    i === 0 || seed === undefined ? request : { ...request, seed: seedAfter(seed, i) },
  )
}

function seedAfter(seed: number, steps: number): number {
  const left = Number.MAX_SAFE_INTEGER - seed
  return steps <= left ? seed + steps : Number.MIN_SAFE_INTEGER + (steps - left - 1)
}

/** Throws HttpError where one request asks for more answers than it may. */
export function checkCount(count: number, path: string, { maxChoices }: ServerConfig): void {
  if (count <= maxChoices) return
  throw new HttpError(
    400,
    'INPUT_OPTION',
    `${path}: prompts times n should be at most ${maxChoices}, ${count} came; send several requests.`,
  )
}

/** The events of all choices as they come. Throws what the model throws, and AbortError where the exchange ended. */
export async function* choiceEvents(
  context: ServerContext,
  { model, requests, n = 1 }: Asked,
  exchange: Exchange,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const { admission, metrics } = context
  const { signal, caller } = exchange
  const queued = performance.now()
  // All come from one body.
  const { priority = 0 } = requests[0] ?? {}
  const free = await admission.enter({ answers: requests.length, priority }, signal)
  metrics.queueSeconds.observe((performance.now() - queued) / 1000)
  try {
    const streams = requests.map((request, index) => {
      const events = model.stream({ ...request, ...saltOf(request, caller), signal })
      const isFirst = index % n === 0
      const count = (answer: Answer) => countAnswer(context, exchange, { answer, isFirst })
      return counted(events, { count, prompt: Math.floor(index / n) })
    })
    for await (const choice of merge(streams, exchange.leave)) {
      const { event } = choice
      // The library answers an abort with what there was; a client must not take that for the whole.
      if (event.type === 'done' && event.finishReason === 'abort') signal.throwIfAborted()
      yield choice
    }
  } finally {
    free()
    exchange.end()
  }
}

type Counted = { readonly count: (answer: Answer) => void; readonly prompt: number }

/** The same events; `count` hears the answer, whoever else still listens. What is thrown is told to be of the prompt. */
async function* counted(
  events: AsyncIterable<StreamEvent>,
  { count, prompt }: Counted,
): AsyncGenerator<StreamEvent, void, undefined> {
  try {
    for await (const event of events) {
      if (event.type === 'done') count(event)
      yield event
    }
  } catch (error) {
    throw new PromptFailure(error, prompt)
  }
}

/** `isFirst`: of the answers to its prompt, which counts once. */
function countAnswer(
  { metrics, limits, log }: ServerContext,
  { id, caller }: Exchange,
  { answer, isFirst }: { readonly answer: Answer; readonly isFirst: boolean },
): void {
  const { finishReason, usage, timings } = answer
  metrics.countAnswer(answer, { isFirst })
  limits.spend(caller, isFirst ? usage : { ...usage, promptTokens: 0 })
  log('info', { event: 'answer', request: id, finishReason, usage, timings })
}

/** Callers with keys share nothing with one another, whatever salts they name. */
function saltOf({ cacheSalt = '' }: ServedRequest, { salt }: Caller): { cacheSalt?: string } {
  return salt === '' && cacheSalt === '' ? {} : { cacheSalt: JSON.stringify([salt, cacheSalt]) }
}

/** Whole answers, in order of the choices. */
export async function collectChoices(
  events: AsyncIterable<ChoiceEvent>,
  choices: number,
): Promise<Answer[]> {
  const answers: Answer[] = []
  for await (const { index, event } of events) if (event.type === 'done') answers[index] = event
  if (answers.length === choices && answers.every(Boolean)) return answers
  throw new Error(`internal: ${answers.length} of ${choices} answers came`)
}

/** Of a request as a whole: each prompt counts once, its `choices` answers all. */
export function totalUsage(answers: readonly Answer[], choices: number): Usage {
  const total = { promptTokens: 0, imageTokens: 0, cachedTokens: 0, completionTokens: 0 }
  for (const [i, { usage }] of answers.entries()) {
    total.completionTokens += usage.completionTokens
    if (i % choices !== 0) continue
    total.promptTokens += usage.promptTokens
    total.imageTokens += usage.imageTokens
    total.cachedTokens += usage.cachedTokens
  }
  return total
}

/**
 * Events of several streams in the order in which they come. Leaving early, or one that fails, stops the others, whose last
 * events are waited for: what they have cost is counted too.
 */
async function* merge(
  streams: readonly AsyncIterable<StreamEvent>[],
  stop: () => void,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  const next = async (index: number) => {
    const result = await (iterators[index] as AsyncIterator<StreamEvent>).next()
    return { index, result }
  }
  const pending = new Map(iterators.map((_, index) => [index, next(index)]))
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values())
      if (result.done) pending.delete(index)
      else {
        pending.set(index, next(index))
        yield { index, event: result.value }
      }
    }
  } finally {
    if (pending.size > 0) stop()
    // One that failed has told why.
    await Promise.allSettled(
      [...pending].map(async ([index, waiting]) => {
        for (let { result } = await waiting; !result.done; { result } = await next(index));
      }),
    )
  }
}
