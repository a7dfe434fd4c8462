/** Constraints by XGrammar: a thread for each grammar in use, and some kept for those that come again. */
import { Worker } from 'node:worker_threads'
import { AbortListeners } from '../../core/abort-listeners.ts'
import { InputError } from '../../core/errors.ts'
import {
  AHEAD,
  AHEAD_LENGTH,
  AHEAD_TURN,
  BITS,
  sharedWords,
  STATE,
  STATES,
  TURN,
  type FromGrammar,
  type ToGrammar,
  type TokenTable,
  type VocabularyBytes,
} from './grammar-messages.ts'
import { leftOf } from './processor-time.ts'
import type { Grammar } from './response-format.ts'
import { TokenTexts } from './token-texts.ts'
import type { ConstraintMaker, TokenConstraint } from './token-constraint.ts'

export type ThreadLimits = {
  readonly maxThreads: number
  /** Time of a processor, which is time on the clock where there is one to be had. */
  readonly compileMs: number
}

export const THREAD_LIMITS: ThreadLimits = { maxThreads: 8, compileMs: 10_000 }

/** Of a thread's JavaScript: what a grammar is made of lies in WebAssembly's memory, and short-lived objects are few. */
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 6 }

/** A mask takes microseconds, some milliseconds; one that takes so long will not come. */
const MASK_MS = 2000

/** What must come next is known in microseconds; where it is not, the answer goes on without. */
const AHEAD_MS = 2

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
  /** Who found every thread in use, in the order of their coming. */
  #waiting: (() => void)[] = []

  constructor(vocabulary: VocabularyBytes, limits: Partial<ThreadLimits> = {}) {
    this.#vocabulary = vocabulary
    this.#limits = { ...THREAD_LIMITS, ...limits }
  }

  async create(grammar: Grammar, signal?: AbortSignal): Promise<TokenConstraint> {
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
    const { thread, release } = await this.#take(key, { grammar, tokens, signal })
    try {
      await untilAborted(thread.compiled, signal, this.#aborts)
      return thread.open(this.#vocabulary.vocabSize, { texts, release })
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

  async dispose(): Promise<void> {
    const threads = [...this.#threads.values()]
    this.#threads.clear()
    await Promise.all(threads.map((thread) => thread.end()))
  }

  /**
   * Holds the thread of a grammar, once there is one. Whoever waits holds none, and whoever holds one waits for nobody here: several
   * answers to a request have one grammar.
   */
  async #take(key: string, { signal, ...work }: ThreadWork): Promise<HeldThread> {
    for (;;) {
      const thread = this.#threads.get(key) ?? this.#start(work)
      if (thread) return this.#hold(key, thread)
      const turn = new Promise<void>((resolve) => this.#waiting.push(resolve))
      await untilAborted(turn, signal, this.#aborts)
    }
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
    const waiting = this.#waiting
    this.#waiting = []
    for (const look of waiting) look()
  }

  /** Null while all threads are in use. */
  #start({ grammar, tokens }: Omit<ThreadWork, 'signal'>): GrammarThread | null {
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

type ThreadWork = {
  readonly grammar: Grammar
  readonly tokens: TokenTable
  readonly signal: AbortSignal | undefined
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
    this.#send({ kind: 'open', matcher, shared })
    const accept = (id: number) => this.#send({ kind: 'accept', matcher, id })
    const close = () => {
      this.#send({ kind: 'close', matcher })
      release()
    }
    return new SharedConstraint(new Int32Array(shared), { accept, close, texts })
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
        // From now on an idle thread keeps no process alive.
        this.#worker.unref()
        resolve()
      })
      this.#send({ kind: 'compile', grammar, tokens })
    })
  }
}

/** Calls when so much work is done, unless the returned function is called before. */
function afterWork(ms: number, call: () => void): () => void {
  const [start, used] = [performance.now(), process.cpuUsage()]
  const look = (): void => {
    const { user, system } = process.cpuUsage(used)
    const spent = { clockMs: performance.now() - start, processorMs: (user + system) / 1000 }
    const left = leftOf(ms, spent)
    if (left === 0) return call()
    timer = setTimeout(look, Math.ceil(left)).unref()
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

type MatcherThread = {
  readonly accept: (id: number) => void
  readonly close: () => void
  readonly texts: TokenTexts
}

/** A matcher in its thread, as the sampler sees it. */
class SharedConstraint implements TokenConstraint {
  readonly #words: Int32Array
  readonly #thread: MatcherThread
  /** Masks that must have been written before the next is read. */
  #turn = 1
  #isClosed = false

  constructor(words: Int32Array, thread: MatcherThread) {
    this.#words = words
    this.#thread = thread
  }

  get isDone(): boolean {
    this.#await()
    return this.#words[STATE] === STATES.over
  }

  mask(logits: Float32Array): void {
    this.#await()
    if (this.#words[STATE] !== STATES.open) {
      throw new Error(`internal: a mask was wanted in state ${this.#words[STATE]}`)
    }
    if (applyMask(this.#words, logits)) return
    throw new InputError(
      'INPUT_FORMAT',
      'responseFormat: no token of this model goes on from here as the format wants; use another format.',
    )
  }

  accept(id: number): void {
    this.#turn++
    this.#thread.accept(id)
  }

  async ahead(): Promise<readonly number[]> {
    const words = this.#words
    await isWritten(words, this.#turn)
    if (Atomics.load(words, AHEAD_TURN) !== this.#turn) return []
    const bytes = new Uint8Array(words.buffer, 4 * AHEAD, words[AHEAD_LENGTH])
    return this.#thread.texts.tokensOf(bytes)
  }

  dispose(): void {
    if (!this.#isClosed) this.#thread.close()
    this.#isClosed = true
  }

  /** The thread had the time of a model step for its mask: mostly it is there. */
  #await(): void {
    for (;;) {
      const written = Atomics.load(this.#words, TURN)
      if (written >= this.#turn) return
      if (Atomics.wait(this.#words, TURN, written, MASK_MS) === 'timed-out') {
        throw new InputError('INPUT_FORMAT', 'responseFormat: the format takes too long to follow.')
      }
    }
  }
}

/** Waits for what must come next, without holding up the event loop, and not for longer than a step may take. */
async function isWritten(words: Int32Array, turn: number): Promise<void> {
  const { value } = waitAsync(words, AHEAD_TURN, turn - 1)
  if (typeof value === 'string') return
  // The timer is also what keeps the process alive meanwhile: neither the wait nor an idle thread does.
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, AHEAD_MS)))
  await Promise.race([value, late])
  clearTimeout(timer)
}

/** ES2024's `Atomics.waitAsync`, which every Node has that this runs on. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
  ): { readonly value: string | Promise<string> }
}

/** Bans the tokens whose bits are 0; gives whether any is left. */
function applyMask(words: Int32Array, logits: Float32Array): boolean {
  let isAny = 0
  for (let at = 0; at < logits.length; at += 32) {
    const bits = words[BITS + (at >> 5)] as number
    isAny |= bits
    if (bits === -1) continue
    const end = Math.min(at + 32, logits.length)
    for (let id = at; id < end; id++) if (((bits >> (id & 31)) & 1) === 0) logits[id] = -Infinity
  }
  return isAny !== 0
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
