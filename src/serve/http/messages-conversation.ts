/** Anthropic's conversations and tools: what they may hold, and the library's messages from them. */
import type { ContentPart, Message } from '../messages.ts'
import type { ToolFields } from '../tools/tool-use.ts'
import { exactly } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import type { RequestMedia } from './media.ts'
import { ignoredProperties } from './sampling-fields.ts'
import type { ServerConfig } from './server-config.ts'
import { toolFieldsOf, toolList } from './tool-fields.ts'

type TextBlock = { readonly type: 'text'; readonly text: string }

type ImageBlock = {
  readonly type: 'image'
  readonly source:
    | { readonly type: 'base64'; readonly media_type: string; readonly data: string }
    | { readonly type: 'url'; readonly url: string }
}

type ToolUseBlock = {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly input: object
}

type ToolResultBlock = {
  readonly type: 'tool_result'
  readonly tool_use_id: string
  readonly content?: string | readonly TextBlock[] | null
}

type Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock

export type Conversation = {
  readonly model?: string | null
  readonly messages: readonly {
    readonly role: 'user' | 'assistant'
    readonly content: string | readonly Block[]
  }[]
  readonly system?: string | readonly TextBlock[] | null
  readonly tools?: readonly AnthropicTool[] | null
  readonly tool_choice?: AnthropicToolChoice | null
}

type AnthropicTool = {
  readonly name: string
  readonly description?: string | null
  readonly input_schema: object
}

type AnthropicToolChoice = {
  readonly disable_parallel_tool_use?: boolean | null
} & ({ readonly type: 'auto' | 'any' | 'none' } | { readonly type: 'tool'; readonly name: string })

const IGNORED_IN_BLOCKS = ignoredProperties(['cache_control', 'citations'])

function block(
  type: string,
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema {
  return {
    type: 'object',
    properties: { type: { const: type }, ...properties, ...IGNORED_IN_BLOCKS },
    required: ['type', ...required],
    additionalProperties: false,
  }
}

const TEXT_BLOCK = block('text', { text: { type: 'string' } })

const IMAGE_BLOCK = block('image', {
  source: {
    anyOf: [
      exactly({
        type: { const: 'base64' },
        media_type: { type: 'string', maxLength: 64 },
        data: { type: 'string', minLength: 1 },
      }),
      exactly({ type: { const: 'url' }, url: { type: 'string', minLength: 1 } }),
    ],
  },
})

const ID: JsonSchema = { type: 'string', minLength: 1 }
const NAME: JsonSchema = { type: 'string', minLength: 1, maxLength: 128 }

const TOOL_USE_BLOCK = block('tool_use', { id: ID, name: NAME, input: { type: 'object' } })

const TOOL_RESULT_BLOCK = block(
  'tool_result',
  {
    tool_use_id: ID,
    content: textOrBlocks([TEXT_BLOCK]),
    is_error: { type: 'boolean', description: 'Taken, without effect: the content says it.' },
  },
  ['tool_use_id'],
)

function textOrBlocks(blocks: readonly JsonSchema[]): JsonSchema {
  return { anyOf: [{ type: 'string' }, { type: 'array', items: { anyOf: blocks } }] }
}

const TOOL: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'custom' },
    name: NAME,
    description: { type: 'string' },
    input_schema: { type: 'object', description: 'A JSON Schema of the arguments.' },
    ...ignoredProperties(['cache_control', 'strict', 'eager_input_streaming', 'input_examples']),
  },
  required: ['name', 'input_schema'],
  additionalProperties: false,
}

const PARALLEL = { disable_parallel_tool_use: { type: 'boolean' } } as const

const TOOL_CHOICE: JsonSchema = {
  anyOf: [
    {
      type: 'object',
      properties: { type: { enum: ['auto', 'any', 'none'] }, ...PARALLEL },
      required: ['type'],
      additionalProperties: false,
    },
    {
      type: 'object',
      properties: { type: { const: 'tool' }, name: NAME, ...PARALLEL },
      required: ['type', 'name'],
      additionalProperties: false,
    },
  ],
  description: 'any and tool are enforced. Default: auto.',
}

export function conversationProperties({ maxMessages }: ServerConfig) {
  const message = (role: string, blocks: readonly JsonSchema[]): JsonSchema =>
    exactly({ role: { const: role }, content: textOrBlocks(blocks) })
  return {
    model: { type: 'string' },
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: maxMessages,
      items: {
        anyOf: [
          message('user', [TEXT_BLOCK, IMAGE_BLOCK, TOOL_RESULT_BLOCK]),
          message('assistant', [TEXT_BLOCK, TOOL_USE_BLOCK]),
        ],
      },
    },
    system: textOrBlocks([TEXT_BLOCK]),
    tools: toolList(TOOL),
    tool_choice: TOOL_CHOICE,
  } as const satisfies Record<string, JsonSchema>
}

/** The prompt that a conversation with its tools is. */
export async function readConversation(
  { system, messages, tools, tool_choice }: Conversation,
  media: RequestMedia,
): Promise<{ readonly messages: Message[] } & ToolFields> {
  const read: Message[] = []
  if (typeof system === 'string') read.push({ role: 'system', content: system })
  else if (system) read.push({ role: 'system', content: system.map(plainText) })
  for (const [i, { role, content }] of messages.entries()) {
    if (typeof content === 'string') read.push({ role, content })
    else read.push(...(await readBlocks(role, content, { media, path: `messages[${i}].content` })))
  }
  return { messages: read, ...choiceFields(tools ?? [], tool_choice) }
}

function choiceFields(
  tools: readonly AnthropicTool[],
  choice: AnthropicToolChoice | null | undefined,
): ToolFields {
  const functions = tools.map(({ name, description, input_schema: parameters }) => ({
    name,
    ...(typeof description === 'string' && { description }),
    parameters,
  }))
  const isParallel = choice?.disable_parallel_tool_use ? false : null
  if (!choice) return toolFieldsOf(functions, null, isParallel)
  if (choice.type === 'tool') return toolFieldsOf(functions, { name: choice.name }, isParallel)
  return toolFieldsOf(functions, choice.type === 'any' ? 'required' : choice.type, isParallel)
}

type At = { readonly media: RequestMedia; readonly path: string }

/** Results of tools are messages of their own, in front of what else the user says. */
async function readBlocks(
  role: 'user' | 'assistant',
  blocks: readonly Block[],
  { media, path }: At,
): Promise<Message[]> {
  const results: Message[] = []
  const parts: ContentPart[] = []
  const toolCalls: { id: string; name: string; arguments: string }[] = []
  for (const [j, one] of blocks.entries()) {
    if (one.type === 'text') parts.push(plainText(one))
    else if (one.type === 'image') {
      parts.push({ type: 'image', image: await media.picture(urlOf(one), `${path}[${j}].source`) })
    } else if (one.type === 'tool_use') {
      toolCalls.push({ id: one.id, name: one.name, arguments: JSON.stringify(one.input) })
    } else {
      results.push({ role: 'tool', content: resultText(one), toolCallId: one.tool_use_id })
    }
  }
  if (toolCalls.length > 0) return [{ role, content: parts, toolCalls }]
  return parts.length > 0 || results.length === 0 ? [...results, { role, content: parts }] : results
}

function resultText({ content }: ToolResultBlock): string {
  if (typeof content === 'string') return content
  return (content ?? []).map(({ text }) => text).join('\n')
}

function plainText({ text }: TextBlock): ContentPart {
  return { type: 'text', text }
}

function urlOf({ source }: ImageBlock): string {
  return source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`
}
