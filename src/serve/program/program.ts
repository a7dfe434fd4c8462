/**
 * `program`: a function that writes a conversation with places for a model, to be run on any engine.
 *
 *   const describe = program(async (s, picture: string) => {
 *     await s.user(image(picture), 'What is it?')
 *     await s.assistant(gen('answer', { maxTokens: 40 }))
 *   })
 *   const state = await describe.run(model, 'kitchen.jpg')
 */
import { describeValue } from '../../core/describe-value.ts'
import { anySignal } from '../../core/any-signal.ts'
import { checkArgument } from '../../core/check-argument.ts'
import { InputError } from '../../core/errors.ts'
import { engineOf, type EngineSource } from './program-engine.ts'
import { ProgramRun, type ProgramEvent } from './program-run.ts'
import { ProgramState } from './program-state.ts'

export type RunOptions = { readonly signal?: AbortSignal | undefined }

export type Program<A extends readonly unknown[]> = {
  /** Runs it with its arguments; the state is what it wrote and found. Throws the signal's reason when aborted. */
  run(engine: EngineSource, ...args: A): Promise<ProgramState>
  /** The same for several lists of arguments, `concurrency` at a time; states in the order of the lists. */
  runBatch(
    engine: EngineSource,
    list: readonly A[],
    options?: RunOptions & { readonly concurrency?: number | undefined },
  ): Promise<ProgramState[]>
  /** What fills its places, piece by piece, and at the end the state. Leaving the loop stops the program. */
  stream(engine: EngineSource, ...args: A): AsyncGenerator<ProgramEvent, void, undefined>
  /** The same program with a signal that stops it. */
  with(options: RunOptions): Program<A>
}

const CONCURRENCY = 16

export function program<A extends readonly unknown[]>(
  write: (state: ProgramState, ...args: A) => Promise<unknown>,
  given: RunOptions = {},
): Program<A> {
  if (typeof write !== 'function') {
    throw new InputError(
      'INPUT_PROGRAM',
      `program: it should be given a function that writes a state, ${describeValue(write)} came.`,
    )
  }
  checkArgument('program: options', given, 'an object')
  const { signal } = given
  return {
    run: (engine, ...args) => runOnce(write, { engine, args, signal, tell: () => {} }),
    runBatch: (engine, list, options = {}) => runAll(write, engine, list, { signal, ...options }),
    stream: (engine, ...args) => streamOnce(write, { engine, args, signal }),
    with: (options) => program(write, options),
  }
}

type Write<A extends readonly unknown[]> = (state: ProgramState, ...args: A) => Promise<unknown>

type Running<A> = RunOptions & {
  readonly engine: EngineSource
  readonly args: A
  readonly tell: (event: ProgramEvent) => void
}

async function runOnce<A extends readonly unknown[]>(
  write: Write<A>,
  { engine, args, tell, signal = new AbortController().signal }: Running<A>,
): Promise<ProgramState> {
  signal.throwIfAborted()
  const run = new ProgramRun(await engineOf(engine, signal), tell)
  const state = new ProgramState({ run, signal, branch: [], messages: [], values: new Map() })
  await write(state, ...args)
  signal.throwIfAborted()
  return state
}

/** Takes the next list whenever one is done. One that fails stops the others. */
async function runAll<A extends readonly unknown[]>(
  write: Write<A>,
  source: EngineSource,
  list: readonly A[],
  { signal, concurrency = CONCURRENCY }: RunOptions & { readonly concurrency?: number | undefined },
): Promise<ProgramState[]> {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new InputError(
      'INPUT_OPTION',
      `runBatch: concurrency should be a whole number from 1, ${concurrency} came.`,
    )
  }
  checkList(list)
  const failed = new AbortController()
  const over = anySignal(failed.signal, signal)
  const engine = await engineOf(source, over)
  const states: ProgramState[] = []
  let next = 0
  const work = async () => {
    for (let i = next++; i < list.length; i = next++) {
      const args = list[i] as A
      states[i] = await runOnce(write, { engine, args, signal: over, tell: () => {} })
    }
  }
  const working = Array.from({ length: Math.min(concurrency, list.length) }, work)
  try {
    await Promise.all(working)
  } catch (error) {
    failed.abort(error)
    await Promise.allSettled(working)
    throw error
  }
  return states
}

function checkList(list: unknown): void {
  const wrong = Array.isArray(list) ? list.find((args) => !Array.isArray(args)) : list
  if (Array.isArray(list) && list.every((args) => Array.isArray(args))) return
  throw new InputError(
    'INPUT_PROGRAM',
    `runBatch: it should be given a list of lists of arguments, [[…], […]], ${describeValue(wrong)} came${Array.isArray(list) ? ' in it' : ''}.`,
  )
}

async function* streamOnce<A extends readonly unknown[]>(
  write: Write<A>,
  { signal, ...running }: Omit<Running<A>, 'tell'>,
): AsyncGenerator<ProgramEvent, void, undefined> {
  const left = new AbortController()
  const over = anySignal(left.signal, signal)
  const waiting: ProgramEvent[] = []
  let wake = () => {}
  const tell = (event: ProgramEvent) => {
    waiting.push(event)
    wake()
  }
  const done = runOnce(write, { ...running, signal: over, tell })
  const ended = done.then(
    () => true,
    () => true,
  )
  try {
    for (let isOver = false; !isOver;) {
      const arrived = new Promise<boolean>((resolve) => (wake = () => resolve(false)))
      if (waiting.length === 0) isOver = await Promise.race([arrived, ended])
      yield* waiting.splice(0)
    }
    yield { type: 'done', state: await done }
  } finally {
    left.abort(new Error('the reader of the program left'))
    await ended
  }
}
