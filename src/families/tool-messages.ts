/**
 * Tools, calls and results as a chat template reads them: in OpenAI's shape, arguments as an object, as transformers'
 * documentation asks of whoever fills a template in.
 *
 * Everything a caller or a tool wrote is data: names, descriptions and results are kept from being read for control tokens.
 */
import { InputError } from '../core/errors.ts'
import type { ChatMessage } from '../text/chat-template.ts'
import type { PlainText } from './plain-text.ts'
import type { ToolFormat } from './tool-format.ts'

/** What a model may call. */
export type ToolDefinition = {
  readonly name: string
  readonly description?: string | undefined
  /** A JSON Schema of the arguments; without one there are none. */
  readonly parameters?: object | undefined
}

/** A call that a model made. */
export type ToolCall = {
  /** What the result of this call names it by. */
  readonly id: string
  readonly name: string
  /** The text of a JSON object; '' means one without fields. */
  readonly arguments: string
}

/** A JSON Schema for tools that say none. */
export const NO_PARAMETERS = { type: 'object', properties: {}, additionalProperties: false }

export function templateTools(tools: readonly ToolDefinition[], plain: PlainText): object[] {
  return tools.map(({ name, description = '', parameters = NO_PARAMETERS }) => ({
    type: 'function',
    function: protectJson({ name, description, parameters }, plain) as object,
  }))
}

/** All texts in tools, for `PlainText` to know what is in the prompt. */
export function toolTexts(tools: readonly ToolDefinition[]): string[] {
  return tools.map((tool) => JSON.stringify(tool))
}

/** All texts in calls, arguments without the escapes that could hide something in them. */
export function callTexts(calls: readonly ToolCall[]): string[] {
  return calls.flatMap((call) => [call.name, JSON.stringify(argumentsOf(call))])
}

/** The fields that calls add to an assistant's message. */
export function callFields(
  calls: readonly ToolCall[],
  { plain, ids }: { readonly plain: PlainText; readonly ids: CallIds },
): Partial<ChatMessage> {
  return {
    tool_calls: calls.map((call) => ({
      type: 'function',
      id: ids.of(call.id),
      function: {
        name: plain.protect([call.name])[0],
        arguments: protectJson(argumentsOf(call), plain),
      },
    })),
  }
}

function argumentsOf(call: ToolCall): unknown {
  try {
    const value = JSON.parse(call.arguments || '{}') as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Told below, as any other text that is no object.
  }
  throw new InputError(
    'INPUT_TOOLS',
    `messages: arguments of the call ${call.name.slice(0, 64)} should be the text of a JSON object.`,
  )
}

/** Ids of calls as the template may have them: Mistral's wants nine letters or digits, so there they are numbered. */
export class CallIds {
  readonly #format: ToolFormat
  readonly #numbers = new Map<string, string>()

  constructor(format: ToolFormat) {
    this.#format = format
  }

  of(id: string): string {
    if (this.#format !== 'mistral') return id
    const known = this.#numbers.get(id)
    if (known !== undefined) return known
    const next = String(this.#numbers.size).padStart(9, '0')
    this.#numbers.set(id, next)
    return next
  }
}

/** Texts and names in a value of JSON, protected. */
function protectJson(value: unknown, plain: PlainText): unknown {
  const text = (one: string) => plain.protect([one])[0] ?? ''
  if (typeof value === 'string') return text(value)
  if (Array.isArray(value)) return value.map((one) => protectJson(one, plain))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [text(name), protectJson(one, plain)]),
  )
}
