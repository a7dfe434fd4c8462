/** A conversation as OpenAI-compatible servers take it over HTTP, and what they reply. */
import { InputError } from '../../core/errors.ts'
import { isRecord } from '../faults.ts'
import type { ContentPart, Message, VideoPart } from '../messages.ts'
import { clipType, dataUrl, framesUrl, pictureType } from './media-url.ts'
import { wireFields } from './sampled-frames.ts'
import type { ServerKind } from './server-kind.ts'

/** Reads the file of a picture or clip that a message names by its path. */
export type ReadFile = (path: string) => Promise<Uint8Array>

/**
 * Messages with their media as `data:` URLs; the addresses of media that the server fetches itself stay. `kindOf` is asked
 * where there are clips: what a server takes of them depends on who it is; null: nobody knows. Throws InputError for media that
 * cannot be sent, and what `kindOf` throws.
 */
export function wireMessages(
  messages: readonly Message[],
  readFile: ReadFile,
  kindOf: KindOf = async () => null,
): Promise<object[]> {
  return mapParts(messages, (part) => wirePart(part, { readFile, kindOf }))
}

/** Role and content of each message, with every part of a content that has parts made into another. */
export function mapParts<Part>(
  messages: readonly Message[],
  make: (part: ContentPart) => Promise<Part>,
): Promise<{ role: Message['role']; content: string | Part[] }[]> {
  return Promise.all(
    messages.map(async ({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : await Promise.all(content.map(make)),
    })),
  )
}

export type ChatReply = {
  readonly text: string
  readonly finishReason: string
  readonly promptTokens?: number
  readonly completionTokens?: number
}

/** Throws InputError where the reply holds no text; by its code, whether that is what the model answered or no reply of a chat. */
export function readChatReply(reply: unknown, url: string): ChatReply {
  const fields = isRecord(reply) ? reply : {}
  const choice: unknown = Array.isArray(fields['choices']) ? fields['choices'][0] : null
  const message = isRecord(choice) ? choice['message'] : null
  const text = isRecord(message) ? message['content'] : null
  if (isRecord(choice) && isRecord(message) && isSilent(message)) throw noText(choice, message, url)
  if (typeof text !== 'string') {
    throw new InputError(
      'INPUT_ENDPOINT_REPLY',
      `endpoint: ${url} should reply with choices[0].message.content, a text; ${JSON.stringify(reply)?.slice(0, 120)} came.`,
    )
  }
  const reason = isRecord(choice) ? choice['finish_reason'] : null
  const usage = isRecord(fields['usage']) ? fields['usage'] : {}
  return {
    text,
    finishReason: typeof reason === 'string' ? reason : 'stop',
    ...numberField('promptTokens', usage['prompt_tokens']),
    ...numberField('completionTokens', usage['completion_tokens']),
  }
}

/** It refuses, a filter took the answer, or it was cut off while the model still reasoned. */
function isSilent({ content, refusal }: Readonly<Record<string, unknown>>): boolean {
  return content === null || content === undefined || (content === '' && Boolean(refusal))
}

function noText(
  { finish_reason: reason }: Readonly<Record<string, unknown>>,
  { refusal }: Readonly<Record<string, unknown>>,
  url: string,
): InputError {
  const facts = [
    `finish_reason ${JSON.stringify(reason ?? null)}`,
    ...(typeof refusal === 'string' ? [`refusal ${JSON.stringify(refusal.slice(0, 120))}`] : []),
  ]
  const advice =
    reason === 'length' ? 'let answers be longer' : 'ask something else, or another model'
  return new InputError(
    'INPUT_ENDPOINT_NO_TEXT',
    `endpoint: ${url} should reply with a text as choices[0].message.content, none came (${facts.join(', ')}); ${advice}.`,
  )
}

type KindOf = () => Promise<ServerKind | null>

type Sender = { readonly readFile: ReadFile; readonly kindOf: KindOf }

async function wirePart(part: ContentPart, sender: Sender): Promise<object> {
  switch (part.type) {
    case 'text':
    case 'image_url':
      return part
    case 'image': {
      const { image } = part
      if (typeof image === 'string' && /^(?:https?|data):/i.test(image)) return pictureUrl(image)
      const bytes = image instanceof Uint8Array ? image : await sender.readFile(String(image))
      // A list from elsewhere may name any file of this machine: what is no picture does not leave it.
      return pictureUrl(dataUrl(bytes, pictureType(bytes)))
    }
    case 'video':
      return wireClip(part, sender)
  }
}

function pictureUrl(url: string): object {
  return { type: 'image_url', image_url: { url } }
}

/** Which frames are taken is our own server's word; others are not troubled with it unasked. */
async function wireClip(part: VideoPart, { readFile, kindOf }: Sender): Promise<object> {
  const { sendClip } = await import('./send-clip-node.ts')
  const { video, ...fields } = await sendClip(part, { kind: await kindOf(), readFile })
  return { type: 'video_url', video_url: { url: clipUrl(video) }, ...wireFields(fields) }
}

function clipUrl(video: string | Uint8Array | readonly Uint8Array[]): string {
  if (typeof video === 'string') return video
  if (!(video instanceof Uint8Array)) return framesUrl(video)
  const type = clipType(video)
  if (type !== null) return dataUrl(video, type)
  throw new InputError(
    'INPUT_ENDPOINT_PART',
    'endpoint: a clip for a server should be a film or pictures, something of no kind that is known came; name another file.',
  )
}

function numberField<K extends string>(name: K, value: unknown): { [P in K]?: number } {
  return typeof value === 'number' ? ({ [name]: value } as { [P in K]?: number }) : {}
}
