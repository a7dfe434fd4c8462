/** What became of an item: an answer or an error for each prompt. */
import { LlavaError } from '../core/errors.ts'
import { isRecord } from '../serve/faults.ts'
import { EndpointRefused } from '../serve/remote/endpoint.ts'
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

/** An answer, checked to be JSON where it was to be. */
export function resultOf(answer: LabelAnswer, model: string, wantsJson: boolean): PromptResult {
  const result = { ...answer, model }
  if (!wantsJson) return result
  if (parseAnswer(answer.text) !== undefined) {
    const number = inexactNumber(answer.text)
    if (number === undefined) return result
    const message = `label: whole numbers of an answer should be below 2^53, ${number} came, whose last digits would be lost; give it a maximum or make it a string in the schema.`
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

/** The first whole number of a JSON text that is another one when it is read. */
function inexactNumber(json: string): string | undefined {
  const values: readonly string[] = json.match(/"(?:\\.|[^"\\])*"|-?[\d.]+(?:e[+-]?\d+)?/gi) ?? []
  return values.find((one) => /^-?\d+$/.test(one) && !Number.isSafeInteger(Number(one)))
}

/** As a row shows it: the code is stable, the message says what to do. */
export function errorOf(error: unknown): ResultError {
  if (error instanceof EndpointRefused) {
    return { code: error.serverCode ?? error.code, message: error.message }
  }
  if (error instanceof LlavaError) return { code: error.code, message: error.message }
  const code = isRecord(error) && typeof error['code'] === 'string' ? error['code'] : 'INTERNAL'
  return { code, message: error instanceof Error ? error.message : String(error) }
}
