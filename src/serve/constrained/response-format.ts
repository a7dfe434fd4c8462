/**
 * The form that an answer is asked to have: JSON, JSON by a schema, a regular expression, one of several texts, a grammar.
 *
 * What is too large or cannot be enforced is refused here, by name and before anything is compiled.
 */
import { InputError } from '../../core/errors.ts'
import { isRecord } from '../faults.ts'
import { enforceable, type SchemaRule } from './enforceable-schema.ts'
import { ebnfFault, wholeRegex } from './safe-regex.ts'

export type ResponseFormat =
  | { readonly type: 'text' }
  /** Any JSON object. */
  | { readonly type: 'json_object' }
  /** JSON by a schema, of which every keyword is enforced; an object has the named properties only, unless the schema says more. */
  | { readonly type: 'json_schema'; readonly schema: object }
  /** The whole answer matches. */
  | { readonly type: 'regex'; readonly pattern: string }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  /** EBNF as GBNF and XGrammar have it, classes of ASCII; the rule `root` is the answer. */
  | { readonly type: 'ebnf'; readonly grammar: string }

/** What XGrammar compiles. */
export type Grammar = {
  readonly kind: 'schema' | 'regex' | 'ebnf'
  readonly text: string
  /** The body of a rule around `root`, which is what the schema says; without one `root` is the answer. */
  readonly frame?: string | undefined
  /** Of a regular expression: as it was asked for. `text` is how XGrammar's reader follows it. */
  readonly asked?: string
  /** What takes the places of their stand-ins in a schema. */
  readonly rules?: readonly SchemaRule[]
}

const LONGEST = { schema: 1 << 16, regex: 4096, ebnf: 1 << 16 } as const
/** A regular expression as it is compiled: a class beyond ASCII has hundreds of characters. */
const LONGEST_WRITTEN = 1 << 16
const LONG_CLASSES =
  'has too many classes with characters beyond ASCII (\\S and [^\\s] are two); write [^ ] for \\S, or repeat one class by a count'
const MOST_CHOICES = 1000

/** The grammar of a format; null where every text will do. Throws InputError INPUT_FORMAT. */
export function grammarOf(format: ResponseFormat): Grammar | null {
  switch (format.type) {
    case 'text':
      return null
    case 'json_object':
      return { kind: 'schema', text: '{"type":"object","additionalProperties":true}' }
    case 'json_schema':
      return schemaGrammar(format.schema)
    case 'regex':
      return { kind: 'regex', text: checkedRegex(format.pattern), asked: format.pattern }
    case 'choice':
      return limited('ebnf', choiceGrammar(format.choices))
    case 'ebnf':
      return { kind: 'ebnf', text: checkedGrammar(format.grammar) }
  }
}

/** JSON by a schema. Throws InputError INPUT_FORMAT for what cannot be enforced. */
export function schemaGrammar(schema: object): Grammar {
  const { schema: written, rules } = enforceable(schema)
  return { ...limited('schema', JSON.stringify(written)), rules }
}

function checkedRegex(pattern: string): string {
  const written = wholeRegex(limited('regex', pattern).text)
  const fault = 'fault' in written ? written.fault : writtenFault(written.pattern)
  if ('pattern' in written && fault === null) return written.pattern
  throw new InputError('INPUT_FORMAT', `responseFormat: the regular expression ${fault}.`)
}

function writtenFault(pattern: string): string | null {
  if (pattern === '') return 'matches the empty text alone; write what an answer may be'
  return pattern.length > LONGEST_WRITTEN ? LONG_CLASSES : null
}

function checkedGrammar(grammar: string): string {
  const fault = ebnfFault(limited('ebnf', grammar).text)
  if (fault === null) return grammar
  throw new InputError('INPUT_FORMAT', `responseFormat: the grammar ${fault}.`)
}

function limited(kind: Grammar['kind'], text: string): Grammar {
  const longest = LONGEST[kind]
  if (text !== '' && text.length <= longest) return { kind, text }
  const instead = text === '' ? 'leave it out for any text' : 'make it shorter'
  throw new InputError(
    'INPUT_FORMAT',
    `responseFormat: a ${kind} should have 1 to ${longest} characters, it has ${text.length}; ${instead}.`,
  )
}

function choiceGrammar(choices: readonly string[]): string {
  if (choices.length === 0 || choices.length > MOST_CHOICES || choices.includes('')) {
    throw new InputError(
      'INPUT_FORMAT',
      `responseFormat: expected 1 to ${MOST_CHOICES} choices, none empty, ${choices.length} came.`,
    )
  }
  const half = choices.find((choice) => /\p{Surrogate}/u.test(choice))
  if (half !== undefined) {
    throw new InputError(
      'INPUT_FORMAT',
      `responseFormat: choices should be whole characters, ${JSON.stringify(half.slice(0, 60))} has half of one.`,
    )
  }
  return `root ::= ${choices.map(literal).join(' | ')}`
}

/** A text in EBNF; JSON's escapes are among those that XGrammar reads. */
function literal(text: string): string {
  return JSON.stringify(text)
}

/** A format from a value that somebody gave, or undefined where it is none. OpenAI's nested `json_schema` is taken as well. */
export function readResponseFormat(value: unknown): ResponseFormat | undefined {
  if (!isRecord(value)) return undefined
  const { type } = value
  if (type === 'text' || type === 'json_object') return hasOnly(value, []) ? { type } : undefined
  if (type === 'json_schema') return readSchemaFormat(value)
  if (type === 'regex') {
    const { pattern } = value
    return typeof pattern === 'string' && hasOnly(value, ['pattern'])
      ? { type, pattern }
      : undefined
  }
  if (type === 'choice') {
    const { choices } = value
    const isList = Array.isArray(choices) && choices.every((one) => typeof one === 'string')
    return isList && hasOnly(value, ['choices']) ? { type, choices } : undefined
  }
  if (type !== 'ebnf') return undefined
  const { grammar } = value
  return typeof grammar === 'string' && hasOnly(value, ['grammar']) ? { type, grammar } : undefined
}

function readSchemaFormat(value: Record<string, unknown>): ResponseFormat | undefined {
  const nested = value['json_schema']
  if (nested === undefined) {
    const { schema } = value
    return isRecord(schema) && hasOnly(value, ['schema'])
      ? { type: 'json_schema', schema }
      : undefined
  }
  if (!isRecord(nested) || !hasOnly(value, ['json_schema'])) return undefined
  const isKnown = Object.keys(nested).every((key) =>
    ['name', 'description', 'schema', 'strict'].includes(key),
  )
  const { schema } = nested
  return isKnown && isRecord(schema) ? { type: 'json_schema', schema } : undefined
}

function hasOnly(value: object, names: readonly string[]): boolean {
  return Object.keys(value).every((key) => key === 'type' || names.includes(key))
}
