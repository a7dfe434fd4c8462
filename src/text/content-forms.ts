/**
 * In which form a chat template reads what a message says: as one text, or as a list of parts.
 *
 * Templates of language models put `message['content']` behind other text; those of `llava-hf` walk a list and show nothing
 * of a text; some look which of the two came. A template is a program, so it is asked: it renders a word in either form.
 */
import { ConfigError, InputError } from '../core/errors.ts'
import {
  parseChatTemplate,
  renderChat,
  type ChatMessage,
  type ChatPart,
  type ChatTemplate,
} from './chat-template.ts'

/** `asGiven`: either will do. */
export type ContentForm = SaidForm | 'asGiven'

type SaidForm = 'text' | 'parts'

/** By role, since a template may walk the parts of a user's message and put those of a system's as they are. */
export type ContentForms = {
  readonly [R in 'system' | 'user' | 'assistant' | 'tool']: ContentForm
}

/**
 * A role whose words come through in neither form has the `usual` one, the result of a tool that of the user. Never throws
 * for a template at fault: that is told where somebody is to be answered by it.
 */
export function contentForms(template: string, usual: SaidForm): ContentForms {
  const parsed = orNull(() => parseChatTemplate(template))
  if (parsed === null) return { system: usual, user: usual, assistant: usual, tool: usual }
  const { opening, user } = openingOf(parsed) ?? { opening: OPENINGS[0], user: usual }
  const asking = user === 'parts' ? 'parts' : 'text'
  const asked = opening(asking, 'Hi')
  const form = (around: Around) => formOf(parsed, around)
  return {
    user,
    system: form((said) => [said('system'), ...asked.slice(-1)]) ?? usual,
    // An answer that more follows: templates may treat the last one apart, and want roles to alternate.
    assistant:
      form((said) => [...asked, said('assistant'), message('user', asking, 'Hi')]) ?? usual,
    tool: form((said) => [...asked, CALL, { ...said('tool'), tool_call_id: CALL_ID }]) ?? user,
  }
}

/** How a conversation may have to begin for a template to take it: with a system message, with a picture. */
type Opening = (form: SaidForm, words: string) => readonly ChatMessage[]

const plainly: Opening = (form, words) => [message('user', form, words)]
const withPicture: Opening = (form, words) => [pictured(form, words)]
const behind =
  (system: SaidForm, opening: Opening): Opening =>
  (form, words) => [message('system', system, 'Hi'), ...opening(form, words)]

const OPENINGS = [
  plainly,
  behind('text', plainly),
  behind('parts', plainly),
  withPicture,
  behind('text', withPicture),
  behind('parts', withPicture),
] as const

/** The first opening in which the user's words come through, and the form that they have in it. */
function openingOf(template: ChatTemplate): { opening: Opening; user: ContentForm } | null {
  for (const opening of OPENINGS) {
    const user = formOf(template, (_, form) => opening(form, SHOWN))
    if (user !== null) return { opening, user }
  }
  return null
}

/** In few letters, since a template may cut them, or write them in capitals; none holds them itself. */
const SHOWN = 'qzx7'
/** Stands beside the words in a part, so that it shows only where a list is printed whole. */
const HIDDEN = 'qzy9'

function message(role: string, form: SaidForm, words: string): ChatMessage {
  const part: ChatPart = { type: 'text', text: words, note: HIDDEN }
  return { role, content: form === 'text' ? words : [part] }
}

function pictured(form: SaidForm, words: string): ChatMessage {
  const { role, content = [] } = message('user', form, words)
  if (!Array.isArray(content)) return { role, content: `<image>\n${words}` }
  return { role, content: [{ type: 'image' }, ...(content as readonly ChatPart[])] }
}

/** Nine letters or digits, as Mistral's template wants them. */
const CALL_ID = '000000000'
const CALL: ChatMessage = {
  role: 'assistant',
  content: '',
  tool_calls: [{ type: 'function', id: CALL_ID, function: { name: 'call', arguments: {} } }],
}
const TOOL = {
  type: 'function',
  function: { name: 'call', description: '', parameters: { type: 'object', properties: {} } },
}

/** A conversation around a message whose words are looked for. */
type Around = (said: (role: string) => ChatMessage, form: SaidForm) => readonly ChatMessage[]

function formOf(template: ChatTemplate, around: Around): ContentForm | null {
  const [takesText, takesParts] = (['text', 'parts'] as const).map((form) =>
    isShown(
      template,
      around((role) => message(role, form, SHOWN), form),
    ),
  )
  if (takesText && takesParts) return 'asGiven'
  if (takesText) return 'text'
  return takesParts ? 'parts' : null
}

/** Steps that a probe may take: far more than a template needs for three words, and soon over. */
const LIMITS = { steps: 100_000 }

function isShown(template: ChatTemplate, messages: readonly ChatMessage[]): boolean {
  const rendered = orNull(() =>
    renderChat(template, {
      messages,
      ...(messages.includes(CALL) && { tools: [TOOL] }),
      addGenerationPrompt: true,
      bosToken: '',
      eosToken: '',
      limits: LIMITS,
    }).toLowerCase(),
  )
  return rendered !== null && rendered.includes(SHOWN) && !rendered.includes(HIDDEN)
}

function orNull<T>(run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof ConfigError || error instanceof InputError) return null
    throw error
  }
}
