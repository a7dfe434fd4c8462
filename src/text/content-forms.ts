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

/** `asGiven`: either will do, or neither came through, so that the template itself says what it wants. */
export type ContentForm = 'text' | 'parts' | 'asGiven'

/** By role, since a template may walk the parts of a user's message and put those of a system's as they are. */
export type ContentForms = { readonly [R in 'system' | 'user' | 'assistant']: ContentForm }

/** Never throws for a template at fault: that is told where somebody is to be answered by it. */
export function contentForms(template: string): ContentForms {
  const parsed = orNull(() => parseChatTemplate(template))
  if (parsed === null) return { system: 'asGiven', user: 'asGiven', assistant: 'asGiven' }
  const user = formOf(parsed, (content) => [{ role: 'user', content }])
  const asked = { role: 'user', content: user === 'parts' ? [{ type: 'text', text: 'Hi' }] : 'Hi' }
  return {
    user,
    system: formOf(parsed, (content) => [{ role: 'system', content }, asked]),
    // An answer that more follows: templates may treat the last one apart, and want roles to alternate.
    assistant: formOf(parsed, (content) => [asked, { role: 'assistant', content }, asked]),
  }
}

/** A word that no template holds, and one beside it that shows only where a list is printed whole. */
const SHOWN = 'xqShownByTemplate'
const HIDDEN = 'xqHiddenInPart'
const PART: ChatPart = { type: 'text', text: SHOWN, note: HIDDEN }

function formOf(
  template: ChatTemplate,
  around: (content: string | readonly ChatPart[]) => readonly ChatMessage[],
): ContentForm {
  const takesText = isShown(template, around(SHOWN))
  const takesParts = isShown(template, around([PART]))
  if (takesText === takesParts) return 'asGiven'
  return takesText ? 'text' : 'parts'
}

/** Steps that a probe may take: far more than a template needs for three words, and soon over. */
const LIMITS = { steps: 100_000 }

function isShown(template: ChatTemplate, messages: readonly ChatMessage[]): boolean {
  const options = { messages, addGenerationPrompt: true, bosToken: '', eosToken: '' }
  const rendered = orNull(() => renderChat(template, { ...options, limits: LIMITS }))
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
