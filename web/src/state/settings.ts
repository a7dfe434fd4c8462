/** How answers are asked for. An empty text leaves the choice to the server. */
import type { SchemaField } from './schema-fields.ts'

export type Numbers = {
  readonly temperature: string
  readonly top_p: string
  readonly top_k: string
  readonly min_p: string
  readonly max_completion_tokens: string
  readonly seed: string
  readonly repetition_penalty: string
}

export type AnswerForm = 'text' | 'json_object' | 'json_schema' | 'choice' | 'regex'

export type Settings = {
  readonly model: string
  readonly system: string
  readonly numbers: Numbers
  /** Texts before which an answer ends, one a line. */
  readonly stop: string
  readonly form: AnswerForm
  readonly schema: string
  /** What `schema` is made of, faulty ones too, which it has not; null where it was written as text. */
  readonly fields: readonly SchemaField[] | null
  /** One a line. */
  readonly choices: string
  readonly regex: string
}

export const FIRST_SCHEMA = `{
  "type": "object",
  "properties": {
    "caption": { "type": "string" },
    "objects": { "type": "array", "items": { "type": "string" } },
    "people": { "type": "integer" }
  },
  "required": ["caption", "objects", "people"]
}`

export const DEFAULT_SETTINGS: Settings = {
  model: '',
  system: '',
  numbers: {
    temperature: '',
    top_p: '',
    top_k: '',
    min_p: '',
    max_completion_tokens: '',
    seed: '',
    repetition_penalty: '',
  },
  stop: '',
  form: 'text',
  schema: FIRST_SCHEMA,
  fields: null,
  choices: 'yes\nno',
  regex: '[0-9]+',
}

export type NumberRule = {
  readonly label: string
  readonly about: string
  readonly least: number
  readonly most: number
  readonly isWhole: boolean
}

/** The server's bounds, told before it is asked; what is not given here, it tells itself. */
export const NUMBER_RULES: { readonly [K in keyof Numbers]: NumberRule } = {
  max_completion_tokens: {
    label: 'Longest answer',
    about: 'in tokens',
    least: 1,
    most: 1_000_000,
    isWhole: true,
  },
  temperature: {
    label: 'Temperature',
    about: '0 always takes the likeliest word',
    least: 0,
    most: 2,
    isWhole: false,
  },
  top_p: {
    label: 'Top p',
    about: 'keeps the likeliest words that make up this share',
    least: 0,
    most: 1,
    isWhole: false,
  },
  top_k: {
    label: 'Top k',
    about: 'keeps this many of the likeliest words; 0: all',
    least: 0,
    most: 1_000_000,
    isWhole: true,
  },
  min_p: {
    label: 'Min p',
    about: 'drops words this much less likely than the first',
    least: 0,
    most: 1,
    isWhole: false,
  },
  repetition_penalty: {
    label: 'Repetition penalty',
    about: '1 does nothing, more avoids words that were said',
    least: 0.01,
    most: 100,
    isWhole: false,
  },
  seed: {
    label: 'Seed',
    about: 'the same seed draws the same answer',
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    isWhole: true,
  },
}

/** What is wrong with a number as it was typed, or null. */
export function numberFault(text: string, { least, most, isWhole }: NumberRule): string | null {
  if (text.trim() === '') return null
  const value = Number(text)
  if (!Number.isFinite(value)) return 'not a number'
  if (isWhole && !Number.isSafeInteger(value)) return 'a whole number, please'
  if (value < least) return `${least} or more`
  return value > most ? `${most} at most` : null
}

/**
 * Fields of a request. Faulty numbers are left out: the page does not send while there are any. A drawn answer without a
 * seed gets `freshSeed`, which is told with the answer, so that it can be had again.
 */
export function requestOptions(settings: Settings, freshSeed: number): Record<string, unknown> {
  const given = Object.entries(settings.numbers).filter(([, text]) => text.trim() !== '')
  const numbers = Object.fromEntries(given.map(([name, text]) => [name, Number(text)]))
  const stop = lines(settings.stop)
  return {
    ...(numbers['seed'] === undefined && numbers['temperature'] !== 0 && { seed: freshSeed }),
    ...numbers,
    ...(stop.length > 0 && { stop }),
    ...formOptions(settings),
  }
}

function formOptions({ form, schema, choices, regex }: Settings): object {
  switch (form) {
    case 'text':
      return {}
    case 'json_object':
      return { response_format: { type: 'json_object' } }
    case 'json_schema':
      return {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema: JSON.parse(schema) as object },
        },
      }
    case 'choice':
      return { choice: lines(choices) }
    case 'regex':
      return { regex }
  }
}

export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

export function isJsonForm({ form }: Settings): boolean {
  return form === 'json_object' || form === 'json_schema'
}
