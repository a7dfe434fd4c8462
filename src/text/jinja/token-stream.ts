/** The tokens with a place in them, and the questions a parser asks. */
import { fail } from './failure.ts'
import { tokenize, type Token, type TokenType } from './lexer.ts'

/** Brackets, operators and blocks within one another; a chat template has fewer than ten. */
const MAX_DEPTH = 120

const DESCRIPTIONS: Partial<Record<TokenType, string>> = {
  data: 'template data / text',
  'begin statement': 'begin of statement block',
  'end statement': 'end of statement block',
  'begin print': 'begin of print statement',
  'end print': 'end of print statement',
  end: 'end of template',
}

export class TokenStream {
  readonly #tokens: readonly Token[]
  #position = 0
  #depth = 0
  /** Names that macros and call blocks around this place want to know of: see `Signature.uses`. */
  readonly nameWatchers: Set<string>[] = []
  /** Whether `break` and `continue` have a loop here. */
  loopDepth = 0
  /** Inside an `if` an unknown filter or test is an error only when it is reached. */
  softDepth = 0
  /** Unknown filters and tests outside of any `if`: an error once all else has been parsed. */
  readonly unknown: { message: string; line: number }[] = []

  constructor(source: string) {
    this.#tokens = tokenize(source)
  }

  get current(): Token {
    return this.#tokens[Math.min(this.#position, this.#tokens.length - 1)] as Token
  }

  get following(): Token {
    return this.#tokens[Math.min(this.#position + 1, this.#tokens.length - 1)] as Token
  }

  next(): Token {
    const token = this.current
    this.#position++
    return token
  }

  isName(...names: string[]): boolean {
    return this.current.type === 'name' && names.includes(this.current.text)
  }

  isOperator(...operators: string[]): boolean {
    return this.current.type === 'operator' && operators.includes(this.current.text)
  }

  skipName(name: string): boolean {
    return this.isName(name) && Boolean(this.next())
  }

  skipOperator(operator: string): boolean {
    return this.isOperator(operator) && Boolean(this.next())
  }

  expect(type: TokenType, text?: string): Token {
    const token = this.current
    if (token.type === type && (text === undefined || token.text === text)) return this.next()
    const wanted = text ?? DESCRIPTIONS[type] ?? type
    if (token.type === 'end') {
      return this.fail(`unexpected end of template, expected '${wanted}'.`)
    }
    return this.fail(`expected token '${wanted}', got '${describe(token)}'`)
  }

  /** Runs `parse` one level deeper. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) fail('Limit', `it nests deeper than ${MAX_DEPTH} levels`)
    const result = parse()
    this.#depth--
    return result
  }

  noteUnknown(message: string, line: number): void {
    if (this.softDepth === 0) this.unknown.push({ message, line })
  }

  fail(message: string, line = this.current.line): never {
    return fail('TemplateSyntaxError', message, line)
  }
}

export function describe(token: Token): string {
  return token.type === 'name' || token.type === 'operator'
    ? token.text
    : (DESCRIPTIONS[token.type] ?? token.type)
}
