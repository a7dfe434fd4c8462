/** Constraints by XGrammar: a thread for each grammar in use, and some kept for those that come again. */
import { Worker } from 'node:worker_threads'
import { AbortListeners } from '../../core/abort-listeners.ts'
import { InputError } from '../../core/errors.ts'
import {
  sharedWords,
  STATE,
  STATES,
  TURN,
  type FromGrammar,
  type ToGrammar,
  type TokenTable,
  type VocabularyBytes,
} from './grammar-messages.ts'
import { WaitingQueue } from '../waiting-queue.ts'
import type { Grammar } from './response-format.ts'
import { SharedConstraint } from './shared-constraint-node.ts'
import { TokenTexts } from './token-texts.ts'
import type { ConstraintMaker, ConstraintOptions, TokenConstraint } from './token-constraint.ts'
import { workClock } from './work-clock-node.ts'

export type ThreadLimits = {
  readonly maxThreads: number
  /** Time of a processor, which is time on the clock where there is one to be had. */
  readonly compileMs: number
}

export const THREAD_LIMITS: ThreadLimits = { maxThreads: 8, compileMs: 10_000 }

/** Of a thread's JavaScript: what a grammar is made of lies in WebAssembly's memory, and short-lived objects are few. */
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 6 }

export class GrammarThreads implements ConstraintMaker {
  readonly #vocabulary: VocabularyBytes
  readonly #limits: ThreadLimits
  readonly #aborts = new AbortListeners()
  /** By grammar, the one that was used last at the end. */
  readonly #threads = new Map<string, GrammarThread>()
  #tokens: Promise<TokenTable> | null = null
  #texts: TokenTexts | null = null
  /** Resolves when the last compile that was asked for is over: one at a time, so that a flood of them takes one core. */
  #lane: Promise<unknown> = Promise.resolve()
  /** Who found every thread in use. */
  readonly #waiting = new WaitingQueue<Waiting>(({ priority }) => priority)

  constructor(vocabulary: VocabularyBytes, limits: Partial<ThreadLimits> = {}) {
    this.#vocabulary = vocabulary
    this.#limits = { ...THREAD_LIMITS, ...limits }
  }

  async create(
    grammar: Grammar,
    { priority = 0, signal }: ConstraintOptions = {},
  ): Promise<TokenConstraint> {
    if (this.#vocabulary.stopIds.length === 0) {
      throw new InputError(
        'INPUT_FORMAT',
        'responseFormat: this model has no end token, so an answer could not end where its form does; ask without a format.',
      )
    }
    this.#tokens ??= tokenTable(this.#vocabulary)
    const tokens = await this.#tokens
    this.#texts ??= new TokenTexts(tokens)
    const texts = this.#texts
    signal?.throwIfAborted()
    const key = JSON.stringify(grammar)
    const { thread, release } = await this.#take({ key, grammar, tokens }, { priority, signal })
    try {
      await untilAborted(thread.compiled, signal, this.#aborts)
      const constraint = thread.open(this.#vocabulary.vocabSize, { texts, release })
      await this.#firstMask(constraint, signal)
      return constraint
    } catch (error) {
      release()
      // What was refused, or is wanted by nobody before it is done, is not worth its place.
      if (this.#threads.get(key) === thread && thread.isIdle && !thread.isCompiled) {
        this.#threads.delete(key)
        this.#wake()
        await thread.end()
      }
      throw error
    }
  }

  /** After it, no prompt is read in vain, and no row waits for its first token. */
  async #firstMask(constraint: TokenConstraint, signal: AbortSignal | undefined): Promise<void> {
    try {
      await untilAborted(constraint.ready() ?? Promise.resolve(), signal, this.#aborts)
    } catch (error) {
      constraint.dispose()
      throw error
    }
  }

  async dispose(): Promise<void> {
    const threads = [...this.#threads.values()]
    this.#threads.clear()
    await Promise.all(threads.map((thread) => thread.end()))
  }

  /**
   * Holds the thread of a grammar, once there is one. Whoever waits holds none, and whoever holds one waits for nobody here: several
   * answers to a request have one grammar.
   */
  async #take(
    work: ThreadWork,
    { priority, signal }: { readonly priority: number; readonly signal: AbortSignal | undefined },
  ): Promise<HeldThread> {
    const held = this.#tryTake(work)
    if (held) return held
    return new Promise((resolve, reject) => {
      const take = () => {
        const taken = this.#tryTake(work)
        if (!taken) return false
        forget?.()
        resolve(taken)
        return true
      }
      const entry = { priority, take }
      const leave = () => {
        this.#waiting.remove(entry)
        reject(signal?.reason)
      }
      const forget = signal && this.#aborts.add(signal, leave)
      this.#waiting.add(entry)
    })
  }

  /** Null while all threads are in use for other grammars. */
  #tryTake(work: ThreadWork): HeldThread | null {
    const thread = this.#living(work.key) ?? this.#start(work)
    return thread && this.#hold(work.key, thread)
  }

  /** One that gave up its masks is no thread any more. */
  #living(key: string): GrammarThread | undefined {
    const kept = this.#threads.get(key)
    if (!kept?.isEnded) return kept
    this.#threads.delete(key)
    return undefined
  }

  /** At once, since one that nobody holds may be ended for another grammar. */
  #hold(key: string, thread: GrammarThread): HeldThread {
    this.#threads.delete(key)
    this.#threads.set(key, thread)
    const leave = thread.hold()
    const release = () => {
      leave()
      if (thread.isIdle) this.#wake()
    }
    return { thread, release }
  }

  /** All look again, in their order: those of the grammar that the first starts go with it. */
  #wake(): void {
    this.#waiting.takeWhere(({ take }) => take(), Infinity)
  }

  /** Null while all threads are in use. */
  #start({ grammar, tokens }: ThreadWork): GrammarThread | null {
    if (this.#threads.size >= this.#limits.maxThreads) {
      const idle = [...this.#threads].find(([, thread]) => thread.isIdle)
      if (!idle) return null
      this.#threads.delete(idle[0])
      void idle[1].end()
    }
    const { compileMs } = this.#limits
    const thread = new GrammarThread({ grammar, tokens, compileMs, turn: this.#lane })
    this.#lane = thread.compiled.catch(() => {})
    return thread
  }
}

type HeldThread = { readonly thread: GrammarThread; readonly release: () => void }

/** `take` says whether there was a thread. */
type Waiting = { readonly priority: number; readonly take: () => boolean }

type ThreadWork = {
  readonly key: string
  readonly grammar: Grammar
  readonly tokens: TokenTable
}

type Compiling = {
  readonly grammar: Grammar
  readonly tokens: TokenTable
  readonly compileMs: number
  /** When it may begin. */
  readonly turn: Promise<unknown>
}

class GrammarThread {
  readonly compiled: Promise<void>
  readonly #worker: Worker
  /** Shared memory by matcher. */
  readonly #words = new Map<number, Int32Array>()
  #users = 0
  #matchers = 0
  #isCompiled = false
  #isEnded = false
  #giveUp: (error: Error) => void = () => {}

  constructor(work: Compiling) {
    const file = new URL('./grammar-thread-node.js', import.meta.url)
    // What the process was started with, such as --input-type, is not for a thread of a file.
    const own = { execArgv: [], resourceLimits: MEMORY }
    this.#worker = new Worker(file, own)
    const ended = new Promise<never>((_, reject) => (this.#giveUp = reject))
    this.#worker.on('error', ({ message }) => this.#giveUp(refused(message)))
    this.compiled = Promise.race([this.#compile(work), ended])
    // Whoever waits hears of it; nobody may be left when it fails.
    this.compiled.catch(() => {})
  }

  get isCompiled(): boolean {
    return this.#isCompiled
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  get isIdle(): boolean {
    return this.#users === 0
  }

  /** Keeps the thread until the returned function is called. */
  hold(): () => void {
    this.#users++
    let isHeld = true
    return () => {
      if (isHeld) this.#users--
      isHeld = false
    }
  }

  open(
    vocabSize: number,
    { texts, release }: { readonly texts: TokenTexts; readonly release: () => void },
  ): TokenConstraint {
    const matcher = this.#matchers++
    const shared = new SharedArrayBuffer(4 * sharedWords(vocabSize))
    const words = new Int32Array(shared)
    this.#words.set(matcher, words)
    this.#send({ kind: 'open', matcher, shared })
    return new SharedConstraint(words, {
      texts,
      accept: (id) => this.#send({ kind: 'accept', matcher, id }),
      close: () => {
        this.#words.delete(matcher)
        this.#send({ kind: 'close', matcher })
        release()
      },
      masks: () => this.#masks,
      giveUp: () => this.#giveUpMasks(),
    })
  }

  get #masks(): number {
    let sum = 0
    for (const words of this.#words.values()) sum += Atomics.load(words, TURN)
    return sum
  }

  /** All that wait hear that no mask comes. */
  async #giveUpMasks(): Promise<void> {
    await this.end()
    for (const words of this.#words.values()) {
      words[STATE] = STATES.slow
      Atomics.add(words, TURN, 1)
      Atomics.notify(words, TURN)
    }
  }

  async end(): Promise<void> {
    this.#isEnded = true
    this.#giveUp(new Error('internal: the thread of a grammar has ended'))
    await this.#worker.terminate()
  }

  #send(message: ToGrammar): void {
    this.#worker.postMessage(message)
  }

  async #compile({ grammar, tokens, compileMs, turn }: Compiling): Promise<void> {
    await turn
    if (this.#isEnded) return
    await new Promise<void>((resolve, reject) => {
      const tooLong = `it was not compiled within ${compileMs} ms; make it smaller`
      const stop = afterWork(compileMs, () => reject(refused(tooLong)))
      this.#worker.on('message', (message: FromGrammar) => {
        stop()
        if (message.kind === 'refused') return reject(refused(message.reason))
        this.#isCompiled = true
        // From now on an idle thread keeps no process alive; one that is being ended does until it is gone.
        if (!this.#isEnded) this.#worker.unref()
        resolve()
      })
      this.#send({ kind: 'compile', grammar, tokens })
    })
  }
}

/** Calls when so much work is done, unless the returned function is called before. */
function afterWork(ms: number, call: () => void): () => void {
  const left = workClock()
  const look = (): void => {
    const leftMs = left(ms)
    if (leftMs === 0) return call()
    timer = setTimeout(look, Math.ceil(leftMs)).unref()
  }
  // The thread itself keeps the process alive.
  let timer = setTimeout(look, ms).unref()
  return () => clearTimeout(timer)
}

function refused(reason: string): InputError {
  return new InputError('INPUT_FORMAT', `responseFormat: it cannot be compiled: ${reason}.`)
}

async function untilAborted(
  work: Promise<void>,
  signal: AbortSignal | undefined,
  aborts: AbortListeners,
): Promise<void> {
  if (!signal) return work
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = aborts.add(signal, () => reject(signal.reason))
  })
  try {
    await Promise.race([work, aborted])
  } finally {
    stop()
  }
}

/** How many tokens are looked at before others have their turn. */
const TOKENS_A_TURN = 8192

async function tokenTable(vocabulary: VocabularyBytes): Promise<TokenTable> {
  const { vocabSize, stopIds } = vocabulary
  const offsets = new Uint32Array(vocabSize + 1)
  const parts: Uint8Array[] = []
  for (let id = 0; id < vocabSize; id++) {
    const token = vocabulary.tokenBytes(id)
    parts.push(token)
    offsets[id + 1] = (offsets[id] as number) + token.length
    if (id % TOKENS_A_TURN === TOKENS_A_TURN - 1) await new Promise((next) => setTimeout(next, 0))
  }
  const bytes = new Uint8Array(offsets[vocabSize] as number)
  for (const [id, token] of parts.entries()) bytes.set(token, offsets[id])
  return { bytes, offsets, stopIds }
}
