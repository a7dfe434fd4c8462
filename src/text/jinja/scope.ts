/**
 * Where names live. A loop round, macro, `with` and every captured body has a scope of its own, so what it sets is gone
 * at its end; an `if` has none. Reading goes outwards, writing never does.
 */
import type { Value } from './values.ts'

export class Scope {
  readonly #names = new Map<string, Value>()
  readonly #outer: Scope | undefined

  constructor(outer?: Scope) {
    this.#outer = outer
  }

  get(name: string): Value | undefined {
    const value = this.#names.get(name)
    return value === undefined ? this.#outer?.get(name) : value
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value)
  }
}
