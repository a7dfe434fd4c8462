/** What may still be asked of judges and paid for: one budget for all judges and benchmarks of a command. */
import { CapacityError, InputError } from '../core/errors.ts'
import type { JudgeReply } from './judge.ts'

export type JudgeLimits = {
  readonly calls?: number | undefined
  /** In whatever money the prices are in. */
  readonly cost?: number | undefined
  /** Of a million tokens. */
  readonly promptPrice?: number | undefined
  readonly completionPrice?: number | undefined
}

/**
 * Refuses the call that would pass a limit. What a call costs is known when its reply is there: until then it is taken to cost what
 * the dearest one did, and the first is waited for.
 */
export class JudgeBudget {
  #calls = 0
  #cost = 0
  /** Calls that are under way. */
  #open = 0
  #dearest: number | null = null
  /** A server does not say what a call took, and a limit of cost is to be kept. */
  #isUncounted = false
  readonly #limits: JudgeLimits
  readonly #sleepers: (() => void)[] = []

  constructor(limits: JudgeLimits = {}) {
    this.#limits = limits
  }

  /** Throws CapacityError where a limit is reached and InputError where none of cost can be kept; waits where that depends on calls under way. */
  async begin(): Promise<void> {
    const { calls = Number.POSITIVE_INFINITY, cost = Number.POSITIVE_INFINITY } = this.#limits
    for (;;) {
      if (this.#isUncounted) throw uncounted()
      // Sums of prices are not exact.
      const left = (cost - this.#cost) * (1 + 1e-9)
      const dearest = this.#dearest ?? 0
      if (this.#calls >= calls || left <= 0 || dearest > left) throw this.#usedUp()
      const isFirst = this.#dearest === null && this.#open === 0
      const fits = this.#dearest !== null && dearest * (this.#open + 1) <= left
      if (isFirst || fits || !Number.isFinite(cost)) break
      await new Promise<void>((wake) => this.#sleepers.push(wake))
    }
    this.#calls++
    this.#open++
  }

  /** What the call cost; null where no reply came. Throws InputError where a limit of cost cannot be kept. */
  end(reply: JudgeReply | null): number {
    const { promptPrice = 0, completionPrice = 0, cost: limit } = this.#limits
    const { promptTokens, completionTokens, isUncounted } = reply ?? NOTHING
    const cost = (promptTokens * promptPrice + completionTokens * completionPrice) / 1e6
    this.#open--
    this.#cost += cost
    if (reply) this.#dearest = Math.max(this.#dearest ?? 0, cost)
    this.#isUncounted ||= isUncounted === true && limit !== undefined
    for (const wake of this.#sleepers.splice(0)) wake()
    if (this.#isUncounted) throw uncounted()
    return cost
  }

  #usedUp(): CapacityError {
    const { calls, cost } = this.#limits
    const limits = [
      ...(calls === undefined ? [] : [`${calls} calls`]),
      ...(cost === undefined ? [] : [`a cost of ${cost}`]),
    ]
    return new CapacityError(
      'CAPACITY_JUDGE_BUDGET',
      `eval: judges should take at most ${limits.join(' and ')}, that is used up (${this.#calls} calls, ${this.#cost.toFixed(4)}); raise the limit and run the same command again, what was judged is kept.`,
    )
  }
}

function uncounted(): InputError {
  return new InputError(
    'INPUT_JUDGE_UNCOUNTED',
    'eval: a limit of cost needs a judge whose server says how many tokens a reply took, this one does not; limit the calls instead.',
  )
}

const NOTHING: JudgeReply = { text: '', promptTokens: 0, completionTokens: 0 }
