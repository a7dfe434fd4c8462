/** A conversation as OpenAI-compatible servers take it over HTTP, and what they reply. */
import { InputError } from '../../core/errors.ts'
import { probeImage } from '../../preprocess/probe-image.ts'
import { isRecord } from '../faults.ts'
import type { ContentPart, Message, VideoPart } from '../messages.ts'

/** Reads the file of a picture or clip that a message names by its path. */
export type ReadFile = (path: string) => Promise<Uint8Array>

/** Messages with their media as `data:` URLs; the addresses of media that the server fetches itself stay. */
export function wireMessages(messages: readonly Message[], readFile: ReadFile): Promise<object[]> {
  return mapParts(messages, (part) => wirePart(part, readFile))
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

/** Throws InputError where the reply holds no text. */
export function readChatReply(reply: unknown, url: string): ChatReply {
  const fields = isRecord(reply) ? reply : {}
  const choice: unknown = Array.isArray(fields['choices']) ? fields['choices'][0] : null
  const message = isRecord(choice) ? choice['message'] : null
  const text = isRecord(message) ? message['content'] : null
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

/** `data:` URL of a picture, or of what `type` says. */
export function dataUrl(bytes: Uint8Array, type = pictureType(bytes)): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return `data:${type};base64,${btoa(binary)}`
}

async function wirePart(part: ContentPart, readFile: ReadFile): Promise<object> {
  switch (part.type) {
    case 'text':
    case 'image_url':
      return part
    case 'image': {
      const { image } = part
      if (typeof image === 'string' && /^(?:https?|data):/i.test(image)) return pictureUrl(image)
      const bytes = image instanceof Uint8Array ? image : await readFile(String(image))
      // A list from elsewhere may name any file of this machine: what is no picture does not leave it.
      return pictureUrl(dataUrl(bytes, `image/${probeImage(bytes).format}`))
    }
    case 'video': {
      const { video, start, end } = part
      if (start !== undefined || end !== undefined) throw noClip('a part of one')
      if (Array.isArray(video)) throw noClip('a list of pictures')
      const isUrl = typeof video === 'string' && /^(?:https?|data):/i.test(video)
      if (isUrl) return clipUrl(video, part)
      const bytes = video instanceof Uint8Array ? video : await clipBytes(String(video), readFile)
      const kind = clipType(bytes)
      if (kind === null) throw noClip('something of no kind that is known')
      return clipUrl(dataUrl(bytes, kind), part)
    }
  }
}

async function clipBytes(path: string, readFile: ReadFile): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'EISDIR') throw noClip('a folder')
    throw error
  }
}

function pictureUrl(url: string): object {
  return { type: 'image_url', image_url: { url } }
}

/** How many frames are taken is our own server's word; others are not troubled with it unasked. */
function clipUrl(url: string, { frames, fps }: VideoPart): object {
  return {
    type: 'video_url',
    video_url: { url },
    ...(frames !== undefined && { frames }),
    ...(fps !== undefined && { fps }),
  }
}

/** First bytes of clips and what they are; those without a name of their own here go as the commonest kind. */
const CLIP_HEADS: readonly (readonly [head: string, type: string])[] = [
  ['GIF8', 'image/gif'],
  ['\u001aE\u00df\u00a3', 'video/webm'],
  // MPEG programs and videos, Flash, Ogg, ASF and Y4M.
  ...['\0\0\u0001\u00ba', '\0\0\u0001\u00b3', 'FLV', 'OggS', '0&\u00b2u', 'YUV4MPEG2'].map(
    (head) => [head, 'video/mp4'] as const,
  ),
]
/** First boxes of MP4 and QuickTime, by the name behind their length. */
const BOXES = ['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip']
/** Packets of MPEG's transport stream begin with this byte, and are so long. */
const PACKET = { sync: 0x47, bytes: 188 }

/** Null for what is no clip by its first bytes. */
function clipType(bytes: Uint8Array): string | null {
  const head = String.fromCharCode(...bytes.subarray(0, 12))
  if (head.startsWith('RIFF') && head.endsWith('AVI ')) return 'video/x-msvideo'
  const isStream = bytes[0] === PACKET.sync && bytes[PACKET.bytes] === PACKET.sync
  if (isStream || BOXES.includes(head.slice(4, 8))) return 'video/mp4'
  return CLIP_HEADS.find(([one]) => head.startsWith(one))?.[1] ?? null
}

/** By the first bytes; what is not known is taken for JPEG, since nobody is asked to read it here. */
function pictureType(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 4))
  const known = { '\u0089PNG': 'image/png', GIF8: 'image/gif', RIFF: 'image/webp' }
  return Object.hasOwn(known, head) ? known[head as keyof typeof known] : 'image/jpeg'
}

function noClip(what: string): InputError {
  return new InputError(
    'INPUT_ENDPOINT_PART',
    `endpoint: a clip for a server should be one whole file, ${what} came; make a film of it, or ask a local model.`,
  )
}

function numberField<K extends string>(name: K, value: unknown): { [P in K]?: number } {
  return typeof value === 'number' ? ({ [name]: value } as { [P in K]?: number }) : {}
}
