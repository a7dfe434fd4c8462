/** Branches of a program: copies of a state that are written side by side and joined again. */
import { checkArgument, checkFields } from '../../core/check-argument.ts'
import { InputError } from '../../core/errors.ts'
import type { Turn, GenPiece, SelectPiece } from './pieces.ts'
import type { ProgramState } from './program-state.ts'

/** `count` branches of a state. */
export function fork(state: ProgramState, count: number): Branches
/** The same, all written at once by their numbers: resolves when all are. */
export function fork(
  state: ProgramState,
  count: number,
  write: (branch: ProgramState, item: number, index: number) => Promise<unknown>,
): Promise<Branches>
/**
 * A branch for each item, all written at once: resolves when all are. Where one fails the others stop, and its error is
 * thrown.
 */
export function fork<T>(
  state: ProgramState,
  items: readonly T[],
  write: (branch: ProgramState, item: T, index: number) => Promise<unknown>,
): Promise<Branches>
export function fork<T>(
  state: ProgramState,
  given: number | readonly T[],
  write?: (branch: ProgramState, item: T, index: number) => Promise<unknown>,
): Branches | Promise<Branches> {
  checkFields('fork: state', state, ['fork'], 'a program hands it to its function')
  if (typeof given !== 'number') checkArgument('fork: items', given, 'a list')
  const branches = state.fork(typeof given === 'number' ? given : given.length)
  if (write === undefined) return branches
  if (typeof write !== 'function') {
    throw new InputError('INPUT_OPTION', `fork: write should be a function, ${typeof write} came.`)
  }
  return branches.each((branch, i) =>
    write(branch, (typeof given === 'number' ? i : given[i]) as T, i),
  )
}

export class Branches implements Iterable<ProgramState> {
  readonly #parent: ProgramState
  readonly #states: readonly ProgramState[]
  readonly #stop: (reason: unknown) => void

  /** Made by `fork`. */
  constructor(
    parent: ProgramState,
    states: readonly ProgramState[],
    stop: (reason: unknown) => void,
  ) {
    this.#parent = parent
    this.#states = states
    this.#stop = stop
  }

  get length(): number {
    return this.#states.length
  }

  [Symbol.iterator](): Iterator<ProgramState> {
    return this.#states[Symbol.iterator]()
  }

  at(index: number): ProgramState | undefined {
    return this.#states.at(index)
  }

  /** Writes in all branches at once. Where one fails the others stop, and its error is thrown. */
  async each(write: (branch: ProgramState, index: number) => Promise<unknown>): Promise<this> {
    const writing = this.#states.map(async (state, i) => write(state, i))
    try {
      await Promise.all(writing)
    } catch (error) {
      this.#stop(error)
      await Promise.allSettled(writing)
      throw error
    }
    return this
  }

  /** Adds the same to each branch. */
  add(...given: readonly (Turn | GenPiece | SelectPiece)[]): Promise<this> {
    return this.each((branch) => branch.add(...given))
  }

  /** What each branch has under `name`. */
  get(name: string): readonly string[] {
    return this.#states.map((state) => state.get(name))
  }

  /**
   * Gives the parent what its branches found: under each name that is new in all of them the list of their values. The
   * parent's conversation stays as it was. Returns the parent.
   */
  join(): ProgramState {
    const [first] = this.#states
    for (const name of Object.keys(first?.values ?? {})) {
      if (this.#parent.has(name) || !this.#states.every((state) => state.has(name))) continue
      this.#parent.set(
        name,
        this.#states.map((state) => state.values[name] ?? ''),
      )
    }
    return this.#parent
  }
}
