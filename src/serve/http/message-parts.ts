/** How many parts a conversation has, whichever API's words it came in: the time of templates goes by it, and no byte of a body. */
import type { Message } from '../messages.ts'
import { HttpError } from './http-error.ts'
import type { ServerConfig } from './server-config.ts'

/** The messages, which came in `field`. Throws HttpError where all together have more parts and calls than the server takes. */
export function withinParts<M extends Message>(
  messages: readonly M[],
  field: string,
  { maxParts }: ServerConfig,
): readonly M[] {
  const count = messages.reduce((sum, message) => sum + partsOf(message), 0)
  if (count <= maxParts) return messages
  throw new HttpError(
    400,
    'INPUT_MESSAGES',
    `${field}: all messages together may have ${maxParts} parts and calls of tools, ${count} came; join texts that stand side by side.`,
    {},
    field,
  )
}

/** A text is one part, and so is a message without any. */
function partsOf({ content, toolCalls = [] }: Message): number {
  return Math.max(1, typeof content === 'string' ? 1 : content.length) + toolCalls.length
}
