/**
 * Expressions, weakest operator first:
 *
 *   a if b else c · or · and · not · == != < in … · + − · ~ · * / // % · ** · unary − + · postfix . [] () · | filter · is test
 */
import type { BinaryOperator } from './arithmetic.ts'
import type { CallArguments, Comparison, Expression, FilterExpression, Target } from './ast.ts'
import { fail } from './failure.ts'
import { FILTERS } from './filters.ts'
import { TESTS } from './tests.ts'
import { describe, type TokenStream } from './token-stream.ts'
import type { Value } from './values.ts'

const NO_ARGUMENTS: CallArguments = {
  positional: [],
  keyword: [],
  spread: null,
  spreadKeyword: null,
}

export function parseExpression(s: TokenStream, withCondition = true): Expression {
  return s.nested(() => (withCondition ? parseConditional(s) : parseOr(s)))
}

interface TupleOptions {
  readonly withCondition?: boolean
  /** Names that end it: `in` after a loop's target. */
  readonly ends?: readonly string[]
  /** `()` is an empty tuple only inside brackets. */
  readonly isBracketed?: boolean
}

/** An expression, or several with commas between. */
export function parseTuple(s: TokenStream, options: TupleOptions = {}): Expression {
  const { items, isTuple } = parseItems(s, options.ends ?? [], () =>
    parseExpression(s, options.withCondition ?? true),
  )
  if (isTuple) return { kind: 'tuple', items }
  if (items[0] !== undefined) return items[0]
  if (options.isBracketed) return { kind: 'tuple', items }
  return s.fail(`Expected an expression, got '${describe(s.current)}'`)
}

function parseItems<T>(s: TokenStream, ends: readonly string[], parse: () => T) {
  const items: T[] = []
  let isTuple = false
  while (true) {
    if (items.length > 0) s.expect('operator', ',')
    if (s.current.type === 'end print' || s.current.type === 'end statement') break
    if (s.isOperator(')') || s.isName(...ends)) break
    items.push(parse())
    if (!s.isOperator(',')) break
    isTuple = true
  }
  return { items, isTuple }
}

interface TargetOptions {
  readonly withNamespace?: boolean
  readonly ends?: readonly string[]
}

/** What stands left of `=` or of `in`. `ns.x` is allowed by `set` alone. */
export function parseTarget(s: TokenStream, options: TargetOptions = {}): Target {
  const { items, isTuple } = parseItems(s, options.ends ?? [], () => parseTargetItem(s, options))
  if (isTuple) return { kind: 'tuple', items }
  return items[0] ?? s.fail(`Expected an expression, got '${describe(s.current)}'`)
}

function parseTargetItem(s: TokenStream, options: TargetOptions): Target {
  if (s.skipOperator('(')) {
    const inner = s.nested(() => parseTarget(s, options))
    s.expect('operator', ')')
    return inner
  }
  const token = s.current
  if (token.type !== 'name' || LITERALS.has(token.text)) {
    const isLiteral = token.type !== 'operator' && token.type !== 'end'
    return s.fail(`can't assign to '${isLiteral ? 'const' : describe(token)}'`)
  }
  s.next()
  if (token.text === 'loop' && (s.loopDepth > 0 || options.ends?.includes('in'))) {
    fail(
      'TemplateAssertionError',
      "Can't assign to special loop variable in for-loop target",
      token.line,
    )
  }
  if (options.withNamespace && s.skipOperator('.')) {
    return { kind: 'namespace', name: watched(s, token.text), attribute: s.expect('name').text }
  }
  return { kind: 'name', name: token.text }
}

function parseConditional(s: TokenStream): Expression {
  const unknownBefore = s.unknown.length
  let { line } = s.current
  let expression = parseOr(s)
  while (s.skipName('if')) {
    const condition = parseOr(s)
    const otherwise = s.skipName('else') ? s.nested(() => parseConditional(s)) : null
    expression = { kind: 'if', condition, value: expression, otherwise, line }
    ;({ line } = s.current)
    s.unknown.length = unknownBefore
  }
  return expression
}

function parseOr(s: TokenStream): Expression {
  let left = parseAnd(s)
  while (s.skipName('or')) left = { kind: 'or', left, right: parseAnd(s) }
  return left
}

function parseAnd(s: TokenStream): Expression {
  let left = parseNot(s)
  while (s.skipName('and')) left = { kind: 'and', left, right: parseNot(s) }
  return left
}

function parseNot(s: TokenStream): Expression {
  if (s.skipName('not')) return { kind: 'not', operand: s.nested(() => parseNot(s)) }
  return parseComparison(s)
}

function parseComparison(s: TokenStream): Expression {
  const first = parseSum(s)
  const rest: Comparison[] = []
  for (let op = comparison(s); op !== undefined; op = comparison(s)) {
    rest.push({ operator: op, operand: parseSum(s) })
  }
  return rest.length === 0 ? first : { kind: 'compare', first, rest }
}

function comparison(s: TokenStream): Comparison['operator'] | undefined {
  if (s.isOperator('==', '!=', '<', '<=', '>', '>=')) return s.next().text as Comparison['operator']
  if (s.skipName('in')) return 'in'
  if (s.isName('not') && s.following.type === 'name' && s.following.text === 'in') {
    s.next()
    s.next()
    return 'not in'
  }
  return undefined
}

function parseSum(s: TokenStream): Expression {
  return parseBinary(s, ['+', '-'], parseConcat)
}

function parseConcat(s: TokenStream): Expression {
  const first = parseProduct(s)
  if (!s.isOperator('~')) return first
  const parts = [first]
  while (s.skipOperator('~')) parts.push(parseProduct(s))
  return { kind: 'concat', parts }
}

function parseProduct(s: TokenStream): Expression {
  return parseBinary(s, ['*', '/', '//', '%'], parsePower)
}

/** To the left, `**` too: Jinja reads `2 ** 3 ** 2` as 64. */
function parsePower(s: TokenStream): Expression {
  return parseBinary(s, ['**'], (stream) => parseUnary(stream, true))
}

function parseBinary(
  s: TokenStream,
  operators: readonly BinaryOperator[],
  parseOperand: (s: TokenStream) => Expression,
): Expression {
  let left = parseOperand(s)
  while (s.isOperator(...operators)) {
    const operator = s.next().text as BinaryOperator
    left = { kind: 'binary', operator, left, right: parseOperand(s) }
  }
  return left
}

function parseUnary(s: TokenStream, withFilters: boolean): Expression {
  let node: Expression
  if (s.isOperator('-', '+')) {
    const kind = s.next().text === '-' ? 'negative' : 'positive'
    node = { kind, operand: s.nested(() => parseUnary(s, false)) }
  } else node = parsePrimary(s)
  node = parsePostfix(s, node)
  return withFilters ? parseFiltersAndTests(s, node) : node
}

const LITERALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])

function parsePrimary(s: TokenStream): Expression {
  const token = s.current
  if (token.type === 'name') {
    s.next()
    const literal = LITERALS.get(token.text)
    if (literal !== undefined) return { kind: 'literal', value: literal }
    return { kind: 'name', name: watched(s, token.text) }
  }
  if (token.type === 'string') {
    let value = ''
    while (s.current.type === 'string') value += s.next().text
    return { kind: 'literal', value }
  }
  if (token.type === 'integer') return { kind: 'literal', value: BigInt(s.next().text) }
  if (token.type === 'float') return { kind: 'literal', value: Number(s.next().text) }
  if (s.skipOperator('(')) {
    const inner = s.nested(() => parseTuple(s, { isBracketed: true }))
    s.expect('operator', ')')
    return inner
  }
  if (s.skipOperator('[')) return { kind: 'list', items: parseList(s) }
  if (s.skipOperator('{')) return parseDict(s)
  return s.fail(`unexpected '${describe(token)}'`)
}

function watched(s: TokenStream, name: string): string {
  for (const watcher of s.nameWatchers) watcher.add(name)
  return name
}

function parseList(s: TokenStream): Expression[] {
  const items: Expression[] = []
  while (!s.isOperator(']')) {
    if (items.length > 0) s.expect('operator', ',')
    if (s.isOperator(']')) break
    items.push(parseExpression(s))
  }
  s.expect('operator', ']')
  return items
}

function parseDict(s: TokenStream): Expression {
  const entries: [Expression, Expression][] = []
  while (!s.isOperator('}')) {
    if (entries.length > 0) s.expect('operator', ',')
    if (s.isOperator('}')) break
    const key = parseExpression(s)
    s.expect('operator', ':')
    entries.push([key, parseExpression(s)])
  }
  s.expect('operator', '}')
  return { kind: 'dict', entries }
}

function parsePostfix(s: TokenStream, node: Expression): Expression {
  let result = node
  while (true) {
    if (s.skipOperator('.')) result = parseDot(s, result)
    else if (s.skipOperator('[')) result = parseSubscript(s, result)
    else if (s.isOperator('(')) result = { kind: 'call', callee: result, args: parseArguments(s) }
    else return result
  }
}

function parseDot(s: TokenStream, owner: Expression): Expression {
  const token = s.next()
  if (token.type === 'name') return { kind: 'attribute', owner, name: token.text }
  if (token.type !== 'integer') s.fail('expected name or number', token.line)
  return { kind: 'item', owner, key: { kind: 'literal', value: BigInt(token.text) } }
}

function parseSubscript(s: TokenStream, owner: Expression): Expression {
  const keys: Expression[] = []
  while (!s.isOperator(']')) {
    if (keys.length > 0) s.expect('operator', ',')
    keys.push(parseKey(s))
  }
  s.expect('operator', ']')
  const [only] = keys
  return {
    kind: 'item',
    owner,
    key: keys.length === 1 && only !== undefined ? only : { kind: 'tuple', items: keys },
  }
}

function parseKey(s: TokenStream): Expression {
  const start = s.isOperator(':') ? null : parseExpression(s)
  if (start !== null && !s.isOperator(':')) return start
  const parts: (Expression | null)[] = []
  while (parts.length < 2 && s.skipOperator(':')) {
    parts.push(s.isOperator(':', ']', ',') ? null : parseExpression(s))
  }
  return { kind: 'slice', start, stop: parts[0] ?? null, step: parts[1] ?? null }
}

export function parseArguments(s: TokenStream): CallArguments {
  const { line } = s.expect('operator', '(')
  const positional: Expression[] = []
  const keyword: [string, Expression][] = []
  let spread: Expression | null = null
  let spreadKeyword: Expression | null = null
  const ensure = (isFine: boolean) =>
    isFine || s.fail('invalid syntax for function call expression', line)
  for (let count = 0; !s.isOperator(')'); count++) {
    if (count > 0) s.expect('operator', ',')
    if (s.isOperator(')')) break
    if (s.skipOperator('*')) {
      ensure(spread === null && spreadKeyword === null)
      spread = parseExpression(s)
    } else if (s.skipOperator('**')) {
      ensure(spreadKeyword === null)
      spreadKeyword = parseExpression(s)
    } else if (s.current.type === 'name' && isAssign(s)) {
      ensure(spreadKeyword === null)
      const name = s.next().text
      s.next()
      keyword.push([name, parseExpression(s)])
    } else {
      ensure(spread === null && spreadKeyword === null && keyword.length === 0)
      positional.push(parseExpression(s))
    }
  }
  s.expect('operator', ')')
  return { positional, keyword, spread, spreadKeyword }
}

function isAssign(s: TokenStream): boolean {
  return s.following.type === 'operator' && s.following.text === '='
}

function parseFiltersAndTests(s: TokenStream, node: Expression): Expression {
  let result = node
  while (true) {
    if (s.skipOperator('|')) result = parseFilter(s, result)
    else if (s.skipName('is')) result = parseTest(s, result)
    else if (s.isOperator('(')) result = { kind: 'call', callee: result, args: parseArguments(s) }
    else return result
  }
}

/** `a|b|c` of a filter or set block: filters without a first input. */
export function parseFilterChain(s: TokenStream): FilterExpression {
  let chain = parseFilter(s, null)
  while (s.skipOperator('|')) chain = parseFilter(s, chain)
  return chain
}

function parseFilter(s: TokenStream, input: Expression | null): FilterExpression {
  const { line } = s.current
  const name = parseDottedName(s)
  if (!FILTERS.has(name)) s.noteUnknown(`No filter named '${name}'.`, line)
  return { kind: 'filter', input, name, args: s.isOperator('(') ? parseArguments(s) : NO_ARGUMENTS }
}

function parseDottedName(s: TokenStream): string {
  let name = s.expect('name').text
  while (s.skipOperator('.')) name += `.${s.expect('name').text}`
  return name
}

function parseTest(s: TokenStream, input: Expression): Expression {
  const isNegated = s.skipName('not')
  const { line } = s.current
  const name = parseDottedName(s)
  if (!TESTS.has(name)) s.noteUnknown(`No test named '${name}'.`, line)
  const test: Expression = { kind: 'test', input, name, args: parseTestArguments(s) }
  return isNegated ? { kind: 'not', operand: test } : test
}

/** In brackets, or one primary without: `is divisibleby 3`. */
function parseTestArguments(s: TokenStream): CallArguments {
  if (s.isOperator('(')) return parseArguments(s)
  const hasArgument =
    ['name', 'string', 'integer', 'float'].includes(s.current.type) || s.isOperator('[', '{')
  if (!hasArgument || s.isName('else', 'or', 'and')) return NO_ARGUMENTS
  if (s.isName('is')) s.fail('You cannot chain multiple tests with is')
  return { ...NO_ARGUMENTS, positional: [parsePostfix(s, parsePrimary(s))] }
}
