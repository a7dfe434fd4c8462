/**
 * A conversation as text and ids, with one placeholder where each picture will stand.
 *
 * Original layout: a conversation mode; the text is cut at the pictures and each piece tokenised alone. Hf layout: the
 * chat template; one text, in which the placeholder is a token (`quirks.tokenise` says which of the two by itself). Either
 * way only what the template writes is read for control tokens: what people write stays text, an `<image>` in their words
 * included.
 */
import { ConfigError, InputError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { renderChat, type ChatMessage } from '../text/chat-template.ts'
import type { ContentForm } from '../text/content-forms.ts'
import { renderConversation, type Turn } from '../text/conversation.ts'
import { IMAGE_TOKEN_INDEX, tokenizePromptSteps } from '../text/tokenize-prompt.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import type { ModelConfig, PromptConfig } from './family.ts'
import { IMAGE_TAG, mediaMarks, mediaTags, type MediaTags } from './media-tags.ts'
import { PlainText } from './plain-text.ts'
import { requireToolFormat, TOOL_MARKS } from './tool-format.ts'
import {
  callFields,
  callTexts,
  CallIds,
  templateTools,
  toolTexts,
  type ToolCall,
  type ToolDefinition,
} from './tool-messages.ts'

export type PromptPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' }
  | { readonly type: 'video' }

export type PromptMessage = {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string | readonly PromptPart[]
  /** What an assistant called. */
  readonly toolCalls?: readonly ToolCall[] | undefined
  /** The call that a tool's message is the result of. */
  readonly toolCallId?: string | undefined
}

/** What the model may call in its answer. */
export type OfferedTools = {
  readonly tools: readonly ToolDefinition[]
  /** The answer is to be a call. */
  readonly isRequired: boolean
}

export type BuiltPrompt = {
  readonly prompt: string
  /** One placeholder a picture, not repeated yet. */
  readonly ids: number[]
}

export type PromptTools = { readonly config: ModelConfig; readonly tokenizer: Tokenizer }

/** The prompt of a conversation, open for the answer; one that ends with an assistant's words is continued. */
export function buildPrompt(
  messages: readonly PromptMessage[],
  tools: PromptTools,
  offered: OfferedTools | null = null,
): BuiltPrompt {
  return atOnce(promptSteps(messages, tools, offered))
}

/** The same with pauses. */
export function* promptSteps(
  messages: readonly PromptMessage[],
  tools: PromptTools,
  offered: OfferedTools | null = null,
): Steps<BuiltPrompt> {
  const { prompt } = tools.config
  const hasCalls = offered !== null || messages.some(isOfTools)
  const format = hasCalls ? requireToolFormat(prompt) : null
  const template = prompt.kind === 'template' ? [prompt.template] : []
  const texts = [...template, ...messages.flatMap(writtenIn), ...toolTexts(offered?.tools ?? [])]
  const marks = [...mediaMarks(tools), ...(format ? TOOL_MARKS[format] : [])]
  const plain = new PlainText(tools.tokenizer, marks, texts)
  if (prompt.kind === 'none') {
    throw new ConfigError(
      'CONFIG_TEMPLATE_MISSING',
      'prompt: the checkpoint has no chat template; give one as template, or a raw prompt.',
    )
  }
  const rendered =
    prompt.kind === 'conversation'
      ? renderTurns(messages, prompt, { plain, ...tools })
      : renderTemplate(messages, prompt, {
          plain,
          end: endOf(messages),
          offered,
          ids: format && new CallIds(format),
          ...tools,
        })
  // The mark is a control token, which no grammar over texts can ask for: it is written for the model.
  const opened = format === 'mistral' && offered?.isRequired ? `${rendered}[TOOL_CALLS]` : rendered
  return { prompt: plain.reveal(opened), ids: yield* tokenSteps(opened, tools, plain) }
}

function isOfTools({ role, toolCalls = [] }: PromptMessage): boolean {
  return role === 'tool' || toolCalls.length > 0
}

/** Everything in a message that comes from outside. */
function writtenIn(message: PromptMessage): string[] {
  return [...textsOf(message), ...callTexts(message.toolCalls ?? [])]
}

/** A prompt given as text: it is read for control tokens, since whoever writes one means them. */
export function rawPrompt(prompt: string, tools: PromptTools): BuiltPrompt {
  return atOnce(rawPromptSteps(prompt, tools))
}

/** The same with pauses. */
export function* rawPromptSteps(prompt: string, tools: PromptTools): Steps<BuiltPrompt> {
  return { prompt, ids: yield* tokenSteps(prompt, tools, null) }
}

/** The ids of a prompt; `plain` is what kept people's words from being read for control tokens. */
export function tokenizeRendered(
  text: string,
  tools: PromptTools,
  plain: PlainText | null,
): number[] {
  return atOnce(tokenSteps(text, tools, plain))
}

function* tokenSteps(
  text: string,
  { config, tokenizer }: PromptTools,
  plain: PlainText | null,
): Steps<number[]> {
  const standIns = plain?.standIns
  if (config.tokenise === 'pieces') {
    // The original's own habit: a template that writes BOS itself gets a second one.
    const doubleBos = config.layout === 'original'
    const ids = yield* tokenizePromptSteps(tokenizer, text, { standIns, doubleBos })
    return replaced(ids, IMAGE_TOKEN_INDEX, config)
  }
  // As transformers' processors do it: a template that writes BOS itself gets no second one.
  const { bosToken } = tokenizer
  const hasBos = plain !== null && bosToken !== undefined && text.startsWith(bosToken)
  const ids = yield* tokenizer.encodeSteps(text, { addBos: !hasBos, standIns })
  return config.layout === 'original' ? replaced(ids, imageTagId(tokenizer), config) : ids
}

/** The ids with the config's placeholder wherever `mark` marks the place of a picture. */
function replaced(ids: readonly number[], mark: number, { image }: ModelConfig): number[] {
  return ids.map((id) => (id === mark && image ? image.placeholder : id))
}

function imageTagId(tokenizer: Tokenizer): number {
  const id = tokenizer.idOf(IMAGE_TAG)
  if (id !== undefined) return id
  throw new ConfigError(
    'CONFIG_QUIRK',
    `quirks: tokenise whole expects a tokenizer with ${IMAGE_TAG} among its tokens, this one has none; leave it out, or tokenise pieces.`,
  )
}

/** What people wrote in a message. */
export function textsOf({ content }: PromptMessage): readonly string[] {
  if (typeof content === 'string') return [content]
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
}

/** How a conversation ends: open for an answer, in the middle of one, or closed as training sees it. */
export type PromptEnd = 'opened' | 'continued' | 'closed'

function endOf(messages: readonly PromptMessage[]): PromptEnd {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return 'opened'
  if (!isOfTools(last)) return 'continued'
  throw new InputError(
    'INPUT_MESSAGES',
    'messages: after calls of tools their results are expected, and the conversation ends; add a message of role tool for each call.',
  )
}

/** A conversation by a chat template, people's words protected by `plain`. */
export function renderTemplate(
  messages: readonly PromptMessage[],
  { template, content }: Extract<PromptConfig, { readonly kind: 'template' }>,
  {
    plain,
    config,
    tokenizer,
    end,
    offered = null,
    ids = null,
  }: PromptTools & {
    readonly plain: PlainText
    readonly end: PromptEnd
    readonly offered?: OfferedTools | null
    readonly ids?: CallIds | null
  },
): string {
  const { bosToken, eosToken } = tokenizer
  const tags = config.image && mediaTags({ config, tokenizer })
  return renderChat(template, {
    messages: messages.map((message) => ({
      ...chatMessage(message, { plain, tags, form: content[message.role] }),
      ...(ids && toolFields(message, plain, ids)),
    })),
    addGenerationPrompt: end === 'opened',
    continueFinalMessage: end === 'continued',
    ...(offered && { tools: templateTools(offered.tools, plain) }),
    ...(bosToken !== undefined && { bosToken }),
    ...(eosToken !== undefined && { eosToken }),
  })
}

/** An assistant that only called said nothing. */
function toolFields(message: PromptMessage, plain: PlainText, ids: CallIds): Partial<ChatMessage> {
  const { role, toolCalls = [], toolCallId } = message
  if (role === 'tool') return toolCallId === undefined ? {} : { tool_call_id: ids.of(toolCallId) }
  if (toolCalls.length === 0) return {}
  const isSilent = textsOf(message).every((text) => text === '')
  return { ...(isSilent && { content: '' }), ...callFields(toolCalls, { plain, ids }) }
}

/** The message in the form that the template reads; without `tags` the model takes no pictures. */
function chatMessage(
  message: PromptMessage,
  {
    plain,
    tags,
    form,
  }: { readonly plain: PlainText; readonly tags: MediaTags | null; readonly form: ContentForm },
): ChatMessage {
  const { role, content } = message
  const parts = protectedParts(message, plain)
  const medium = parts.find(({ type }) => type !== 'text')
  if (medium && !tags) throw noEyes(medium.type)
  const isText = form === 'text' || (form === 'asGiven' && typeof content === 'string')
  return { role, content: isText ? textOf(parts, tags) : parts }
}

function noEyes(kind: string): InputError {
  return new InputError(
    'INPUT_IMAGE_UNSUPPORTED',
    `messages: this model takes text only, and a part of type ${kind} came; load a checkpoint with a vision tower.`,
  )
}

function renderTurns(
  messages: readonly PromptMessage[],
  { mode, wrapImage }: { readonly mode: string; readonly wrapImage: boolean },
  { plain, ...tools }: PromptTools & { readonly plain: PlainText },
): string {
  const { image, video } = mediaTags(tools)
  const tags = wrapImage ? { image: wrapped(image), video: wrapped(video) } : { image, video }
  const written = (message: PromptMessage) => textOf(protectedParts(message, plain), tags)
  const system = messages
    .filter(({ role }) => role === 'system')
    .map(written)
    .join('\n')
  const turns = messages
    .filter(({ role }) => role !== 'system')
    .map((message): Turn => ({
      from: message.role === 'assistant' ? 'gpt' : 'human',
      value: written(message),
    }))
  const options = system === '' ? {} : { system }
  const last = turns.at(-1)
  if (last?.from !== 'gpt') {
    return renderConversation(mode, turns, { addGenerationPrompt: turns.length > 0, ...options })
  }
  // The mode closes what the assistant said; an answer that is continued stays open.
  const mark = plain.takeMark()
  const open = [...turns.slice(0, -1), { ...last, value: `${last.value}${mark}` }]
  const rendered = renderConversation(mode, open, options)
  return rendered.slice(0, rendered.lastIndexOf(mark))
}

function wrapped(tag: string): string {
  return `<im_start>${tag}<im_end>`
}

/** One text, pictures as tags, a lone one in front: `<image>\nquestion`. */
function textOf(parts: readonly PromptPart[], tags: MediaTags | null): string {
  const pictures = parts.filter((part) => part.type !== 'text')
  const ordered =
    pictures.length === 1 ? [...pictures, ...parts.filter((part) => part.type === 'text')] : parts
  return ordered
    .map((part) => (part.type === 'text' ? part.text : (tags?.[part.type] ?? '')))
    .join('\n')
}

/** The message as a list of parts whose texts hold no control token. */
function protectedParts(message: PromptMessage, plain: PlainText): readonly PromptPart[] {
  const texts = plain.protect(textsOf(message))
  const { content } = message
  if (typeof content === 'string') return [{ type: 'text', text: texts[0] ?? '' }]
  let next = 0
  return content.map((part) =>
    part.type === 'text' ? { type: 'text', text: texts[next++] ?? '' } : part,
  )
}
