/**
 * XGrammar's rules of a schema with our own in the places of what stands in for them, with numbers that are finite and of a
 * length, and with as little white space in values of any kind as elsewhere.
 */
import type { SchemaRule } from './enforceable-schema.ts'
import { ANY_INTEGER, ANY_NUMBER } from './number-range.ts'
import { SPACES, valueName } from './object-rules.ts'

export function mended(written: string, rules: readonly SchemaRule[]): string {
  const own = withFiniteNumbers(written.split('\n')).map((line) =>
    line.startsWith('basic_') ? line.replaceAll('[ \\n\\t]*', SPACES) : line,
  )
  const numbers = rules.filter(({ values }) => values === undefined)
  const whole = numbers.reduce(
    (text, { name }) => text.replaceAll(literal(name), name),
    withObjects(own, rules).join('\n'),
  )
  return [whole, ...rules.flatMap((one) => one.rules)].join('\n')
}

/** A definition that is a number of any size has the whole body of XGrammar's own rule, under its own name. */
function withFiniteNumbers(lines: readonly string[]): string[] {
  const bodyOf = (rule: string) => {
    const line = lines.find((one) => one.startsWith(`${rule}${IS}`))
    if (line === undefined) throw new Error(`internal: XGrammar wrote no rule for ${rule}`)
    return line.slice(rule.length + IS.length)
  }
  const finite = new Map([
    [bodyOf('basic_number'), ANY_NUMBER],
    [bodyOf('basic_integer'), ANY_INTEGER],
  ])
  return lines.map((line) => {
    const [rule = '', body = ''] = line.split(IS, 2)
    const own = finite.get(body)
    return own === undefined ? line : `${rule}${IS}${own}`
  })
}

const IS = ' ::= '

/** A constant as XGrammar writes it. */
function literal(text: string): string {
  return JSON.stringify(JSON.stringify(text))
}

/**
 * An object that stands in for our rules has its first property in its own rule, which becomes ours; the rules that
 * XGrammar made of its values get the names that ours call them by.
 */
function withObjects(lines: readonly string[], rules: readonly SchemaRule[]): string[] {
  const firsts = new Map(rules.map(({ name }) => [valueName(name, 0), name]))
  const missing = new Set(
    rules.flatMap(({ name, values = 0 }) =>
      Array.from({ length: values }, (_, i) => valueName(name, i)),
    ),
  )
  // The rule of a definition has the definition's name in its own.
  const property = new RegExp(
    `"\\\\"(\\w+)\\\\"" ${escaped(SPACES)} ":" ${escaped(SPACES)} ([\\w.-]+)`,
  )
  const written = lines.flatMap((line) => {
    const [, key = '', value = ''] = property.exec(line) ?? []
    if (!missing.delete(key)) return [line]
    const object = firsts.get(key)
    const [rule] = line.split(' ', 1)
    return [object === undefined ? line : `${rule} ::= ${object}`, `${key} ::= ${value}`]
  })
  if (missing.size === 0) return written
  throw new Error(`internal: XGrammar wrote no rule for ${[...missing].slice(0, 3).join(', ')}`)
}

function escaped(text: string): string {
  return text.replace(/[\\[\]{}]/g, '\\$&')
}
