/**
 * Tools in OpenAI's words, and calls in its answers; `/v1/responses` writes the same one level flatter.
 *
 * Source: platform.openai.com/docs/guides/function-calling.
 */
import type { ToolDefinition } from '../../families/tool-messages.ts'
import type { WrittenCall } from '../tools/call-parser.ts'
import type { ToolChoice, ToolFields } from '../tools/tool-use.ts'
import { exactly } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import { ignoredProperties } from './sampling-fields.ts'

export type OpenAiFunction = {
  readonly name: string
  readonly description?: string | null
  readonly parameters?: object | null
  readonly strict?: boolean | null
}

export type OpenAiTool = { readonly type: 'function'; readonly function: OpenAiFunction }

export type OpenAiToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } }

export type OpenAiCall = {
  readonly id: string
  readonly function: { readonly name: string; readonly arguments: string }
}

const NAME: JsonSchema = { type: 'string', minLength: 1, maxLength: 128 }

/** What describes a function. */
export const FUNCTION_PROPERTIES = {
  name: NAME,
  description: { type: 'string' },
  parameters: { type: 'object', description: 'A JSON Schema of the arguments.' },
  strict: {
    type: 'boolean',
    description: 'Arguments follow the schema where a call is required or named, strict or not.',
  },
} as const satisfies Record<string, JsonSchema>

export const TOOL_CHOICES: JsonSchema = { type: 'string', enum: ['none', 'auto', 'required'] }

export function toolList(tool: JsonSchema): JsonSchema {
  return {
    type: 'array',
    maxItems: 128,
    items: tool,
    description: 'What the model may call; its chat template must show tools.',
  }
}

export const TOOL_PROPERTIES = {
  tools: toolList(
    exactly({
      type: { const: 'function' },
      function: {
        type: 'object',
        properties: FUNCTION_PROPERTIES,
        required: ['name'],
        additionalProperties: false,
      },
    }),
  ),
  tool_choice: {
    anyOf: [
      TOOL_CHOICES,
      exactly({ type: { const: 'function' }, function: exactly({ name: NAME }) }),
    ],
    description: 'required and a name are enforced. Default: auto.',
  },
  parallel_tool_calls: {
    type: 'boolean',
    description: 'Whether one answer may call several times. Default: true.',
  },
} as const satisfies Record<string, JsonSchema>

/** Of the assistant's messages in a conversation. Clients send calls back with what they have added to them. */
export const MESSAGE_CALLS: JsonSchema = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      id: { type: 'string', minLength: 1 },
      type: { const: 'function' },
      function: {
        type: 'object',
        properties: {
          name: NAME,
          arguments: { type: 'string', description: 'The text of a JSON object, or nothing.' },
          ...ignoredProperties(['parsed_arguments']),
        },
        required: ['name', 'arguments'],
        additionalProperties: false,
      },
      ...ignoredProperties(['index']),
    },
    required: ['id', 'type', 'function'],
    additionalProperties: false,
  },
}

export type ToolRequest = {
  readonly tools?: readonly OpenAiTool[] | null
  readonly tool_choice?: OpenAiToolChoice | null
  readonly parallel_tool_calls?: boolean | null
}

/** The library's fields; nothing where there are no tools. */
export function toolFields({ tools, tool_choice, parallel_tool_calls }: ToolRequest): ToolFields {
  const choice = typeof tool_choice === 'object' ? tool_choice?.function : tool_choice
  return toolFieldsOf(
    (tools ?? []).map((tool) => tool.function),
    choice,
    parallel_tool_calls,
  )
}

export function toolFieldsOf(
  functions: readonly OpenAiFunction[],
  choice: ToolChoice | null | undefined,
  isParallel: boolean | null | undefined,
): ToolFields {
  return {
    ...(functions.length > 0 && { tools: functions.map(definitionOf) }),
    ...(choice && { toolChoice: choice }),
    ...(typeof isParallel === 'boolean' && { parallelToolCalls: isParallel }),
  }
}

function definitionOf({ name, description, parameters }: OpenAiFunction): ToolDefinition {
  return {
    name,
    ...(typeof description === 'string' && { description }),
    ...(parameters && { parameters }),
  }
}

/** Nine letters and digits: Mistral's template wants ids to be just that, others take any. */
export function newCallId(newId: () => string): string {
  return newId().slice(0, 9)
}

export function answerCall(call: WrittenCall, id: string) {
  return { id, type: 'function', function: { name: call.name, arguments: call.arguments } }
}
