/** Statements: `{% if %}`, `{% for %}`, `{% set %}` and the rest, as one tree. */
import type { Body, Branch, Expression, Signature, Statement } from './ast.ts'
import { fail } from './failure.ts'
import { parseExpression, parseFilterChain, parseTarget, parseTuple } from './parse-expression.ts'
import { TokenStream } from './token-stream.ts'

export function parse(source: string): Body {
  const s = new TokenStream(source)
  const body = parseBody(s, [], '')
  const [unknown] = s.unknown
  if (unknown !== undefined) fail('TemplateAssertionError', unknown.message, unknown.line)
  return body
}

/** Statements up to one of the tags `ends`, which stays the current token. */
function parseBody(s: TokenStream, ends: readonly string[], tag: string): Statement[] {
  const body: Statement[] = []
  while (s.current.type !== 'end') {
    const token = s.next()
    if (token.type === 'data') body.push({ kind: 'data', text: token.text })
    else if (token.type === 'begin print') {
      body.push({ kind: 'print', expression: parseTuple(s), line: token.line })
      s.expect('end print')
    } else {
      if (s.isName(...ends)) return body
      body.push(...s.nested(() => parseStatement(s, ends, tag)))
      s.expect('end statement')
    }
  }
  if (ends.length > 0) {
    s.fail(
      `Unexpected end of template. Jinja was looking for the following tags: ${orList(ends)}. ` +
        `The innermost block that needs to be closed is '${tag}'.`,
    )
  }
  return body
}

function orList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(' or ')
}

type Parse = (s: TokenStream, line: number) => Statement | Statement[]

const STATEMENTS: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  ['if', parseIf],
  ['for', parseFor],
  ['set', parseSet],
  ['with', parseWith],
  ['filter', parseFilterBlock],
  ['macro', parseMacro],
  ['call', parseCallBlock],
  ['generation', parseGeneration],
  ['print', parsePrint],
  ['break', (s, line) => parseLoopControl(s, 'break', line)],
  ['continue', (s, line) => parseLoopControl(s, 'continue', line)],
])

/** Tags of full Jinja that need other templates or HTML output, which a chat template never has. */
const UNSUPPORTED = ['extends', 'block', 'include', 'import', 'from', 'autoescape']

function parseStatement(s: TokenStream, ends: readonly string[], tag: string): Statement[] {
  const { line } = s.current
  if (s.current.type !== 'name') s.fail('tag name expected')
  const name = s.next().text
  const parse = STATEMENTS.get(name)
  if (parse !== undefined) {
    const result = parse(s, line)
    return Array.isArray(result) ? result : [result]
  }
  if (UNSUPPORTED.includes(name)) {
    fail('Unsupported', `the tag '${name}' is not supported in chat templates`, line)
  }
  const expected =
    ends.length > 0
      ? ` Jinja was looking for the following tags: ${orList(ends)}. The innermost block that needs to be closed is '${tag}'.`
      : ''
  return s.fail(`Encountered unknown tag '${name}'.${expected}`, line)
}

/** The body of `tag`, up to and with the tag that ends it, whose name is returned too. */
function parseBlock(s: TokenStream, tag: string, ends: readonly string[]): [Body, string] {
  s.skipOperator(':')
  s.expect('end statement')
  const body = parseBody(s, ends, tag)
  return [body, s.next().text]
}

function parseIf(s: TokenStream, line: number): Statement {
  const branches: Branch[] = []
  let otherwise: Body = []
  s.softDepth++
  let end = 'elif'
  while (end === 'elif') {
    const condition = parseTuple(s, { withCondition: false })
    const [body, next] = parseBlock(s, 'if', ['elif', 'else', 'endif'])
    branches.push({ condition, body })
    end = next
  }
  if (end === 'else') [otherwise] = parseBlock(s, 'if', ['endif'])
  s.softDepth--
  return { kind: 'if', branches, otherwise, line }
}

function parseFor(s: TokenStream, line: number): Statement {
  const target = parseTarget(s, { ends: ['in'] })
  s.expect('name', 'in')
  const iterable = parseTuple(s, { withCondition: false, ends: ['recursive'] })
  const condition = s.skipName('if') ? hardBlock(s, () => parseExpression(s)) : null
  const isRecursive = s.skipName('recursive')
  s.loopDepth++
  const [body, end] = hardBlock(s, () => parseBlock(s, 'for', ['endfor', 'else']))
  s.loopDepth--
  const [otherwise] = end === 'else' ? hardBlock(s, () => parseBlock(s, 'for', ['endfor'])) : [[]]
  return { kind: 'for', target, iterable, condition, isRecursive, body, otherwise, line }
}

function parseSet(s: TokenStream, line: number): Statement {
  const target = parseTarget(s, { withNamespace: true })
  if (s.skipOperator('=')) return { kind: 'set', target, value: parseTuple(s), line }
  const filter = s.skipOperator('|') ? parseFilterChain(s) : null
  const [body] = hardBlock(s, () => parseBlock(s, 'set', ['endset']))
  return { kind: 'set block', target, filter, body, line }
}

function parseWith(s: TokenStream, line: number): Statement {
  const bindings: [ReturnType<typeof parseTarget>, Expression][] = []
  while (s.current.type !== 'end statement') {
    if (bindings.length > 0) s.expect('operator', ',')
    const target = parseTargetName(s)
    s.expect('operator', '=')
    bindings.push([target, parseExpression(s)])
  }
  const [body] = hardBlock(s, () => parseBlock(s, 'with', ['endwith']))
  return { kind: 'with', bindings, body, line }
}

/** Commas separate the bindings of `with`, so a target here is one name. */
function parseTargetName(s: TokenStream) {
  return { kind: 'name' as const, name: s.expect('name').text }
}

function parseFilterBlock(s: TokenStream, line: number): Statement {
  const filter = parseFilterChain(s)
  const [body] = hardBlock(s, () => parseBlock(s, 'filter', ['endfilter']))
  return { kind: 'filter block', filter, body, line }
}

function parseMacro(s: TokenStream, line: number): Statement {
  const name = s.expect('name').text
  return { kind: 'macro', name, signature: parseSignature(s, 'macro', 'endmacro'), line }
}

function parseCallBlock(s: TokenStream, line: number): Statement {
  const parameters = s.isOperator('(') ? parseParameters(s) : { parameters: [], defaults: [] }
  const call = parseExpression(s)
  if (call.kind !== 'call') return s.fail('expected call', line)
  return {
    kind: 'call block',
    call,
    signature: parseRoutine(s, 'call', 'endcall', parameters),
    line,
  }
}

function parseSignature(s: TokenStream, tag: string, end: string): Signature {
  return parseRoutine(s, tag, end, parseParameters(s))
}

type Parameters = Pick<Signature, 'parameters' | 'defaults'>

function parseParameters(s: TokenStream): Parameters {
  const parameters: string[] = []
  const defaults: Expression[] = []
  s.expect('operator', '(')
  while (!s.isOperator(')')) {
    if (parameters.length > 0) s.expect('operator', ',')
    parameters.push(s.expect('name').text)
    if (s.skipOperator('=')) defaults.push(parseExpression(s))
    else if (defaults.length > 0) s.fail('non-default argument follows default argument')
  }
  s.expect('operator', ')')
  return { parameters, defaults }
}

/** A body that runs on its own: it sees no loop to break out of, and knows which special names it uses. */
function parseRoutine(s: TokenStream, tag: string, end: string, given: Parameters): Signature {
  const uses = new Set<string>()
  s.nameWatchers.push(uses)
  const outerLoops = s.loopDepth
  s.loopDepth = 0
  const [body] = hardBlock(s, () => parseBlock(s, tag, [end]))
  s.loopDepth = outerLoops
  s.nameWatchers.pop()
  return { ...given, body, uses }
}

function parseGeneration(s: TokenStream, line: number): Statement {
  const { body } = parseRoutine(s, 'generation', 'endgeneration', { parameters: [], defaults: [] })
  return { kind: 'generation', body, line }
}

function parsePrint(s: TokenStream, line: number): Statement[] {
  const prints: Statement[] = []
  while (s.current.type !== 'end statement') {
    if (prints.length > 0) s.expect('operator', ',')
    prints.push({ kind: 'print', expression: parseExpression(s), line })
  }
  return prints
}

function parseLoopControl(s: TokenStream, kind: 'break' | 'continue', line: number): Statement {
  if (s.loopDepth === 0) s.fail(`'${kind}' outside loop`, line)
  return { kind, line }
}

/** A new scope ends the mercy that an `if` shows to unknown filters. */
function hardBlock<T>(s: TokenStream, parse: () => T): T {
  const outer = s.softDepth
  s.softDepth = 0
  const result = parse()
  s.softDepth = outer
  return result
}
