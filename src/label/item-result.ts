/** What became of an item: an answer or an error for each prompt. */
import { LlavaError } from '../core/errors.ts'
import { isRecord } from '../serve/faults.ts'
import { EndpointRefused } from '../serve/remote/endpoint.ts'
import { propertyTypes } from './column-type.ts'
import type { LabelAnswer } from './label-engine.ts'

/** One for each prompt, in their order. */
export type ItemResult = readonly PromptResult[]

export type PromptResult =
  | (LabelAnswer & { readonly model: string; readonly error?: ResultError })
  | { readonly error: ResultError }

export type ResultError = { readonly code: string; readonly message: string }

export function hasError(result: ItemResult): boolean {
  return result.some((one) => one.error !== undefined)
}

/** An answer, checked to be JSON whose numbers are kept where there is a schema. */
export function resultOf(
  answer: LabelAnswer,
  model: string,
  schema: object | undefined,
): PromptResult {
  const result = { ...answer, model }
  if (schema === undefined) return result
  const parsed = parseAnswer(answer.text)
  if (parsed !== undefined) {
    const number = changedNumber(answer.text) ?? wideNumber(parsed, schema)
    if (number === undefined) return result
    const message = `label: reading should keep the numbers of an answer (whole ones below 2^53, none beyond 1e308), ${number} came; give it a maximum or make it a string in the schema.`
    return { ...result, error: { code: 'INPUT_LABEL_JSON', message } }
  }
  const message =
    answer.finishReason === 'length'
      ? 'label: the answer was cut off before its JSON ended; raise maxTokens.'
      : 'label: the answer should be JSON, it is not; does the server keep to schemas?'
  return { ...result, error: { code: 'INPUT_LABEL_JSON', message } }
}

/** The object, list or value that an answer is; undefined for what is no JSON. */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The first number of a JSON text that is another one when it is read. Fractions are rounded, as whoever writes one expects. */
function changedNumber(json: string): string | undefined {
  const values: readonly string[] = json.match(/"(?:\\.|[^"\\])*"|-?[\d.]+(?:e[+-]?\d+)?/gi) ?? []
  return values.find((one) => !one.startsWith('"') && isChanged(one))
}

function isChanged(number: string): boolean {
  const value = Number(number)
  if (!Number.isFinite(value)) return true
  const { digits, power } = decimalOf(number)
  return power >= 0 && digits !== decimalOf(String(value)).digits
}

/** `digits · 10^power`, without zeros at either end of the digits; a whole number's power is 0 or more. */
function decimalOf(number: string): { readonly digits: string; readonly power: number } {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const all = `${whole}${fraction}`
  const digits = all.replace(/0+$/, '')
  const power = Number(exponent) - fraction.length + (all.length - digits.length)
  return { digits: digits.replace(/^0+/, ''), power }
}

/** What a table's column of whole numbers has no place for. */
function wideNumber(answer: unknown, schema: object): string | undefined {
  if (!isRecord(answer)) return undefined
  const wide = propertyTypes(schema).find(
    ([name, type]) => type === 'whole' && isWide(answer[name]),
  )
  return wide && String(answer[wide[0]])
}

function isWide(value: unknown): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

/** As a row shows it: the code is stable, the message says what to do. */
export function errorOf(error: unknown): ResultError {
  if (error instanceof EndpointRefused) {
    return { code: error.serverCode ?? error.code, message: error.message }
  }
  if (error instanceof LlavaError) return { code: error.code, message: error.message }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }
}
