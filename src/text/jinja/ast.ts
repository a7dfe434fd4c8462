/** The tree of a parsed template. Plain data; `line` is where an error message points. */
import type { BinaryOperator } from './arithmetic.ts'
import type { Order } from './compare.ts'
import type { Value } from './values.ts'

export type Expression =
  | { kind: 'literal'; value: Value }
  | { kind: 'name'; name: string }
  | { kind: 'list' | 'tuple'; items: readonly Expression[] }
  | { kind: 'dict'; entries: readonly (readonly [Expression, Expression])[] }
  | { kind: 'attribute'; owner: Expression; name: string }
  | { kind: 'item'; owner: Expression; key: Expression }
  | { kind: 'slice'; start: Expression | null; stop: Expression | null; step: Expression | null }
  | { kind: 'call'; callee: Expression; args: CallArguments }
  | { kind: 'filter'; input: Expression | null; name: string; args: CallArguments }
  | { kind: 'test'; input: Expression; name: string; args: CallArguments }
  | { kind: 'not' | 'negative' | 'positive'; operand: Expression }
  | { kind: 'and' | 'or'; left: Expression; right: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'concat'; parts: readonly Expression[] }
  | { kind: 'compare'; first: Expression; rest: readonly Comparison[] }
  | {
      kind: 'if'
      condition: Expression
      value: Expression
      otherwise: Expression | null
      line: number
    }

export type FilterExpression = Extract<Expression, { kind: 'filter' }>
export type CallExpression = Extract<Expression, { kind: 'call' }>

export interface Comparison {
  readonly operator: Order | '==' | '!=' | 'in' | 'not in'
  readonly operand: Expression
}

export interface CallArguments {
  readonly positional: readonly Expression[]
  readonly keyword: readonly (readonly [string, Expression])[]
  readonly spread: Expression | null // *args
  readonly spreadKeyword: Expression | null // **kwargs
}

export type Target =
  | { kind: 'name'; name: string }
  | { kind: 'namespace'; name: string; attribute: string }
  | { kind: 'tuple'; items: readonly Target[] }

export type Statement =
  | { kind: 'data'; text: string }
  | { kind: 'print'; expression: Expression; line: number }
  | { kind: 'if'; branches: readonly Branch[]; otherwise: Body; line: number }
  | ForStatement
  | { kind: 'set'; target: Target; value: Expression; line: number }
  | { kind: 'set block'; target: Target; filter: FilterExpression | null; body: Body; line: number }
  | { kind: 'with'; bindings: readonly (readonly [Target, Expression])[]; body: Body; line: number }
  | { kind: 'filter block'; filter: FilterExpression; body: Body; line: number }
  | { kind: 'macro'; name: string; signature: Signature; line: number }
  | { kind: 'call block'; call: CallExpression; signature: Signature; line: number }
  | { kind: 'generation'; body: Body; line: number }
  | { kind: 'break' | 'continue'; line: number }

export type Body = readonly Statement[]

export interface Branch {
  readonly condition: Expression
  readonly body: Body
}

export interface ForStatement {
  readonly kind: 'for'
  readonly target: Target
  readonly iterable: Expression
  readonly condition: Expression | null
  readonly isRecursive: boolean
  readonly body: Body
  readonly otherwise: Body
  readonly line: number
}

/** What a macro or call block takes and does. */
export interface Signature {
  readonly parameters: readonly string[]
  /** Of the last parameters, as many as there are. */
  readonly defaults: readonly Expression[]
  readonly body: Body
  /** Whether the body names `caller`, `kwargs`, `varargs`: only then are they accepted. */
  readonly uses: ReadonlySet<string>
}
