/** Fields of OpenAI's that would change an answer and are not offered: refused by name, with the reason. */
import type { Refusal } from './json-schema.ts'

export const UNSUPPORTED_CHAT_FIELDS: Readonly<Record<string, Refusal>> = {
  functions: { because: 'it is the older form; use tools', unless: [[]] },
  function_call: { because: 'it is the older form; use tool_choice', unless: ['none', 'auto'] },
  audio: { because: 'this server knows no sound' },
  modalities: { because: 'answers are text', unless: [['text']] },
  reasoning_effort: {
    because: 'these models do not reason apart from their answer',
    unless: ['none'],
  },
  verbosity: { because: 'there is nothing to set it on; ask for short answers in the prompt' },
  web_search_options: { because: 'this server searches nothing' },
  moderation: { because: 'this server moderates nothing' },
}
