/** What filters, tests and methods need of the rendering they run in. */
import type { Budget } from './limits.ts'
import type { Arguments, Value } from './values.ts'

export interface Environment {
  readonly budget: Budget
  readonly now: () => Date
  callFilter(name: string, value: Value, args: Arguments): Value
  callTest(name: string, value: Value, args: Arguments): boolean
}

export type Filter = (env: Environment, value: Value, args: Arguments) => Value
export type Test = (env: Environment, value: Value, args: Arguments) => boolean
