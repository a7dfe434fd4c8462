/** An answer as columns of a table: the parts of a JSON object each in their own. */
import { isRecord } from '../serve/faults.ts'
import { parseAnswer, type PromptResult } from './item-result.ts'
import { propertyTypes, type ColumnType } from './column-type.ts'

export type AnswerColumn = {
  readonly name: string
  readonly type: ColumnType
  /** Null where the answer has none, or one of another kind. */
  readonly value: (row: LabelRow) => string | number | boolean | null
}

/** What is known of one prompt about one item. */
export type LabelRow = {
  readonly id: string
  readonly prompt: string
  readonly result: PromptResult
}

/** Columns of every file, and `answer_…` for each property that the schema has at its top. */
export function answerColumns(schema: object | undefined): AnswerColumn[] {
  return [
    { name: 'item_id', type: 'text', value: ({ id }) => id },
    { name: 'prompt_id', type: 'text', value: ({ prompt }) => prompt },
    { name: 'text', type: 'text', value: ({ result }) => answerOf(result)?.text ?? null },
    ...propertyTypes(schema).map(([name, type]): AnswerColumn => ({
      name: `answer_${name}`,
      type,
      value: ({ result }) => partOf(parsedOf(result), name, type),
    })),
    {
      name: 'finish_reason',
      type: 'text',
      value: ({ result }) => answerOf(result)?.finishReason ?? null,
    },
    {
      name: 'prompt_tokens',
      type: 'whole',
      value: ({ result }) => answerOf(result)?.promptTokens ?? null,
    },
    {
      name: 'completion_tokens',
      type: 'whole',
      value: ({ result }) => answerOf(result)?.completionTokens ?? null,
    },
    { name: 'model', type: 'text', value: ({ result }) => answerOf(result)?.model ?? null },
    { name: 'error_code', type: 'text', value: ({ result }) => result.error?.code ?? null },
    { name: 'error', type: 'text', value: ({ result }) => result.error?.message ?? null },
  ]
}

/** One line of a JSONL file. */
export function answerLine({ id, prompt, result }: LabelRow, schema: object | undefined): object {
  const answer = answerOf(result)
  const parsed = schema && parsedOf(result)
  return {
    item_id: id,
    prompt_id: prompt,
    text: answer?.text ?? null,
    ...(schema && { answer: parsed ?? null }),
    finish_reason: answer?.finishReason ?? null,
    usage: answer
      ? {
          prompt_tokens: answer.promptTokens ?? null,
          completion_tokens: answer.completionTokens ?? null,
        }
      : null,
    model: answer?.model ?? null,
    error: result.error ?? null,
  }
}

function answerOf(result: PromptResult) {
  return 'text' in result ? result : null
}

function parsedOf(result: PromptResult): unknown {
  return 'text' in result && result.error === undefined ? parseAnswer(result.text) : undefined
}

function partOf(answer: unknown, name: string, type: ColumnType): string | number | boolean | null {
  const value = isRecord(answer) ? answer[name] : undefined
  if (value === undefined || value === null) return null
  switch (type) {
    case 'text':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'whole':
      return Number.isSafeInteger(value) ? (value as number) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'truth':
      return typeof value === 'boolean' ? value : null
  }
}
