/**
 * Dimensions as expressions: `T`, `6*B*T`, `T+-1`, `(S+T)*B`. Sums and products in one normal form, so that equal
 * dimensions are equal text; read back into a tree for those that compute with them.
 */
import type { Dim, Shape } from '../core/shape.ts'
import { ShapeError } from '../core/errors.ts'

/** A product of dimensions in normal form, `6*B*T`, or a number. */
export function product(dims: Shape): Dim {
  let factor = 1
  const symbols: string[] = []
  for (const dim of dims) {
    if (typeof dim === 'number') factor *= dim
    else if (isSum(dim)) symbols.push(`(${dim})`)
    else {
      for (const part of splitOutside(dim, '*')) {
        if (/^\d+$/.test(part)) factor *= Number(part)
        else symbols.push(part)
      }
    }
  }
  if (symbols.length === 0) return factor
  symbols.sort()
  if (factor !== 1) return `${factor}*${symbols.join('*')}`
  return symbols.length === 1 ? withoutParentheses(symbols[0] as string) : symbols.join('*')
}

/** A sum of dimensions: a number, or terms joined by `+` in the order given, their numbers added up at the end. */
export function sum(dims: Shape): Dim {
  let constant = 0
  const terms: string[] = []
  for (const dim of dims) {
    for (const term of typeof dim === 'number' ? [dim] : splitOutside(dim, '+')) {
      if (typeof term === 'number' || /^-?\d+$/.test(term)) constant += Number(term)
      else terms.push(term)
    }
  }
  if (terms.length === 0) return constant
  return constant === 0 ? terms.join('+') : `${terms.join('+')}+${constant}`
}

/** a − b where b is a number, or equals a in part: the one kind of difference that shapes need. */
export function difference(a: Dim, b: Dim): Dim {
  if (typeof b === 'number') return sum([a, -b])
  if (typeof a === 'number') throw cannotSubtract(a, b)
  const left = splitOutside(a, '+')
  const numbers: number[] = []
  for (const term of splitOutside(b, '+')) {
    const at = left.indexOf(term)
    if (/^-?\d+$/.test(term)) numbers.push(-Number(term))
    else if (at < 0) throw cannotSubtract(a, b)
    else left.splice(at, 1)
  }
  return sum([...(left.length > 0 ? [left.join('+')] : []), ...numbers])
}

function cannotSubtract(a: Dim, b: Dim): ShapeError {
  return new ShapeError('SHAPE_DIFFERENCE', `${a} − ${b} is no dimension that can be written.`)
}

export type DimExpression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'sum' | 'product'; readonly parts: readonly DimExpression[] }

export function parseDim(dim: Dim): DimExpression {
  if (typeof dim === 'number') return { kind: 'number', value: dim }
  const terms = splitOutside(dim, '+')
  if (terms.length > 1) return { kind: 'sum', parts: terms.map(parseDim) }
  const factors = splitOutside(dim, '*')
  if (factors.length > 1) return { kind: 'product', parts: factors.map(parseDim) }
  const inner = withoutParentheses(dim)
  if (inner !== dim) return parseDim(inner)
  if (/^-?\d+$/.test(dim)) return { kind: 'number', value: Number(dim) }
  return { kind: 'symbol', name: dim }
}

/** The shape as numbers, with a size for every symbol. Throws ShapeError for a symbol without one. */
export function resolveShape(shape: Shape, sizes: ReadonlyMap<string, number>): number[] {
  return shape.map((dim) => evaluate(parseDim(dim), sizes))
}

function evaluate(expression: DimExpression, sizes: ReadonlyMap<string, number>): number {
  if (expression.kind === 'number') return expression.value
  if (expression.kind === 'symbol') {
    const size = sizes.get(expression.name)
    if (size !== undefined) return size
    throw new ShapeError('SHAPE_SYMBOLS', `graph: the dimension ${expression.name} has no size.`)
  }
  const parts = expression.parts.map((part) => evaluate(part, sizes))
  return expression.kind === 'sum'
    ? parts.reduce((a, b) => a + b, 0)
    : parts.reduce((a, b) => a * b, 1)
}

function isSum(dim: string): boolean {
  return splitOutside(dim, '+').length > 1
}

function withoutParentheses(dim: string): string {
  const isWrapped = dim.startsWith('(') && splitOutside(dim, '*').length === 1 && dim.endsWith(')')
  return isWrapped ? dim.slice(1, -1) : dim
}

/** Parts of a text between separators that stand outside of parentheses. */
function splitOutside(text: string, separator: '+' | '*'): string[] {
  const parts: string[] = []
  let [depth, start] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    else if (text[i] === separator && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  return [...parts, text.slice(start)]
}
