/** Statements to text: walks the tree of a template once, with a scope and an output. */
import type { Body, ForStatement, Signature, Statement, Target } from './ast.ts'
import { isTrue } from './compare.ts'
import type { Environment } from './environment.ts'
import { applyFilter, call, collectArguments, evaluate } from './evaluate.ts'
import { fail, TemplateFailure } from './failure.ts'
import { FILTERS } from './filters.ts'
import { checkNamespaceName, globals } from './globals.ts'
import { Budget, type TemplateLimits } from './limits.ts'
import { LoopState } from './loop.ts'
import { macro } from './macro.ts'
import { Output } from './output.ts'
import { toText } from './print.ts'
import { Scope } from './scope.ts'
import { iterate } from './sequences.ts'
import { TESTS } from './tests.ts'
import {
  type HostObject,
  isText,
  Iteration,
  Namespace,
  textOf,
  Tuple,
  typeName,
  type Value,
} from './values.ts'

export interface Rendering {
  readonly text: string
  /** What `{% generation %}` blocks wrote, in code points, [from, to). */
  readonly generationSpans: readonly (readonly [number, number])[]
}

export interface RenderContext {
  readonly variables: ReadonlyMap<string, Value>
  readonly now: () => Date
  readonly limits: TemplateLimits
}

/** Runs a parsed template. Throws TemplateFailure. */
export function interpret(body: Body, context: RenderContext): Rendering {
  return new Interpreter(context).run(body)
}

/** How a statement ended: on to the next one, or out of the loop round. */
type Flow = 'next' | 'break' | 'continue'

class Interpreter implements Environment {
  readonly budget: Budget
  readonly now: () => Date
  readonly #root: Output
  readonly #variables: ReadonlyMap<string, Value>
  readonly #spans: [number, number][] = []

  constructor({ variables, now, limits }: RenderContext) {
    this.budget = new Budget(limits)
    this.now = now
    this.#root = new Output(this.budget)
    this.#variables = variables
  }

  run(body: Body): Rendering {
    const builtins = new Scope()
    for (const [name, value] of globals(this)) builtins.set(name, value)
    const given = new Scope(builtins)
    for (const [name, value] of this.#variables) given.set(name, value)
    this.#body(body, new Scope(given), this.#root)
    return { text: this.#root.toString(), generationSpans: this.#spans }
  }

  callFilter(name: string, value: Value, args: Parameters<Environment['callFilter']>[2]): Value {
    const filter = FILTERS.get(name) ?? fail('TemplateRuntimeError', `No filter named '${name}'.`)
    return filter(this, value, args)
  }

  callTest(name: string, value: Value, args: Parameters<Environment['callTest']>[2]): boolean {
    const test = TESTS.get(name) ?? fail('TemplateRuntimeError', `No test named '${name}'.`)
    return test(this, value, args)
  }

  #body(body: Body, scope: Scope, out: Output): Flow {
    this.budget.enter()
    for (const statement of body) {
      const flow = this.#located(statement, scope, out)
      if (flow !== 'next') {
        this.budget.leave()
        return flow
      }
    }
    this.budget.leave()
    return 'next'
  }

  /** Runs a statement; a failure in it learns the line. */
  #located(statement: Statement, scope: Scope, out: Output): Flow {
    if (statement.kind === 'data') {
      out.write(statement.text)
      return 'next'
    }
    try {
      return this.#statement(statement, scope, out)
    } catch (error) {
      if (!(error instanceof TemplateFailure) || error.line !== undefined) throw error
      throw new TemplateFailure(error.kind, error.message, statement.line)
    }
  }

  #statement(node: Exclude<Statement, { kind: 'data' }>, scope: Scope, out: Output): Flow {
    this.budget.step()
    switch (node.kind) {
      case 'print':
        out.write(toText(evaluate(this, scope, node.expression), this.budget))
        return 'next'
      case 'if':
        for (const { condition, body } of node.branches) {
          if (isTrue(evaluate(this, scope, condition))) return this.#body(body, scope, out)
        }
        return this.#body(node.otherwise, scope, out)
      case 'for':
        return this.#for(node, scope, out)
      case 'set':
        this.#assign(scope, node.target, evaluate(this, scope, node.value))
        return 'next'
      case 'set block':
        return this.#captured(node.body, scope, (inner, text) => {
          const value = node.filter === null ? text : this.#filtered(node.filter, inner, text)
          this.#assign(scope, node.target, value)
        })
      case 'filter block':
        return this.#captured(node.body, scope, (inner, text) => {
          const value = this.#filtered(node.filter, inner, text)
          if (!isText(value)) {
            // Jinja joins what the filter gives, unprinted.
            fail('TypeError', `sequence item 0: expected str instance, ${typeName(value)} found`)
          }
          out.write(textOf(value))
        })
      case 'with': {
        const inner = new Scope(scope)
        for (const [target, value] of node.bindings) {
          this.#assign(inner, target, evaluate(this, scope, value))
        }
        return this.#body(node.body, inner, out)
      }
      case 'macro':
        scope.set(node.name, this.#macro(node.name, node.signature, scope))
        return 'next'
      case 'call block': {
        const caller = this.#macro('caller', node.signature, scope)
        const args = collectArguments(this, scope, node.call.args)
        const keyword = new Map(args.keyword).set('caller', caller)
        const callee = evaluate(this, scope, node.call.callee)
        out.write(toText(call(callee, { ...args, keyword }), this.budget))
        return 'next'
      }
      case 'generation':
        this.#generation(node.body, scope, out)
        return 'next'
      case 'break':
      case 'continue':
        return node.kind
    }
  }

  #macro(name: string, signature: Signature, scope: Scope): HostObject {
    return macro(name, signature, (bind) => {
      const inner = new Scope(scope)
      bind(inner, (expression) => evaluate(this, inner, expression))
      const out = new Output(this.budget)
      this.#body(signature.body, inner, out)
      return out.toString()
    })
  }

  /** Runs a body into a text and hands it over, unless the body left its loop. */
  #captured(body: Body, scope: Scope, use: (inner: Scope, text: string) => void): Flow {
    const inner = new Scope(scope)
    const out = new Output(this.budget)
    const flow = this.#body(body, inner, out)
    if (flow === 'next') use(inner, out.toString())
    return flow
  }

  #filtered(node: Parameters<typeof applyFilter>[2], scope: Scope, text: string): Value {
    const input = node.input?.kind === 'filter' ? this.#filtered(node.input, scope, text) : text
    return applyFilter(this, scope, node, input)
  }

  /** The span begins where the result ends so far: inside a macro, that is before all the macro writes, as in transformers. */
  #generation(body: Body, scope: Scope, out: Output): void {
    const from = this.#root.length
    const inner = new Output(this.budget)
    this.#body(body, new Scope(scope), inner)
    this.#spans.push([from, from + inner.length])
    out.write(inner.toString())
  }

  #for(node: ForStatement, scope: Scope, out: Output): Flow {
    const iterable = evaluate(this, scope, node.iterable)
    if (!node.isRecursive) {
      this.#loop(node, scope, out, new LoopState(this, this.#chosen(node, scope, iterable), 0))
    } else out.write(this.#recursiveLoop(node, scope, iterable, 0))
    return 'next'
  }

  #recursiveLoop(node: ForStatement, scope: Scope, iterable: Value, depth: number): string {
    this.budget.enter()
    const out = new Output(this.budget)
    const again = (inner: Value) => this.#recursiveLoop(node, scope, inner, depth + 1)
    const chosen = this.#chosen(node, scope, iterable)
    this.#loop(node, scope, out, new LoopState(this, chosen, depth, again))
    this.budget.leave()
    return out.toString()
  }

  #loop(node: ForStatement, scope: Scope, out: Output, loop: LoopState): void {
    // Jinja notes a round at its end, so a loop of which every round was cut short runs its else as well.
    let hasFullRound = false
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      const inner = new Scope(scope)
      this.#assign(inner, node.target, item)
      inner.set('loop', loop.self)
      const flow = this.#body(node.body, inner, out)
      if (flow === 'break') break
      if (flow === 'next') hasFullRound = true
    }
    if (!hasFullRound) this.#body(node.otherwise, new Scope(scope), out)
  }

  /** The items that pass the loop's own `if`, lazily. */
  #chosen(node: ForStatement, scope: Scope, iterable: Value): Value {
    const { condition, target } = node
    if (condition === null) return iterable
    const items = iterate(iterable, this.budget)
    const passing = function* (self: Interpreter): Generator<Value> {
      for (const item of items) {
        const inner = new Scope(scope)
        self.#assign(inner, target, item)
        if (isTrue(evaluate(self, inner, condition))) yield item
      }
    }
    return new Iteration(passing(this))
  }

  #assign(scope: Scope, target: Target, value: Value): void {
    if (target.kind === 'name') scope.set(target.name, value)
    else if (target.kind === 'namespace') this.#assignAttribute(scope, target, value)
    else {
      const items = unpack(value, target.items.length, this)
      target.items.forEach((part, i) => this.#assign(scope, part, items[i] as Value))
    }
  }

  #assignAttribute(scope: Scope, target: Extract<Target, { kind: 'namespace' }>, value: Value) {
    const holder = scope.get(target.name)
    if (!(holder instanceof Namespace)) {
      return fail('TemplateRuntimeError', 'cannot assign attribute on non-namespace object')
    }
    checkNamespaceName(target.attribute)
    holder.attributes.set(target.attribute, value)
  }
}

function unpack(value: Value, count: number, env: Environment): readonly Value[] {
  const message = () => `cannot unpack non-iterable ${typeName(value)} object`
  const items = value instanceof Tuple ? value.items : [...iterate(value, env.budget, message)]
  if (items.length < count) {
    fail('ValueError', `not enough values to unpack (expected ${count}, got ${items.length})`)
  }
  if (items.length > count) {
    fail('ValueError', `too many values to unpack (expected ${count})`)
  }
  return items
}
