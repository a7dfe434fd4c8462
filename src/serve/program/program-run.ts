/** One run of a program: who answers, what was answered so far, and who listens. */
import type { Usage } from '../answer.ts'
import type { ProgramEngine } from './program-engine.ts'
import type { ProgramState, Step } from './program-state.ts'

export type ProgramEvent =
  | {
      /** A piece of what fills a place. */
      readonly type: 'text'
      readonly name: string
      readonly branch: readonly number[]
      readonly text: string
    }
  | ({
      /** A place is filled. */
      readonly type: 'value'
    } & Step)
  | { readonly type: 'done'; readonly state: ProgramState }

export class ProgramRun {
  readonly engine: ProgramEngine
  readonly tell: (event: ProgramEvent) => void
  readonly #steps: Step[] = []

  constructor(engine: ProgramEngine, tell: (event: ProgramEvent) => void) {
    this.engine = engine
    this.tell = tell
  }

  get steps(): readonly Step[] {
    return this.#steps
  }

  get usage(): Usage {
    const total = { promptTokens: 0, imageTokens: 0, cachedTokens: 0, completionTokens: 0 }
    for (const { usage } of this.#steps) {
      for (const name of Object.keys(total) as (keyof Usage)[]) total[name] += usage[name]
    }
    return total
  }

  note(step: Step): void {
    this.#steps.push(step)
    this.tell({ type: 'value', ...step })
  }
}
