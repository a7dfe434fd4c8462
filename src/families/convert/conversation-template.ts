/**
 * A conversation mode of the original repositories as a Jinja chat template, for files in the `llava-hf` layout.
 *
 * The template writes what `renderConversation` writes: a lone picture before the words of its message, several in their
 * place, parts joined by a line feed.
 */
import { ConfigError } from '../../core/errors.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { conversationMode } from '../../text/conversation.ts'
import type { ConversationMode, ConversationStyle } from '../../text/conversation-modes.ts'

export const WRAPPED_IMAGE = '<im_start><image><im_end>'

export type TemplateOptions = {
  /** Pictures stand between `<im_start>` and `<im_end>`. */
  readonly wrapImage?: boolean
  /** Between a picture and the line feed after it: see `pieceGap`. */
  readonly gap?: string
  /** Clips have a token of their own. */
  readonly hasVideo?: boolean
}

/**
 * What must stand between a picture and the text after it, so that one text gives the ids that the original gets from
 * the pieces between pictures: SentencePiece puts a space in front of each piece, and of one text only in front of all.
 * Null where nothing does.
 */
export function pieceGap(tokenizer: Tokenizer): string | null {
  const special = tokenizer.eosToken
  const alone = tokenizer.encode('\nx').join()
  const after = (text: string) => tokenizer.encode(`${special}${text}`).slice(1).join()
  if (special === undefined || after('\nx') === alone) return ''
  return after(' \nx') === alone ? ' ' : null
}

/** Throws ConfigError for a mode whose style has no template here. */
export function conversationTemplate(
  mode: string,
  { wrapImage = false, gap = '', hasVideo = false }: TemplateOptions = {},
): string {
  const found = conversationMode(mode)
  const style = STYLES[found.style]
  if (!style || found.examples) {
    throw new ConfigError(
      'CONFIG_TEMPLATE_MISSING',
      `convert: conversation mode ${mode} has no Jinja form; give one as template.`,
    )
  }
  const { head, question, answer, open, isTrimmed = false } = style(found)
  const words = `body(message['content'])${isTrimmed ? ' | trim' : ''}`
  const image = wrapImage ? WRAPPED_IMAGE : '<image>'
  const body = bodyMacro({ image, ...(hasVideo && { video: '<video>' }) }, wrapImage ? '' : gap)
  return `${body}
{%- set system = ${text(found.system)} -%}
{%- set turns = messages -%}
{%- if messages[0]['role'] == 'system' -%}
{%- set system = ${text(systemMarkup(found.system))} + body(messages[0]['content']) -%}
{%- set turns = messages[1:] -%}
{%- endif -%}
{{- ${head} -}}
{%- for message in turns -%}
{%- if message['role'] == 'user' -%}
{{- ${question[0]} + ${words} + ${question[1]} -}}
{%- else -%}
{{- ${answer[0]} + ${words} + ${answer[1]} -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ${open} -}}{%- endif -%}`
}

/** `tags`: what stands for a part of each type that is no text. */
function bodyMacro(tags: Readonly<Record<string, string>>, gap: string): string {
  const types = Object.keys(tags)
  const among = `'in', [${types.map((type) => `'${type}'`).join(', ')}]`
  return `{%- set tags = {${Object.entries(tags)
    .map(([type, tag]) => `${text(type)}: ${text(tag)}`)
    .join(', ')}} -%}
{%- macro body(content) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- set parts = content -%}
{%- set pictures = content | selectattr('type', ${among}) | list -%}
{%- if pictures | length == 1 -%}
{%- set parts = pictures + (content | rejectattr('type', ${among}) | list) -%}
{%- endif -%}
{%- for part in parts -%}
{{- tags[part['type']] if part['type'] in tags else part['text'] -}}
{%- if not loop.last -%}
{{- ${text(`${gap}\n`)} if part['type'] in tags else '\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}`
}

/** Jinja expressions; `system` and `loop` are variables. Questions and answers have what stands before and after. */
type Pieces = {
  readonly head: string
  readonly question: readonly [string, string]
  readonly answer: readonly [string, string]
  /** Opens an answer. */
  readonly open: string
  /** White space around a message's words goes. */
  readonly isTrimmed?: boolean
}

const STYLES: { readonly [S in ConversationStyle]?: (mode: ConversationMode) => Pieces } = {
  SINGLE: ({ roles, sep }) => colons(roles, sep, sep),
  TWO: ({ roles, sep, sep2 }) => colons(roles, sep, sep2 ?? ''),
  MPT: ({ roles, sep }) => ({ ...between(roles, sep), head: `system + ${text(sep)}` }),
  GEMMA: ({ roles, sep }) => ({ ...between(roles, sep), head: text('') }),
  CHATML: ({ roles: [user, assistant], sep }) => ({
    ...between([`${user}\n`, `${assistant}\n`], `${sep}\n`),
    head: `(system + ${text(`${sep}\n`)}) if system else ''`,
  }),
  LLAMA_3: () => ({
    head: `${text(`<|begin_of_text|>${llama3Header('system')}`)} + system | trim + '<|eot_id|>'`,
    question: [text(llama3Header('user')), text('<|eot_id|>')],
    answer: [text(llama3Header('assistant')), text('<|eot_id|>')],
    open: text(llama3Header('assistant')),
    isTrimmed: true,
  }),
  LLAMA_2: ({ sep, sep2 }) => ({
    head: text(''),
    question: [
      `(('[INST] ' + ('<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' if system else '')) if loop.first else ${text(`${sep}[INST] `)})`,
      text(' [/INST]'),
    ],
    answer: [text(' '), text(` ${sep2}`)],
    open: text(''),
  }),
}

function llama3Header(role: string): string {
  return `<|start_header_id|>${role}<|end_header_id|>\n\n`
}

function colons([user, assistant]: readonly [string, string], sep: string, end: string): Pieces {
  return {
    head: `system + ${text(sep)}`,
    question: [text(`${user}: `), text(sep)],
    answer: [text(`${assistant}: `), text(end)],
    open: text(`${assistant}:`),
  }
}

function between([user, assistant]: readonly [string, string], sep: string): Omit<Pieces, 'head'> {
  return {
    question: [text(user), text(sep)],
    answer: [text(assistant), text(sep)],
    open: text(assistant),
  }
}

/** Markup before a system text belongs to the mode and stays when the text is another. */
function systemMarkup(system: string): string {
  return /^<\|(?:im_start\|>system|system\|>)\n/.exec(system)?.[0] ?? ''
}

/** A Jinja string literal: its escapes are those of JSON. */
function text(value: string): string {
  return JSON.stringify(value)
}
