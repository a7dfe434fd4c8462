/**
 * Labelling in bulk: prompts asked about every item of an input, by one engine or several, with the answers in one file.
 *
 * The work is in a queue on a database (`work-queue.ts`), so that a run that was killed goes on, and several machines
 * share it. The input is listed into the queue while the first items are already asked. When all are done, the answers
 * are written in the order of the input: the file does not depend on who did what when.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { anySignal } from '../core/any-signal.ts'
import { CapacityError, InputError } from '../core/errors.ts'
import { nextTurn } from '../core/steps.ts'
import type { LabelRow } from './answer-columns.ts'
import { ErrorCount } from './error-limit.ts'
import { checkInputOptions, checkTables, inputsFingerprint, openInputs } from './inputs-node.ts'
import type { LabelInput, LabelItem } from './item.ts'
import { modelEngine, serverEngine, type LabelEngine } from './label-engine.ts'
import type { LabelEvent, LabelHooks } from './label-events.ts'
import {
  LABEL_DEFAULTS,
  readLabelOptions,
  type LabelEngineOptions,
  type LabelOptions,
  type LabelPlan,
} from './label-options.ts'
import { openLibsql } from './libsql-database-node.ts'
import { listItems } from './list-items-node.ts'
import { ItemOpener, readWhole } from './open-items-node.ts'
import { ShardFiles } from './shard-files-node.ts'
import { isAlive, newOwner } from './owner-node.ts'
import { Pace } from './pace.ts'
import { openPostgres } from './postgres-database-node.ts'
import { runEngines, type EngineTally } from './run-engines.ts'
import { openQueue } from './sql-queue.ts'
import type { QueueCounts, RunRecipe, WorkQueue } from './work-queue.ts'
import { checkPlace, writeLabels } from './write-labels-node.ts'

export type LabelReport = {
  /** Of the whole run, whoever did them. */
  readonly items: number
  readonly failed: number
  /** Files of the input that are neither pictures nor clips. */
  readonly skipped: number
  /** What this call did, by engine. */
  readonly engines: readonly EngineTally[]
  /** Errors of this call by their codes: one for each prompt that has none. */
  readonly errors: Readonly<Record<string, number>>
  readonly seconds: number
  readonly itemsPerSecond: number
  /** Rows that were written; null where no file was asked for. */
  readonly rows: number | null
}

/**
 * Runs until all items are done or failed. Throws the signal's reason when aborted, CapacityError where too many items
 * fail or no engine answers, InputError for what cannot be read or contradicts itself. Whatever it throws, the same call
 * goes on where it ended.
 */
export async function label(options: LabelOptions, hooks: LabelHooks = {}): Promise<LabelReport> {
  const plan = readLabelOptions(options, hooks)
  const { onEvent = () => {}, signal = new AbortController().signal } = hooks
  const inputs = openInputs(plan.input)
  checkInputOptions(inputs, plan)
  await checkTables(inputs)
  const recipe = await recipeOf(plan, inputs)
  await checkOut(plan)
  const engines = new Engines(plan)
  const names = await engines.names(signal)
  const queue = await queueOf(plan, { ...recipe, models: names })
  const run = new LabelRun({ plan, inputs, engines, queue, onEvent, signal })
  try {
    return await run.report()
  } finally {
    await queue.close()
  }
}

type RunParts = {
  readonly plan: LabelPlan
  readonly inputs: readonly LabelInput[]
  readonly engines: Engines
  readonly queue: WorkQueue
  readonly onEvent: (event: LabelEvent) => void
  readonly signal: AbortSignal
}

/** An engine that says nothing for so long is told of. */
const SILENCE_MS = 60_000
/** Items that go into the queue together: its file holds everything else up meanwhile. */
const LISTED_TOGETHER = 100
/** What others do shows after so long; where counting takes long, over millions of items, it is a fiftieth of the time. */
const RECOUNT_MS = 2000
const COUNTING_SHARE = 50

class LabelRun {
  readonly #parts: RunParts
  readonly #errors: ErrorCount
  readonly #start = performance.now()
  #counts: QueueCounts = { items: 0, done: 0, failed: 0, leased: 0 }
  #isListed = false
  #doneHere = 0
  #pace = new Pace(() => performance.now(), 0)

  constructor(parts: RunParts) {
    this.#parts = parts
    this.#errors = new ErrorCount(parts.plan.limit)
  }

  async report(): Promise<LabelReport> {
    const { queue, plan, onEvent } = this.#parts
    if (plan.resume) await queue.reopen()
    this.#counts = await queue.counts()
    const { done, failed } = this.#counts
    this.#pace = new Pace(() => performance.now(), done + failed)
    if (done + failed > 0) onEvent({ type: 'resumed', done, failed })
    const tallies = await this.#work()
    const { items, failed: failedInAll } = await queue.counts()
    if (items === 0) throw nothingFound(this.#parts.inputs)
    const seconds = (performance.now() - this.#start) / 1000
    return {
      items,
      failed: failedInAll,
      skipped: await queue.skipped(),
      engines: tallies,
      errors: this.#errors.byCode,
      seconds,
      itemsPerSecond: this.#doneHere / seconds,
      rows: plan.out === undefined ? null : await this.#write(plan.out),
    }
  }

  async #work(): Promise<EngineTally[]> {
    const { queue, signal, plan } = this.#parts
    const { items, done, failed } = this.#counts
    if ((await queue.isListed()) && done + failed === items) return []
    const stop = new AbortController()
    const either = anySignal(signal, stop.signal)
    const shards = new ShardFiles()
    const opener = new ItemOpener(this.#parts.inputs, { clip: plan, media: plan.media, shards })
    const beat = setInterval(() => {
      queue.heartbeat().catch((error: unknown) => stop.abort(error))
    }, plan.leaseMs / 3)
    try {
      const jobs = [this.#list(shards, either), this.#label(opener, either)] as const
      // Whichever fails stops the other, and is what the caller hears of.
      for (const job of jobs) job.catch((error: unknown) => stop.abort(error))
      await Promise.allSettled(jobs)
      const [, tallies] = await Promise.all(jobs)
      return tallies
    } catch (error) {
      signal.throwIfAborted()
      throw stop.signal.aborted ? stop.signal.reason : error
    } finally {
      clearInterval(beat)
      await opener.close()
      await shards.close()
    }
  }

  /** By whoever comes first; the others wait for its items, and for its place if it dies. */
  async #list(shards: ShardFiles, signal: AbortSignal): Promise<void> {
    const { queue } = this.#parts
    while (!(await queue.isListed())) {
      if (await queue.takeListing()) return this.#listAll(shards, signal)
      await sleepFor(1000, undefined, { signal })
    }
    this.#isListed = true
    await this.#recount(signal)
  }

  async #listAll(shards: ShardFiles, signal: AbortSignal): Promise<void> {
    const { inputs, plan, queue, onEvent } = this.#parts
    const onClosed = (path: string, reason: string) => onEvent({ type: 'left-out', path, reason })
    let [batch, skipped]: [LabelItem[], number] = [[], 0]
    const add = async () => {
      const added = await queue.add(batch)
      batch = []
      this.#counts = { ...this.#counts, items: this.#counts.items + added }
      this.#progress()
      // Engines that answer at once wait for their sockets to be looked at, several times for each question.
      await nextTurn()
    }
    for await (const item of listItems(inputs, { ...plan, shards, onClosed })) {
      signal.throwIfAborted()
      if (item) batch.push(item)
      else skipped++
      if (batch.length >= LISTED_TOGETHER) await add()
    }
    await add()
    await queue.endListing(skipped)
    this.#isListed = true
    this.#progress()
  }

  async #label(opener: ItemOpener, signal: AbortSignal): Promise<EngineTally[]> {
    const { plan, queue, onEvent, engines } = this.#parts
    const recount = this.#recountNowAndThen(signal)
    try {
      return await runEngines({
        queue,
        engines: await engines.open(signal, onEvent),
        prompts: plan.prompts,
        system: plan.system,
        options: plan.sampling,
        read: (source) => opener.read(source),
        errors: this.#errors,
        attempts: 3,
        silenceMs: SILENCE_MS,
        signal,
        onEvent,
        onDone: (hasErrors) => this.#noteDone(hasErrors),
        sleep: (ms, aborted) => sleepFor(ms, undefined, { signal: aborted }),
      })
    } finally {
      recount.stop()
    }
  }

  #noteDone(hasErrors: boolean): void {
    const { done, failed } = this.#counts
    this.#doneHere++
    this.#counts = hasErrors
      ? { ...this.#counts, failed: failed + 1 }
      : { ...this.#counts, done: done + 1 }
    this.#progress()
  }

  #progress(): void {
    const { items, done, failed } = this.#counts
    // A count may have seen what is being noted just now.
    const all = Math.min(done + failed, items)
    this.#pace.note(all)
    const itemsPerSecond = this.#pace.perSecond(all)
    this.#parts.onEvent({
      type: 'progress',
      items,
      isListed: this.#isListed,
      done: all,
      failed,
      itemsPerSecond,
      secondsLeft: itemsPerSecond === null ? null : Math.max(0, items - all) / itemsPerSecond,
    })
  }

  /** Others work on the queue too, and may have listed what is in it. */
  #recountNowAndThen(signal: AbortSignal): { stop(): void } {
    let [timer, isOver]: [NodeJS.Timeout | undefined, boolean] = [undefined, false]
    const later = (ms: number) => {
      if (isOver) return
      timer = setTimeout(() => {
        const start = performance.now()
        const counted = this.#recount(signal)
        counted.then(
          () => later(Math.max(RECOUNT_MS, COUNTING_SHARE * (performance.now() - start))),
          () => {}, // A queue that is gone shows where it is needed.
        )
      }, ms)
    }
    later(RECOUNT_MS)
    const stop = () => {
      isOver = true
      clearTimeout(timer)
    }
    return { stop }
  }

  async #recount(signal: AbortSignal): Promise<void> {
    const counts = await this.#parts.queue.counts()
    if (signal.aborted) return
    this.#counts = counts
    this.#progress()
  }

  #write(out: string): Promise<number> {
    const { plan, queue, onEvent, signal } = this.#parts
    return writeLabels(out, labelRows(queue, plan), {
      schema: plan.sampling.schema,
      about: { prompts: JSON.stringify(plan.prompts) },
      signal,
      onRows: (rows) => onEvent({ type: 'writing', rows }),
    })
  }
}

async function* labelRows(queue: WorkQueue, { prompts }: LabelPlan): AsyncGenerator<LabelRow> {
  for await (const { id, result } of queue.results()) {
    for (const [i] of prompts.entries()) {
      const one = result[i]
      if (one) yield { id, prompt: `p${i + 1}`, result: one }
    }
  }
}

/** Opened when there is work for them. */
class Engines {
  readonly #given: readonly LabelEngineOptions[]
  readonly #hasFrames: boolean
  readonly #servers = new Map<LabelEngineOptions, LabelEngine>()
  /** Servers that were not there when the run began, and why. */
  readonly #lost = new Map<LabelEngineOptions, CapacityError>()

  constructor({ engines, clipFolders }: LabelPlan) {
    this.#given = engines
    this.#hasFrames = clipFolders
  }

  /**
   * The last parts of the models' names: a folder here and an id there may be the same model. Throws CapacityError where
   * no engine is there.
   */
  async names(signal: AbortSignal): Promise<string[]> {
    const names: string[] = []
    for (const one of this.#given) {
      if (!('url' in one)) names.push(one.name)
      else {
        const model = one.model ?? (await this.#serverIfThere(one, signal))?.model
        if (model !== undefined) names.push(model)
      }
    }
    const [why] = this.#lost.values()
    if (why && this.#lost.size === this.#given.length) throw why
    return [...new Set(names.map((name) => name.split(/[/\\]/).at(-1) ?? name))].sort()
  }

  async open(signal: AbortSignal, onEvent: (event: LabelEvent) => void): Promise<LabelEngine[]> {
    const engines: LabelEngine[] = []
    for (const one of this.#given) {
      const lost = this.#lost.get(one)
      if (lost && 'url' in one) {
        onEvent({ type: 'engine-lost', engine: one.url, reason: lost.message })
      } else if ('url' in one) engines.push(await this.#server(one, signal))
      else {
        const model = typeof one.model === 'function' ? await one.model() : one.model
        engines.push(modelEngine(model, one.name, one.batch ?? LABEL_DEFAULTS.batch))
      }
    }
    return engines
  }

  async #serverIfThere(
    options: Extract<LabelEngineOptions, { readonly url: string }>,
    signal: AbortSignal,
  ): Promise<LabelEngine | null> {
    try {
      return await this.#server(options, signal)
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error
      this.#lost.set(options, error)
      return null
    }
  }

  async #server(
    options: Extract<LabelEngineOptions, { readonly url: string }>,
    signal: AbortSignal,
  ): Promise<LabelEngine> {
    const { batch = LABEL_DEFAULTS.batch } = options
    const engine =
      this.#servers.get(options) ??
      (await serverEngine(
        { ...options, batch, readFile: readWhole, hasFrames: this.#hasFrames },
        signal,
      ))
    this.#servers.set(options, engine)
    return engine
  }
}

async function recipeOf(plan: LabelPlan, inputs: readonly LabelInput[]) {
  const { prompts, system, sampling, frames, fps, forceSample, clipFolders, media } = plan
  const settings = plan.engines.flatMap((one) => ('url' in one ? [] : (one.settings ?? [])))
  return {
    input: await inputsFingerprint(inputs),
    prompts,
    ...(system !== undefined && { system }),
    ...(frames !== undefined && { frames }),
    ...(fps !== undefined && { fps }),
    ...(forceSample && { forceSample }),
    ...(clipFolders && { clipFolders }),
    ...(media !== undefined && { media }),
    ...(settings.length > 0 && { settings }),
    ...sampling,
  }
}

/** A file that no queue knows is somebody's work. */
async function checkOut({ out, queue, overwrite }: LabelPlan): Promise<void> {
  if (out === undefined) return
  await checkPlace(out)
  if (overwrite || !existsSync(out)) return
  if (isPostgres(queue) || existsSync(queue)) return
  throw new InputError(
    'INPUT_LABEL_OUT',
    `label: ${out} should not be there before its run, it is; name another --out, or begin anew with --overwrite.`,
  )
}

async function queueOf(plan: LabelPlan, recipe: RunRecipe): Promise<WorkQueue> {
  const { queue, leaseMs, overwrite } = plan
  const isRemote = isPostgres(queue)
  const database = await (isRemote ? openPostgres(queue) : openLibsql(queue.replace(/^file:/, '')))
  // A file holds one run, a server those of everybody: there, what is asked about what tells them apart.
  const { input, prompts, schema } = recipe as RunRecipe & { schema?: object }
  const hash = createHash('sha256')
    .update(JSON.stringify([input, prompts, schema]))
    .digest('hex')
  const run = plan.run ?? (isRemote ? hash.slice(0, 16) : 'labels')
  try {
    return await openQueue(database, {
      run,
      recipe,
      overwrite,
      leaseMs,
      owner: newOwner(),
      isAlive,
    })
  } catch (error) {
    await database.close()
    throw error
  }
}

function isPostgres(queue: string): boolean {
  return /^postgres(?:ql)?:/.test(queue)
}

function nothingFound(inputs: readonly LabelInput[]): InputError {
  const names = inputs.map(({ path }) => resolve(path)).slice(0, 3)
  const folder = inputs.find(({ kind }) => kind === 'folder')
  const todo = folder
    ? `name shards and tables themselves ('${resolve(folder.path)}/*.tar')`
    : 'look into the file, or name another'
  return new InputError(
    'INPUT_LABEL_EMPTY',
    `label: ${names.join(', ')} should hold pictures, clips or rows, there are none; ${todo}.`,
  )
}
