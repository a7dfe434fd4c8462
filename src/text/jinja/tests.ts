/** The tests that stand after `is`, and after `select`, `reject` and their kind. */
import { take, wantText } from './arguments.ts'
import { isEqual, isIn, isOrdered, type Order } from './compare.ts'
import { binary } from './arithmetic.ts'
import type { Environment, Test } from './environment.ts'
import { FILTERS } from './filters.ts'
import { isLower, isUpper } from './python-text.ts'
import { isIterable, sizeOf } from './sequences.ts'
import { toText } from './print.ts'
import {
  Dict,
  HostObject,
  isNumber,
  isText,
  Iteration,
  Markup,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

function unary(test: (value: Value, env: Environment) => boolean): Test {
  return (env, value, args) => {
    take(args, 'test', [])
    return test(value, env)
  }
}

function other(args: Arguments): Value {
  return take(args, 'test', ['other'], 1)[0] ?? null
}

function ordered(order: Order): Test {
  return (env, value, args) => isOrdered(value, other(args), order, env.budget)
}

function isDivisible(env: Environment, value: Value, by: Value): boolean {
  return isEqual(binary('%', value, by, env.budget), 0n, env.budget)
}

/** Calling an undefined value is possible, and its error. */
function isCallable(value: Value): boolean {
  return value instanceof Undefined || (value instanceof HostObject && value.call !== undefined)
}

const equal: Test = (env, value, args) => isEqual(value, other(args), env.budget)
const unequal: Test = (env, value, args) => !isEqual(value, other(args), env.budget)

/** The same object; small values are the same if they are equal and of one type, as in CPython. */
function isSame(a: Value, b: Value): boolean {
  return (
    a === b || (isText(a) && isText(b) && a instanceof Markup === b instanceof Markup && a === b)
  )
}

export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['defined', unary((value) => !(value instanceof Undefined))],
  ['undefined', unary((value) => value instanceof Undefined)],
  ['none', unary((value) => value === null)],
  ['boolean', unary((value) => typeof value === 'boolean')],
  ['true', unary((value) => value === true)],
  ['false', unary((value) => value === false)],
  ['integer', unary((value) => typeof value === 'bigint')],
  ['float', unary((value) => typeof value === 'number')],
  ['number', unary(isNumber)],
  ['string', unary(isText)],
  ['mapping', unary((value) => value instanceof Dict)],
  ['sequence', unary((value) => sizeOf(value) !== undefined && !isView(value))],
  ['iterable', unary(isIterable)],
  ['callable', unary((value) => isCallable(value))],
  ['escaped', unary((value) => value instanceof Markup)],
  ['lower', unary((value, env) => isLower(toText(value, env.budget)))],
  ['upper', unary((value, env) => isUpper(toText(value, env.budget)))],
  ['odd', unary((value, env) => isEqual(binary('%', value, 2n, env.budget), 1n, env.budget))],
  ['even', unary((value, env) => isDivisible(env, value, 2n))],
  ['divisibleby', (env, value, args) => isDivisible(env, value, other(args))],
  ['sameas', (_env, value, args) => isSame(value, other(args))],
  ['in', (env, value, args) => isIn(value, other(args), env.budget)],
  ['filter', unary((value) => isText(value) && FILTERS.has(wantText(value, 'filter')))],
  ['test', unary((value) => isText(value) && TESTS.has(wantText(value, 'test')))],
  ['==', equal],
  ['eq', equal],
  ['equalto', equal],
  ['!=', unequal],
  ['ne', unequal],
  ['<', ordered('<')],
  ['lt', ordered('<')],
  ['lessthan', ordered('<')],
  ['<=', ordered('<=')],
  ['le', ordered('<=')],
  ['>', ordered('>')],
  ['gt', ordered('>')],
  ['greaterthan', ordered('>')],
  ['>=', ordered('>=')],
  ['ge', ordered('>=')],
])

/** A dict's `keys()` have a length but no items. */
function isView(value: Value): boolean {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Iteration) && 'part' in value
  )
}
