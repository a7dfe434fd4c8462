/** Expressions to values. */
import { binary, negative, positive } from './arithmetic.ts'
import type { CallArguments, Comparison, Expression } from './ast.ts'
import { getAttribute, getItem } from './attributes.ts'
import { isEqual, isIn, isOrdered, isTrue } from './compare.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { FILTERS } from './filters.ts'
import { toText } from './print.ts'
import type { Scope } from './scope.ts'
import { iterate, sliceOf } from './sequences.ts'
import { TESTS } from './tests.ts'
import {
  Dict,
  HostObject,
  isText,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

export function evaluate(env: Environment, scope: Scope, node: Expression): Value {
  env.budget.step()
  env.budget.enter()
  const value = evaluateNode(env, scope, node)
  env.budget.leave()
  return value
}

function evaluateNode(env: Environment, scope: Scope, node: Expression): Value {
  const value = (part: Expression) => evaluate(env, scope, part)
  switch (node.kind) {
    case 'literal':
      return node.value
    case 'name':
      return named(scope, node.name)
    case 'list':
      return node.items.map(value)
    case 'tuple':
      return new Tuple(node.items.map(value))
    case 'dict':
      return dict(node.entries.map(([key, item]) => [value(key), value(item)]))
    case 'attribute':
      return getAttribute(env, value(node.owner), node.name)
    case 'item':
      return item(env, scope, node.owner, node.key)
    case 'slice':
      return fail('TypeError', 'slices only stand alone in brackets')
    case 'call':
      return call(value(node.callee), collectArguments(env, scope, node.args))
    case 'filter':
      return applyFilter(env, scope, node, node.input === null ? null : value(node.input))
    case 'test':
      if (!TESTS.has(node.name)) {
        fail('TemplateRuntimeError', `No test named '${node.name}' found.`)
      }
      return env.callTest(node.name, value(node.input), collectArguments(env, scope, node.args))
    case 'not':
      return !isTrue(value(node.operand))
    case 'negative':
      return negative(value(node.operand))
    case 'positive':
      return positive(value(node.operand))
    case 'and':
    case 'or': {
      const left = value(node.left)
      return isTrue(left) === (node.kind === 'or') ? left : value(node.right)
    }
    case 'binary':
      return binary(node.operator, value(node.left), value(node.right), env.budget)
    case 'concat':
      return concat(env, node.parts.map(value))
    case 'compare':
      return comparison(env, scope, node.first, node.rest)
    case 'if':
      if (isTrue(value(node.condition))) return value(node.value)
      return node.otherwise === null
        ? new Undefined(
            `the inline if-expression on line ${node.line} evaluated to false and no else section was defined.`,
          )
        : value(node.otherwise)
  }
}

function named(scope: Scope, name: string): Value {
  const value = scope.get(name)
  return value === undefined ? new Undefined(`'${name}' is undefined`) : value
}

function dict(entries: readonly (readonly [Value, Value])[]): Dict {
  const result = new Dict()
  for (const [key, value] of entries) {
    if (!result.set(key, value)) fail('TypeError', `unhashable type: '${typeName(key)}'`)
  }
  return result
}

function item(env: Environment, scope: Scope, owner: Expression, key: Expression): Value {
  const holder = evaluate(env, scope, owner)
  if (key.kind !== 'slice') return getItem(env, holder, evaluate(env, scope, key))
  const bound = (part: Expression | null) => (part === null ? null : evaluate(env, scope, part))
  const bounds = { start: bound(key.start), stop: bound(key.stop), step: bound(key.step) }
  if (holder instanceof Undefined) fail(holder.failure, holder.message)
  const part = sliceOf(holder, bounds, env.budget)
  if (part !== undefined) return part
  if (holder instanceof Dict) return fail('TypeError', "unhashable type: 'slice'")
  return fail('TypeError', `'${typeName(holder)}' object is not subscriptable`)
}

export function collectArguments(env: Environment, scope: Scope, args: CallArguments): Arguments {
  const positional = args.positional.map((arg) => evaluate(env, scope, arg))
  if (args.spread !== null) {
    positional.push(...iterate(evaluate(env, scope, args.spread), env.budget))
  }
  const keyword = new Map(
    args.keyword.map(([name, arg]): [string, Value] => [name, evaluate(env, scope, arg)]),
  )
  if (args.spreadKeyword !== null) spreadInto(keyword, evaluate(env, scope, args.spreadKeyword))
  return { positional, keyword }
}

function spreadInto(keyword: Map<string, Value>, mapping: Value): void {
  if (!(mapping instanceof Dict)) {
    fail('TypeError', `argument after ** must be a mapping, not ${typeName(mapping)}`)
  }
  for (const [name, value] of mapping.entries()) {
    if (!isText(name)) return fail('TypeError', 'keywords must be strings')
    if (keyword.has(textOf(name))) {
      fail('TypeError', `got multiple values for keyword argument '${textOf(name)}'`)
    }
    keyword.set(textOf(name), value)
  }
}

export function call(callee: Value, args: Arguments): Value {
  if (callee instanceof Undefined) fail(callee.failure, callee.message)
  if (callee instanceof HostObject && callee.call !== undefined) return callee.call(args)
  return fail('TypeError', `'${typeName(callee)}' object is not callable`)
}

/** Applies a filter, or a chain of them whose first input is null, to `input`. */
export function applyFilter(
  env: Environment,
  scope: Scope,
  node: Extract<Expression, { kind: 'filter' }>,
  input: Value,
): Value {
  if (!FILTERS.has(node.name)) {
    fail('TemplateRuntimeError', `No filter named '${node.name}' found.`)
  }
  return env.callFilter(node.name, input, collectArguments(env, scope, node.args))
}

function concat(env: Environment, parts: readonly Value[]): string {
  const texts = parts.map((part) => toText(part, env.budget))
  env.budget.allocate(texts.reduce((length, text) => length + text.length, 0))
  return texts.join('')
}

function comparison(
  env: Environment,
  scope: Scope,
  first: Expression,
  rest: readonly Comparison[],
): boolean {
  let left = evaluate(env, scope, first)
  for (const { operator, operand } of rest) {
    const right = evaluate(env, scope, operand)
    if (!holds(env, operator, left, right)) return false
    left = right
  }
  return true
}

function holds(env: Environment, operator: Comparison['operator'], a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(a, b, env.budget)
    case '!=':
      return !isEqual(a, b, env.budget)
    case 'in':
      return isIn(a, b, env.budget)
    case 'not in':
      return !isIn(a, b, env.budget)
    default:
      return isOrdered(a, b, operator, env.budget)
  }
}
