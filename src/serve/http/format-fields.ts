/**
 * The form of an answer, in the words of OpenAI (`response_format`), vLLM (`structured_outputs`, the older `guided_*`) and
 * SGLang (`regex`, `ebnf`, `json_schema`). They all mean the library's `responseFormat`; a request names one form.
 */
import { describeValue } from '../../core/describe-value.ts'
import { InputError } from '../../core/errors.ts'
import type { ResponseFormat } from '../constrained/response-format.ts'
import { isRecord } from '../faults.ts'
import { exactly } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'

export type FormatFields = {
  readonly response_format?: OpenAiFormat | null
  readonly structured_outputs?: StructuredOutputs | null
  readonly guided_json?: object | string | null
  readonly guided_regex?: string | null
  readonly guided_choice?: readonly string[] | null
  readonly guided_grammar?: string | null
  readonly json_schema?: object | string | null
  readonly regex?: string | null
  readonly choice?: readonly string[] | null
  readonly ebnf?: string | null
}

export type OpenAiFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly json_schema: { readonly schema: object } }

type StructuredOutputs = {
  readonly json?: object | string | null
  readonly regex?: string | null
  readonly choice?: readonly string[] | null
  readonly grammar?: string | null
}

const SCHEMA: JsonSchema = {
  anyOf: [{ type: 'object' }, { type: 'string' }],
  description: 'A JSON Schema, or its text.',
}
const TEXT: JsonSchema = { type: 'string', minLength: 1 }
const CHOICES: JsonSchema = { type: 'array', minItems: 1, items: TEXT }

/** OpenAI's description of a schema, without its `type`. */
export const NAMED_SCHEMA = {
  name: { type: 'string' },
  description: { type: 'string' },
  schema: { type: 'object' },
  strict: { type: 'boolean', description: 'Schemas are always enforced whole, or refused.' },
} as const satisfies Record<string, JsonSchema>

export const FORMAT_PROPERTIES: { readonly [K in keyof Required<FormatFields>]: JsonSchema } = {
  response_format: {
    anyOf: [
      exactly({ type: { const: 'text' } }),
      exactly({ type: { const: 'json_object' } }),
      exactly({
        type: { const: 'json_schema' },
        json_schema: {
          type: 'object',
          properties: NAMED_SCHEMA,
          required: ['schema'],
          additionalProperties: false,
        },
      }),
    ],
  },
  structured_outputs: {
    type: 'object',
    properties: { json: SCHEMA, regex: TEXT, choice: CHOICES, grammar: TEXT },
    additionalProperties: false,
    'x-needs': {
      oneOf: ['json', 'regex', 'choice', 'grammar'],
      isOnly: false,
      code: 'INPUT_OPTION',
    },
  },
  guided_json: SCHEMA,
  guided_regex: TEXT,
  guided_choice: CHOICES,
  guided_grammar: TEXT,
  json_schema: SCHEMA,
  regex: { ...TEXT, description: 'The whole answer matches.' },
  choice: { ...CHOICES, description: 'The answer is one of these texts.' },
  ebnf: { ...TEXT, description: 'A grammar whose rule root is the answer.' },
}

/** The form that a request wants. Throws InputError where it names several, or a text that is no schema. */
export function responseFormatOf(fields: FormatFields): { responseFormat?: ResponseFormat } {
  const wanted = fields.structured_outputs ?? {}
  const given: readonly [string, ResponseFormat | null][] = [
    ['response_format', openAiFormat(fields.response_format)],
    ['structured_outputs.json', ofSchema(wanted.json, 'structured_outputs.json')],
    ['guided_json', ofSchema(fields.guided_json, 'guided_json')],
    ['json_schema', ofSchema(fields.json_schema, 'json_schema')],
    ['structured_outputs.regex', ofRegex(wanted.regex)],
    ['guided_regex', ofRegex(fields.guided_regex)],
    ['regex', ofRegex(fields.regex)],
    ['structured_outputs.choice', ofChoices(wanted.choice)],
    ['guided_choice', ofChoices(fields.guided_choice)],
    ['choice', ofChoices(fields.choice)],
    ['structured_outputs.grammar', ofGrammar(wanted.grammar)],
    ['guided_grammar', ofGrammar(fields.guided_grammar)],
    ['ebnf', ofGrammar(fields.ebnf)],
  ]
  const named = given.filter(([, format]) => format !== null)
  if (named.length > 1) {
    const names = named.map(([name]) => name).join(' and ')
    throw new InputError('INPUT_OPTION', `format: an answer has one form, ${names} came; name one.`)
  }
  const format = named[0]?.[1]
  return format ? { responseFormat: format } : {}
}

function openAiFormat(format: OpenAiFormat | null | undefined): ResponseFormat | null {
  if (!format || format.type === 'text') return null
  if (format.type === 'json_object') return { type: 'json_object' }
  return { type: 'json_schema', schema: format.json_schema.schema }
}

function ofSchema(value: object | string | null | undefined, name: string): ResponseFormat | null {
  if (value === null || value === undefined) return null
  const schema = typeof value === 'string' ? parseSchema(value) : value
  if (isRecord(schema)) return { type: 'json_schema', schema }
  throw new InputError(
    'INPUT_FORMAT',
    `${name} should be a JSON Schema, an object, or the text of one, ${describeValue(value)} came.`,
  )
}

function parseSchema(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

function ofRegex(pattern: string | null | undefined): ResponseFormat | null {
  return typeof pattern === 'string' ? { type: 'regex', pattern } : null
}

function ofChoices(choices: readonly string[] | null | undefined): ResponseFormat | null {
  return choices ? { type: 'choice', choices } : null
}

function ofGrammar(grammar: string | null | undefined): ResponseFormat | null {
  return typeof grammar === 'string' ? { type: 'ebnf', grammar } : null
}
