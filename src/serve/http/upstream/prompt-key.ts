/** A prompt as a text by whose beginnings prompts are told apart: words as they are, pictures and clips as their hashes. */
import { sha256 } from '../../content-name.ts'
import type { PlainPart } from '../../messages.ts'
import type { Prompt } from '../../request.ts'
import { bytesOf, clipKey } from './wire-media.ts'

/** More tells no two prompts apart that are not apart already, as far as it pays. */
const LONGEST = 1 << 15

export async function promptKey(prompt: Prompt, salt: string): Promise<string> {
  const media: string[] = []
  if (prompt.kind === 'messages') {
    const parts: string[] = []
    if (prompt.toolUse) parts.push(JSON.stringify(prompt.toolUse.tools))
    for (const { role, content, toolCalls = [] } of prompt.messages) {
      const shown =
        typeof content === 'string' ? [content] : await Promise.all(content.map(partKey))
      const calls = toolCalls.length > 0 ? JSON.stringify(toolCalls) : ''
      parts.push(`${role}\n${shown.join('\n')}\n${calls}`)
    }
    return cut(salt, parts.join(''))
  }
  for (const image of prompt.images) media.push(await sha256(bytesOf(image)))
  for (const clip of prompt.videos) media.push(await clipKey(clip))
  const text = prompt.kind === 'text' ? prompt.text : prompt.ids.join(' ')
  // Media first: where in the text they stand is the checkpoint's to say, and other pictures make another prompt.
  return cut(salt, `${media.join('\n')}\n${text}`)
}

function cut(salt: string, key: string): string {
  return `${salt}\n${key}`.slice(0, LONGEST)
}

async function partKey(part: PlainPart): Promise<string> {
  if (part.type === 'text') return part.text
  if (part.type === 'image') return sha256(bytesOf(part.image))
  return clipKey(part)
}

/** The salt as workers get it: of bounded length, and without the name of a key. */
export async function saltOf(salt: string): Promise<string> {
  return salt === '' ? '' : sha256(salt)
}
