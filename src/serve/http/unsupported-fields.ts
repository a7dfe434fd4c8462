/** Fields of OpenAI's that would change an answer and are not offered: refused by name, with the reason. */
import type { Refusal } from './json-schema.ts'

const TOOLS: Refusal = { because: 'no tools are offered', unless: [[]] }

export const UNSUPPORTED_CHAT_FIELDS: Readonly<Record<string, Refusal>> = {
  tools: TOOLS,
  tool_choice: { because: 'no tools are offered', unless: ['none', 'auto'] },
  functions: TOOLS,
  function_call: { because: 'no tools are offered', unless: ['none', 'auto'] },
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
