/** Macros and the bodies of call blocks: what their call accepts, and how it fills their parameters. */
import type { Expression, Signature } from './ast.ts'
import { fail } from './failure.ts'
import type { Scope } from './scope.ts'
import { Dict, HostObject, Tuple, Undefined, type Arguments, type Value } from './values.ts'

/** Fills a macro's scope; defaults are evaluated there, so that one may name an earlier parameter. */
export type Bind = (scope: Scope, evaluate: (expression: Expression) => Value) => void

/** A value that can be called; `run` makes the scope, has it filled and gives the text. */
export function macro(name: string, signature: Signature, run: (bind: Bind) => string): HostObject {
  return new HostObject('Macro', `<Macro '${name}'>`, {
    call: (args) => {
      const bound = bindArguments(name, signature, args)
      return run((scope, evaluate) => fill(scope, signature, bound, evaluate))
    },
    attribute: (attribute) => {
      if (attribute === 'name') return name
      if (attribute === 'arguments') return new Tuple(signature.parameters)
      if (attribute === 'caller') return signature.uses.has('caller')
      if (attribute === 'catch_kwargs') return signature.uses.has('kwargs')
      if (attribute === 'catch_varargs') return signature.uses.has('varargs')
      return undefined
    },
  })
}

interface Bound {
  readonly values: readonly (Value | undefined)[]
  readonly special: ReadonlyMap<string, Value>
}

function bindArguments(name: string, signature: Signature, args: Arguments): Bound {
  const { parameters, uses } = signature
  const rest = new Map(args.keyword)
  const values = parameters.map((parameter, i) => {
    if (i < args.positional.length) return args.positional[i]
    const value = rest.get(parameter)
    rest.delete(parameter)
    return value
  })
  const special = new Map<string, Value>()
  const isSpecial = (word: string) => uses.has(word) && !parameters.includes(word)
  if (isSpecial('caller')) {
    special.set('caller', rest.get('caller') ?? new Undefined('No caller defined'))
    rest.delete('caller')
  }
  if (isSpecial('kwargs')) special.set('kwargs', Dict.of(rest))
  else if (rest.size > 0) refuseKeyword(name, rest)
  if (isSpecial('varargs')) {
    special.set('varargs', new Tuple(args.positional.slice(parameters.length)))
  } else if (args.positional.length > parameters.length) {
    fail('TypeError', `macro '${name}' takes not more than ${parameters.length} argument(s)`)
  }
  return { values, special }
}

function refuseKeyword(name: string, rest: ReadonlyMap<string, Value>): never {
  if (rest.has('caller')) {
    fail(
      'TypeError',
      `macro '${name}' was invoked with two values for the special caller argument. This is most likely a bug.`,
    )
  }
  const [first] = rest.keys()
  return fail('TypeError', `macro '${name}' takes no keyword argument '${first}'`)
}

function fill(
  scope: Scope,
  { parameters, defaults }: Signature,
  { values, special }: Bound,
  evaluate: (expression: Expression) => Value,
): void {
  for (const [name, value] of special) scope.set(name, value)
  parameters.forEach((name, i) => {
    const value = values[i]
    const fallback = defaults[i - (parameters.length - defaults.length)]
    if (value !== undefined) scope.set(name, value)
    else if (fallback !== undefined) scope.set(name, evaluate(fallback))
    else scope.set(name, new Undefined(`parameter '${name}' was not provided`))
  })
}
