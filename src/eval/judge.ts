/**
 * Asks a judge about answers: within limits, once for each content, and its words are data.
 *
 * What a judge says is read by the benchmark's rule and nothing else; what the rule cannot read, or what is out of its
 * range, is no verdict: it is counted, kept word for word, and scored as the official script scores it. Answers that seem
 * to speak to the judge are counted too: no prompt can keep a judge from listening to them.
 */
import { CapacityError, InputError } from '../core/errors.ts'
import { isOfServer } from '../serve/remote/endpoint.ts'
import { AttemptsFailed } from '../serve/remote/patience.ts'
import type { Row } from './eval-file.ts'
import { JudgeBudget, type JudgeLimits } from './judge-budget.ts'
import type { JudgeSpec, JudgeTask } from './judge-spec.ts'
import type { Picture } from './question.ts'
import { hashBytes, hashText } from './recipe-hash.ts'
import { speaksToJudge } from './speaks-to-judge.ts'

export type Judge = {
  readonly name: string
  /** Where it is, to tell it from another of its name: an address without keys, or a folder. */
  readonly place?: string
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
  /** The server did not say how many tokens there were. */
  readonly isUncounted?: boolean
  /** The version that a server says answered. */
  readonly model?: string
  /** It was drawn at the judge's own temperature: it takes no other. */
  readonly isOwnTemperature?: true
}

/** Replies by the hash of what was asked and of whom. */
export type JudgeCache = {
  get(key: string): JudgeReply | null
  set(key: string, reply: JudgeReply): void
}

export type JudgeRun = {
  readonly spec: JudgeSpec
  readonly tasks: readonly JudgeTask[]
  readonly judge: Judge
  readonly cache: JudgeCache
  readonly limits?: JudgeLimits
  /** In place of limits of its own: what several runs may take together. */
  readonly budget?: JudgeBudget
  /** Calls at the same time. */
  readonly concurrency: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (done: number, total: number) => void
  /** What a picture's file holds, as a hash: replies are kept by it, wherever the file lies. */
  readonly hashPicture: (path: string) => Promise<string>
}

export type Review = {
  readonly task: JudgeTask
  /** Null where the judge gave no verdict. */
  readonly verdict: Row | null
  readonly content: string
  readonly isOwnTemperature?: true
}

export type Judged = {
  readonly reviews: readonly Review[]
  readonly calls: number
  readonly cached: number
  readonly cost: number
  /** Versions that answered, as the server named them: one, if the model is pinned. */
  readonly versions: readonly string[]
  /** Where they are several, how many replies are of each, kept ones included. */
  readonly repliesOf?: Readonly<Record<string, number>>
  /** Some replies were drawn at the judge's own temperature. */
  readonly isOwnTemperature?: true
  /** Replies that were no verdict, by question. */
  readonly nonsense: readonly { readonly id: string; readonly content: string }[]
  /** Questions whose answer holds words that seem meant for the judge. */
  readonly suspicious: readonly string[]
}

/**
 * A question that the judge refuses, fails at, or answers without a text, has no verdict; the others go on. Throws CapacityError where
 * a limit is reached or the judge is gone, busy or fails at everything, and InputError where it refuses everything; what was judged
 * is in the cache.
 */
export async function runJudge(run: JudgeRun): Promise<Judged> {
  const { tasks, concurrency } = run
  const budget = run.budget ?? new JudgeBudget(run.limits)
  const spent = new Spent(budget, {
    name: run.judge.name,
    mostFailures: MOST_FAILURES * concurrency,
  })
  const reviews: Review[] = []
  const faults: unknown[] = []
  let next = 0
  let done = 0
  const work = async () => {
    // What is under way when another fails is waited for: it is paid for, and kept.
    while (next < tasks.length && faults.length === 0) {
      const i = next++
      try {
        run.signal?.throwIfAborted()
        reviews[i] = await reviewTask(tasks[i] as JudgeTask, run, spent)
        run.onProgress?.(++done, tasks.length)
      } catch (error) {
        faults.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, tasks.length) }, work))
  if (faults.length > 0) throw faults[0]
  spent.checkReplies(0)
  return {
    reviews,
    calls: spent.calls,
    cached: spent.cached,
    cost: spent.cost,
    versions: [...spent.versions.keys()].sort(),
    ...(spent.versions.size > 1
      ? { repliesOf: Object.fromEntries([...spent.versions].sort()) }
      : {}),
    ...(reviews.some((one) => one.isOwnTemperature) ? { isOwnTemperature: true } : {}),
    nonsense: reviews
      .filter(({ task, verdict }) => verdict === null && task.isMissing !== true)
      .map(({ task, content }) => ({ id: task.id, content })),
    suspicious: tasks.filter(({ answer }) => speaksToJudge(answer)).map(({ id }) => id),
  }
}

/** The lines, or the one value, that the benchmark's scorer reads; a question without an answer is `missing` there. */
export function reviewText(spec: JudgeSpec, reviews: readonly Review[]): string {
  const verdicts = reviews.flatMap(({ verdict }) => (verdict ? [verdict] : []))
  const missing = spec.missing?.(verdicts)
  const rows = reviews.map(({ task, verdict, content, isOwnTemperature }) => ({
    ...task.fields,
    ...(task.isMissing ? { ...(missing ?? task.unread), missing: true } : (verdict ?? task.unread)),
    ...(task.isMissing ? {} : { given: task.answer }),
    content,
    ...(isOwnTemperature ? { isOwnTemperature } : {}),
  }))
  if (spec.collect) return `${JSON.stringify(spec.collect(rows), null, 2)}\n`
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

async function reviewTask(task: JudgeTask, run: JudgeRun, spent: Spent): Promise<Review> {
  if (task.isMissing) return { task, verdict: null, content: '' }
  if (task.known) return { task, verdict: task.known, content: '' }
  const { spec } = run
  let review: Review = { task, verdict: null, content: '' }
  for (const temperature of [spec.temperature, ...(spec.retryTemperatures ?? [])]) {
    const said = await askOnce(task, temperature, run, spent)
    if (said instanceof Error) {
      spent.goWithout(said)
      return { task, verdict: null, content: said.message }
    }
    const { text: content, isOwnTemperature } = said
    const verdict = spec.read(content, task)
    review = { task, verdict, content, ...(isOwnTemperature ? { isOwnTemperature } : {}) }
    // At its own temperature it would be asked the very same again.
    if (verdict || isOwnTemperature) break
  }
  return review
}

/** The reply, or why there is none to this question; that is not kept. */
async function askOnce(
  task: JudgeTask,
  temperature: number,
  { spec, judge, cache, signal, hashPicture }: JudgeRun,
  spent: Spent,
): Promise<JudgeReply | Faulted> {
  const request: JudgeRequest = {
    messages: task.messages,
    images: (await Promise.all((task.images ?? []).map(readPicture))).filter((one) => one !== null),
    temperature,
    maxTokens: spec.maxTokens,
  }
  const key = await keyOf(judge, request, hashPicture)
  const before = cache.get(key)
  if (before) {
    spent.cached++
    spent.name(before)
    return before
  }
  await spent.begin()
  const reply = await judge.ask(request, signal).catch((error: unknown) => {
    spent.end(null)
    if (isOfQuestion(error)) return error
    throw error
  })
  if (reply instanceof Error) return reply
  cache.set(key, reply)
  spent.name(reply)
  spent.end(reply)
  return reply
}

/** Why one question has no reply. */
type Faulted = InputError | AttemptsFailed

/** Whether others may have a reply: the server refuses this one, or it is there and fails at it. */
function isOfQuestion(error: unknown): error is Faulted {
  if (error instanceof AttemptsFailed) return error.presence === 'failed'
  return error instanceof InputError && !isOfServer(error)
}

async function readPicture(picture: Picture): Promise<string | Uint8Array | null> {
  return typeof picture === 'function' ? picture() : picture
}

async function keyOf(
  judge: Judge,
  { messages, images, temperature, maxTokens }: JudgeRequest,
  hashPicture: JudgeRun['hashPicture'],
): Promise<string> {
  const hashes = await Promise.all(
    images.map((one) => (one instanceof Uint8Array ? hashBytes(one) : hashPicture(one))),
  )
  return hashText(JSON.stringify([judge.identity, messages, hashes, temperature, maxTokens]))
}

/** So many refusals without a single reply are not of the questions. */
const MOST_REFUSALS = 3

/** So many times `concurrency` questions may fail in a row; then the judge is taken for gone, as an engine is. */
const MOST_FAILURES = 3

/** What one run of a judge took. */
class Spent {
  calls = 0
  cached = 0
  cost = 0
  /** Replies by the version that gave them. */
  readonly versions = new Map<string, number>()
  readonly #budget: JudgeBudget
  readonly #judge: { readonly name: string; readonly mostFailures: number }
  #replies = 0
  /** Since the last reply. */
  #failures = 0
  readonly #faults: Faulted[] = []

  constructor(
    budget: JudgeBudget,
    judge: { readonly name: string; readonly mostFailures: number },
  ) {
    this.#budget = budget
    this.#judge = judge
  }

  async begin(): Promise<void> {
    await this.#budget.begin()
    this.calls++
  }

  end(reply: JudgeReply | null): void {
    this.cost += this.#budget.end(reply)
  }

  /** Of kept replies too: the same run ends the same way when it is called again. */
  name({ model }: JudgeReply): void {
    this.#replies++
    this.#failures = 0
    if (model !== undefined) this.versions.set(model, (this.versions.get(model) ?? 0) + 1)
  }

  /** A question has no reply. */
  goWithout(error: Faulted): void {
    this.#faults.push(error)
    if (error instanceof InputError) return this.checkReplies(MOST_REFUSALS - 1)
    if (++this.#failures >= this.#judge.mostFailures) throw this.#down(error)
  }

  /** Throws the first fault where there are more than so many, and no reply at all. */
  checkReplies(most: number): void {
    const [first] = this.#faults
    if (first && this.#faults.length > most && this.#replies === 0) throw first
  }

  #down({ message }: Error): CapacityError {
    return new CapacityError(
      'CAPACITY_JUDGE_DOWN',
      `eval: ${this.#judge.name} should judge, it failed at ${this.#failures} questions in a row (${message}); mend it and run the same command again, what was judged is kept.`,
    )
  }
}
