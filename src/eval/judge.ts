/**
 * Asks a judge about answers: within limits, once for each content, and its words are data.
 *
 * What a judge says is read by the benchmark's rule and nothing else; what the rule cannot read, or what is out of its
 * range, is no verdict: it is counted, kept word for word, and scored as the official script scores it. Answers that seem
 * to speak to the judge are counted too: no prompt can keep a judge from listening to them.
 */
import { CapacityError } from '../core/errors.ts'
import type { Row } from './eval-file.ts'
import type { JudgeSpec, JudgeTask } from './judge-spec.ts'
import type { Picture } from './question.ts'
import { hashBytes, hashText } from './recipe-hash.ts'

export type Judge = {
  readonly name: string
  /** Model id and whatever else verdicts depend on: part of the recipe. */
  readonly identity: Readonly<Record<string, unknown>>
  ask(request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeReply>
}

export type JudgeRequest = {
  readonly messages: JudgeTask['messages']
  /** Files by path, or bytes. */
  readonly images: readonly (string | Uint8Array)[]
  readonly temperature: number
  readonly maxTokens: number
}

export type JudgeReply = {
  readonly text: string
  readonly promptTokens: number
  readonly completionTokens: number
  /** The version that a server says answered. */
  readonly model?: string
}

/** Replies by the hash of what was asked and of whom. */
export type JudgeCache = {
  get(key: string): JudgeReply | null
  set(key: string, reply: JudgeReply): void
}

export type JudgeLimits = {
  readonly calls?: number | undefined
  /** In whatever money the prices are in. */
  readonly cost?: number | undefined
  /** Of a million tokens. */
  readonly promptPrice?: number | undefined
  readonly completionPrice?: number | undefined
}

export type JudgeRun = {
  readonly spec: JudgeSpec
  readonly tasks: readonly JudgeTask[]
  readonly judge: Judge
  readonly cache: JudgeCache
  readonly limits: JudgeLimits
  /** Calls at the same time. */
  readonly concurrency: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (done: number, total: number) => void
}

export type Review = {
  readonly task: JudgeTask
  /** Null where the judge gave no verdict. */
  readonly verdict: Row | null
  readonly content: string
}

export type Judged = {
  readonly reviews: readonly Review[]
  readonly calls: number
  readonly cached: number
  readonly cost: number
  /** Versions that answered, as the server named them: one, if the model is pinned. */
  readonly versions: readonly string[]
  /** Replies that were no verdict, by question. */
  readonly nonsense: readonly { readonly id: string; readonly content: string }[]
  /** Questions whose answer holds words that seem meant for the judge. */
  readonly suspicious: readonly string[]
}

/** Throws CapacityError where a limit is reached or the judge is gone; what was judged is in the cache. */
export async function runJudge(run: JudgeRun): Promise<Judged> {
  const { tasks, concurrency } = run
  const spent = new Spent(run.limits)
  const reviews: Review[] = []
  let next = 0
  let done = 0
  const work = async () => {
    while (next < tasks.length) {
      const i = next++
      run.signal?.throwIfAborted()
      reviews[i] = await reviewTask(tasks[i] as JudgeTask, run, spent)
      run.onProgress?.(++done, tasks.length)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, tasks.length) }, work))
  return {
    reviews,
    calls: spent.calls,
    cached: spent.cached,
    cost: spent.cost,
    versions: [...spent.versions].sort(),
    nonsense: reviews
      .filter(({ verdict }) => verdict === null)
      .map(({ task, content }) => ({ id: task.id, content })),
    suspicious: tasks.filter(isSuspicious).map(({ id }) => id),
  }
}

/** The lines, or the one value, that the benchmark's scorer reads. */
export function reviewText(spec: JudgeSpec, reviews: readonly Review[]): string {
  const rows = reviews.map(({ task, verdict, content }) => ({
    ...task.fields,
    ...(verdict ?? task.unread),
    content,
  }))
  if (spec.collect) return `${JSON.stringify(spec.collect(rows), null, 2)}\n`
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

async function reviewTask(task: JudgeTask, run: JudgeRun, spent: Spent): Promise<Review> {
  if (task.known) return { task, verdict: task.known, content: '' }
  const { spec } = run
  let content = ''
  for (const temperature of [spec.temperature, ...(spec.retryTemperatures ?? [])]) {
    content = (await askOnce(task, temperature, run, spent)).text
    const verdict = spec.read(content, task)
    if (verdict) return { task, verdict, content }
  }
  return { task, verdict: null, content }
}

async function askOnce(
  task: JudgeTask,
  temperature: number,
  { spec, judge, cache, signal }: JudgeRun,
  spent: Spent,
): Promise<JudgeReply> {
  const request: JudgeRequest = {
    messages: task.messages,
    images: (await Promise.all((task.images ?? []).map(readPicture))).filter((one) => one !== null),
    temperature,
    maxTokens: spec.maxTokens,
  }
  const key = await keyOf(judge, request)
  const before = cache.get(key)
  if (before) {
    spent.cached++
    spent.name(before)
    return before
  }
  spent.begin()
  const reply = await judge.ask(request, signal)
  spent.end(reply)
  spent.name(reply)
  cache.set(key, reply)
  return reply
}

async function readPicture(picture: Picture): Promise<string | Uint8Array | null> {
  return typeof picture === 'function' ? picture() : picture
}

async function keyOf(
  judge: Judge,
  { messages, images, temperature, maxTokens }: JudgeRequest,
): Promise<string> {
  const hashes = await Promise.all(
    images.map((one) => (one instanceof Uint8Array ? hashBytes(one) : String(one))),
  )
  return hashText(JSON.stringify([judge.identity, messages, hashes, temperature, maxTokens]))
}

/** What was called and paid for; refuses the call that would pass a limit. */
class Spent {
  calls = 0
  cached = 0
  cost = 0
  readonly versions = new Set<string>()
  readonly #limits: JudgeLimits

  constructor(limits: JudgeLimits) {
    this.#limits = limits
  }

  begin(): void {
    const { calls = Number.POSITIVE_INFINITY, cost = Number.POSITIVE_INFINITY } = this.#limits
    if (this.calls >= calls || this.cost >= cost) {
      const limits = [
        ...(Number.isFinite(calls) ? [`${calls} calls`] : []),
        ...(Number.isFinite(cost) ? [`a cost of ${cost}`] : []),
      ]
      throw new CapacityError(
        'CAPACITY_JUDGE_BUDGET',
        `eval: the judge should take at most ${limits.join(' and ')}, that is used up (${this.calls} calls, ${this.cost.toFixed(4)}); raise the limit and run the same command again, what was judged is kept.`,
      )
    }
    this.calls++
  }

  name({ model }: JudgeReply): void {
    if (model !== undefined) this.versions.add(model)
  }

  end({ promptTokens, completionTokens }: JudgeReply): void {
    const { promptPrice = 0, completionPrice = 0 } = this.#limits
    this.cost += (promptTokens * promptPrice + completionTokens * completionPrice) / 1e6
  }
}

/** The marks of the judges' own protocols, and demands for a score. */
const MARKS = [/\[End of Assistant/i, /\[System\]/i, /ignore (?:all |the )?(?:previous|above)/i]
const DEMAND =
  /\b(?:give|rate|score|grade|award)\b[^.\n]{0,60}\b(?:10|ten|full marks|highest|perfect)\b/i

function isSuspicious(task: JudgeTask): boolean {
  return [...MARKS, DEMAND].some((form) => form.test(task.answer))
}
