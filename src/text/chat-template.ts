/**
 * Messages to a prompt by a checkpoint's chat template, as transformers' `apply_chat_template` renders them.
 *
 * The template sees `messages`, `tools`, `documents`, `add_generation_prompt`, `bos_token`, `eos_token` and whatever is in
 * `variables`. Source: transformers 5.23.0, `utils/chat_template_utils.py`, `render_jinja_template`.
 */
import { describeValue } from '../core/describe-value.ts'
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { checkKinds, checkOptionKinds, checkOptions } from '../core/check-options.ts'
import { InputError } from '../core/errors.ts'
import {
  COUNT,
  FLAG,
  LIMIT,
  OBJECT,
  TEXT,
  type EveryOptionKind,
  type OptionKind,
} from '../core/option-kinds.ts'
import type { TemplateLimits } from './jinja/limits.ts'
import { strip } from './jinja/python-text.ts'
import { parseTemplate, renderTemplate, type Template } from './jinja/template.ts'

export type ChatTemplate = Template

/** Parsing costs more than rendering: parse a checkpoint's template once and keep the result. */
export function parseChatTemplate(source: string): ChatTemplate {
  checkArgument('parseChatTemplate: source', source, 'a string')
  return parseTemplate(source)
}

export interface ChatPart {
  readonly type: string
  readonly text?: string
  readonly [key: string]: unknown
}

export interface ChatMessage {
  readonly role: string
  readonly content?: string | readonly ChatPart[] | null
  readonly [key: string]: unknown
}

export interface ChatOptions {
  readonly messages: readonly ChatMessage[]
  /** Ends the prompt with the opening of an answer. */
  readonly addGenerationPrompt?: boolean | undefined
  /** Leaves the last message open at its end, to be continued; a text names the field, `content` by default. */
  readonly continueFinalMessage?: boolean | string | undefined
  readonly bosToken?: string | undefined
  readonly eosToken?: string | undefined
  /** JSON schemas of tools, for templates that show them. */
  readonly tools?: readonly object[] | undefined
  readonly documents?: readonly object[] | undefined
  /** The clock of `strftime_now`, in local time. */
  readonly now?: Date | string | (() => Date) | undefined
  /** Further names the template may read: `enable_thinking`, `unk_token`. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined
  readonly limits?: Partial<TemplateLimits> | undefined
}

/**
 * The prompt. Throws InputError where the messages or options do not suit, ConfigError where the template is at fault
 * or exceeds its limits.
 */
export function renderChat(template: string | ChatTemplate, options: ChatOptions): string {
  return renderChatWithSpans(template, options).text
}

export interface RenderedChat {
  readonly text: string
  /** What the template marks as the model's own words (`{% generation %}`), in code points of the text, [from, to). */
  readonly generationSpans: readonly (readonly [number, number])[]
}

export function renderChatWithSpans(
  template: string | ChatTemplate,
  options: ChatOptions,
): RenderedChat {
  checkChatOptions(options)
  const parsed = typeof template === 'string' ? parseChatTemplate(template) : template
  checkFields(
    'renderChat: template',
    parsed,
    ['source'],
    'give its text or what parseChatTemplate made of it',
  )
  const { continueFinalMessage = false, now, limits } = options
  const field = continueFinalMessage === true ? 'content' : continueFinalMessage
  const aliased = options.messages.map(aliasReasoning)
  const final = field === false ? undefined : openFinalMessage(aliased, field, parsed.source)
  const rendered = renderTemplate(parsed, variablesOf(options, final?.messages ?? aliased), {
    now: clock(now),
    ...(limits && { limits }),
  })
  return final === undefined
    ? rendered
    : { ...rendered, text: cutAtMark(rendered.text, final.text) }
}

function variablesOf(options: ChatOptions, messages: readonly ChatMessage[]) {
  return {
    ...(options.bosToken !== undefined && { bos_token: options.bosToken }),
    ...(options.eosToken !== undefined && { eos_token: options.eosToken }),
    ...options.variables,
    messages,
    tools: options.tools ?? null,
    documents: options.documents ?? null,
    add_generation_prompt: options.addGenerationPrompt ?? false,
  }
}

function clock(now: ChatOptions['now']): () => Date {
  if (typeof now === 'function') return now
  const fixed = now === undefined ? new Date() : new Date(now)
  if (Number.isNaN(fixed.getTime())) {
    throw new InputError(
      'INPUT_OPTION_VALUE',
      `chat template: expected a date in now, ${describeValue(now)} came; give a Date or an ISO text.`,
    )
  }
  return () => fixed
}

/** Of some models empty. */
const TOKEN: OptionKind = { expected: 'a text', is: (value) => typeof value === 'string' }
/** As templates are used to it, null is none. */
const LIST: OptionKind = {
  expected: 'a list of objects',
  is: (value) => value === null || (Array.isArray(value) && value.every(OBJECT.is)),
}

/** Of all but the messages, whose fault is one of its own. */
const KINDS: EveryOptionKind<Omit<ChatOptions, 'messages'>> = {
  addGenerationPrompt: FLAG,
  continueFinalMessage: {
    expected: "true, false or the name of a message's field",
    is: (value) => FLAG.is(value) || TEXT.is(value),
  },
  bosToken: TOKEN,
  eosToken: TOKEN,
  tools: LIST,
  documents: LIST,
  now: {
    expected: 'a Date, an ISO text or a function that gives a Date',
    is: (value) => value instanceof Date || TEXT.is(value) || typeof value === 'function',
  },
  variables: OBJECT,
  limits: OBJECT,
}

const LIMIT_KINDS: EveryOptionKind<TemplateLimits> = {
  steps: LIMIT,
  characters: LIMIT,
  depth: COUNT,
}

function checkChatOptions(options: ChatOptions): void {
  checkOptions('renderChat', options, ['messages', ...Object.keys(KINDS)])
  const messages: unknown = options.messages
  if (!Array.isArray(messages) || !messages.every(OBJECT.is)) {
    throw new InputError(
      'INPUT_MESSAGES',
      'chat template: expected messages as a list of { role, content }, something else came; see ChatMessage.',
    )
  }
  checkKinds('renderChat', options, KINDS)
  checkOptionKinds('renderChat: limits', options.limits ?? {}, LIMIT_KINDS)
  if (options.addGenerationPrompt && options.continueFinalMessage) {
    throw new InputError(
      'INPUT_OPTION_CONFLICT',
      'chat template: expected addGenerationPrompt or continueFinalMessage, both came; the first opens a new answer, the second goes on with the last message.',
    )
  }
}

/** Names under which templates look for a message's reasoning; the first is the standard one. */
const REASONING_FIELDS = ['reasoning_content', 'thinking', 'reasoning']

function aliasReasoning(message: ChatMessage): ChatMessage {
  const name = REASONING_FIELDS.find(
    (field) => message[field] !== null && message[field] !== undefined,
  )
  if (name === undefined) return message
  return { thinking: message[name], ...message, reasoning_content: message[name] }
}

const MARK = 'CONTINUE_FINAL_MESSAGE_TAG '

/** The messages with a mark at the end of the last one's text, and that text. */
function openFinalMessage(messages: readonly ChatMessage[], field: string, source: string) {
  const last = messages.at(-1)
  if (last === undefined) throw cannotContinue('at least one message, none came')
  const content = last[field]
  if (content === null || content === undefined) {
    throw cannotContinue(`a last message with '${field}', it has none`)
  }
  const fields = REASONING_FIELDS.includes(field)
    ? REASONING_FIELDS.filter((name) => last[name] === content)
    : [field]
  if (!fields.some((name) => source.includes(name))) {
    throw cannotContinue(`a template that reads '${field}', this one does not`)
  }
  const { text, marked } = markText(content)
  const opened: ChatMessage = { ...last }
  for (const name of fields) Object.assign(opened, { [name]: marked })
  return { messages: [...messages.slice(0, -1), opened], text }
}

function markText(content: unknown): { text: string; marked: unknown } {
  if (typeof content === 'string') return { text: content, marked: content + MARK }
  if (!Array.isArray(content)) throw cannotContinue('text in the last message, there is none')
  const parts = content as readonly unknown[]
  const at = parts.findLastIndex(
    (part) => part !== null && typeof part === 'object' && 'text' in part,
  )
  const part = parts[at] as { text: unknown } | undefined
  if (part === undefined || typeof part.text !== 'string') {
    throw cannotContinue('text in the last message, there is none')
  }
  const marked = { ...part, text: part.text + MARK }
  return { text: part.text, marked: parts.map((other, i) => (i === at ? marked : other)) }
}

/** Up to the mark; if the template trimmed the text, white space at the new end goes as well. */
function cutAtMark(rendered: string, text: string): string {
  const at = rendered.lastIndexOf(MARK.trimEnd())
  if (at < 0 || !rendered.includes(strip(text, null, 'both'))) {
    throw cannotContinue(
      'the last message in the rendered text, the template left it out or changed it',
    )
  }
  const head = rendered.slice(0, at)
  return rendered.startsWith(MARK, at) ? head : strip(head, null, 'right')
}

function cannotContinue(expectation: string): InputError {
  return new InputError(
    'INPUT_CONTINUE_MESSAGE',
    `chat template: continueFinalMessage expected ${expectation}; end with the message to be continued.`,
  )
}

/**
 * Which tokens the model is to learn: those that hold the first to the last character of a generation span.
 *
 * `offsets` has for each token the code points [from, to) of the text it stands for; tokens that stand for none (BOS)
 * have from = to. Source: transformers 5.23.0, `apply_chat_template` with `return_assistant_tokens_mask`.
 */
export function maskFromSpans(
  offsets: readonly (readonly [number, number])[],
  spans: readonly (readonly [number, number])[],
): boolean[] {
  for (const [name, ranges] of Object.entries({ offsets, spans })) {
    checkArgument(`maskFromSpans: ${name}`, ranges, 'a list')
    for (const range of ranges) checkArgument(`maskFromSpans: one of ${name}`, range, 'a list')
  }
  const mask = offsets.map(() => false)
  const tokenAt = (position: number) =>
    offsets.findIndex(([from, to]) => from <= position && position < to)
  for (const [from, to] of spans) {
    const first = tokenAt(from)
    const last = tokenAt(to - 1)
    if (first < 0) break
    mask.fill(true, first, (last < 0 ? offsets.length : last) + 1)
  }
  return mask
}
