/** OpenAI's messages: what they may hold, and the library's messages from them. */
import type { ContentPart, Message } from '../messages.ts'
import { InputError } from '../../core/errors.ts'
import { HttpError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { MOST_FRAMES } from '../remote/sampled-frames.ts'
import type { Clip, RequestMedia } from './media.ts'
import { ignoredProperties } from './sampling-fields.ts'
import type { ServerConfig } from './server-config.ts'
import { MESSAGE_CALLS, type OpenAiCall } from './tool-fields.ts'

export type ChatMessage = {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  /** Null only where an assistant called. */
  readonly content?: string | readonly ChatPart[] | null
  readonly tool_calls?: readonly OpenAiCall[] | null
  readonly tool_call_id?: string | null
}

type UrlOf<K extends string> = { readonly [N in K]: string | { readonly url: string } }

export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | ({ readonly type: 'image_url' } & UrlOf<'image_url'>)
  | ({ readonly type: 'video_url' } & UrlOf<'video_url'> & ClipFields)
  | { readonly type: 'file'; readonly file: { readonly file_data: string } }

type ClipFields = { readonly [N in 'frames' | 'fps' | 'start' | 'end']?: number | null } & {
  readonly force_sample?: boolean | null
}

const TEXT_PART: JsonSchema = {
  type: 'object',
  properties: { type: { const: 'text' }, text: { type: 'string' } },
  required: ['type', 'text'],
  additionalProperties: false,
}

function urlPart(type: string, about: string, other: Readonly<Record<string, JsonSchema>>) {
  const url: JsonSchema = { type: 'string', minLength: 1, description: about }
  const object: JsonSchema = {
    type: 'object',
    properties: { url, detail: { description: 'Taken, without effect.' } },
    required: ['url'],
    additionalProperties: false,
  }
  return {
    type: 'object',
    properties: { type: { const: type }, [type]: { anyOf: [url, object] }, ...other },
    required: ['type', type],
    additionalProperties: false,
  } as const satisfies JsonSchema
}

const IMAGE_PART = urlPart('image_url', 'A data: URL; https: and file: where the server allows', {})
const VIDEO_PART = urlPart(
  'video_url',
  'A data: URL of a film, or of frames: data:video/jpeg;base64,FRAME,FRAME,… of pictures in any format; https: and file: where the server allows',
  {
    frames: {
      type: 'integer',
      minimum: 1,
      maximum: MOST_FRAMES,
      description: 'Frames that are taken at most, evenly spaced.',
    },
    fps: {
      type: 'number',
      exclusiveMinimum: 0,
      description:
        'Frames that are taken of a second; of frames, which have no clock, how many make one.',
    },
    start: { type: 'number', minimum: 0, description: 'Second where what is shown begins.' },
    end: { type: 'number', exclusiveMinimum: 0, description: 'Second where it ends.' },
    force_sample: {
      type: 'boolean',
      description: 'Exactly `frames` frames, those of a shorter clip repeated.',
    },
  },
)

const FILE_PART: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'file' },
    file: {
      type: 'object',
      properties: {
        file_data: {
          type: 'string',
          minLength: 1,
          description: 'A data: URL of a picture, a clip or a plain text',
        },
        filename: { description: 'Taken, without effect.' },
      },
      required: ['file_data'],
      additionalProperties: false,
      'x-refused': { file_id: { because: 'this server keeps no files; send file_data' } },
    },
  },
  required: ['type', 'file'],
  additionalProperties: false,
}

/** `messages` of a chat. */
export function messagesProperty({ maxMessages }: ServerConfig): JsonSchema {
  return {
    type: 'array',
    minItems: 1,
    maxItems: maxMessages,
    items: {
      anyOf: [
        messageSchema(['system', 'developer'], [TEXT_PART]),
        messageSchema(['user'], [TEXT_PART, IMAGE_PART, VIDEO_PART, FILE_PART]),
        messageSchema(['assistant'], [TEXT_PART], { own: ASSISTANT_PROPERTIES }),
        messageSchema(['tool'], [TEXT_PART], {
          own: { tool_call_id: { type: 'string', minLength: 1 } },
          required: ['role', 'content', 'tool_call_id'],
        }),
      ],
    },
  }
}

/** Answers of other servers and of clients' helpers come back with what those added. */
const ASSISTANT_PROPERTIES = {
  tool_calls: MESSAGE_CALLS,
  ...ignoredProperties(['annotations', 'parsed', 'reasoning', 'reasoning_content']),
}

const CONTENT_OR_CALLS = {
  oneOf: ['content', 'tool_calls'],
  isOnly: false,
  code: 'INPUT_MESSAGES',
} as const

function messageSchema(
  roles: readonly string[],
  parts: readonly JsonSchema[],
  {
    own = {},
    required = 'tool_calls' in own ? ['role'] : ['role', 'content'],
  }: {
    readonly own?: Readonly<Record<string, JsonSchema>>
    readonly required?: readonly string[]
  } = {},
): JsonSchema {
  return {
    type: 'object',
    properties: {
      role: { enum: roles },
      content: { anyOf: [{ type: 'string' }, { type: 'array', items: { anyOf: parts } }] },
      name: { description: 'Taken, without effect.' },
      ...own,
    },
    required,
    additionalProperties: false,
    ...('tool_calls' in own && { 'x-needs': CONTENT_OR_CALLS }),
    'x-refused': {
      refusal: { because: 'an answer is text; put it into content' },
      audio: { because: 'this server knows no sound' },
      function_call: { because: 'it is the older form; use tool_calls' },
    },
  }
}

/** The library's messages, with media read. Throws InputError for media that cannot be had. */
export async function readMessages(
  messages: readonly ChatMessage[],
  media: RequestMedia,
): Promise<Message[]> {
  const read: Message[] = []
  for (const [i, message] of messages.entries()) {
    const { role } = message
    const calls = message.tool_calls ?? []
    const content = message.content ?? (calls.length > 0 ? '' : missing(`messages[${i}].content`))
    const known = {
      role: role === 'developer' ? ('system' as const) : role,
      ...(calls.length > 0 && { toolCalls: calls.map(toolCall) }),
      ...(typeof message.tool_call_id === 'string' && { toolCallId: message.tool_call_id }),
    }
    if (typeof content === 'string') {
      read.push({ ...known, content })
      continue
    }
    const parts: ContentPart[] = []
    for (const [j, part] of content.entries()) {
      parts.push(await readPart(part, { media, path: `messages[${i}].content[${j}]` }))
    }
    read.push({ ...known, content: parts })
  }
  return read
}

function toolCall({ id, function: { name, arguments: given } }: OpenAiCall) {
  return { id, name, arguments: given }
}

function missing(path: string): never {
  throw new InputError('INPUT_MESSAGES', `${path} should be a text or a list of parts, none came.`)
}

type At = { readonly media: RequestMedia; readonly path: string }

async function readPart(part: ChatPart, { media, path }: At): Promise<ContentPart> {
  switch (part.type) {
    case 'text':
      return part
    case 'image_url': {
      const url = urlOf(part.image_url)
      return { type: 'image', image: await media.picture(url, `${path}.image_url`) }
    }
    case 'video_url': {
      checkTimes(part, path)
      const video = await media.clip(urlOf(part.video_url), `${path}.video_url`)
      return clipPart(video, part)
    }
    case 'file':
      return readFile(part.file.file_data, { media, path: `${path}.file.file_data` })
  }
}

function urlOf(given: string | { readonly url: string }): string {
  return typeof given === 'string' ? given : given.url
}

/** What no schema says. */
function checkTimes({ start, end }: ClipFields, path: string): void {
  if (typeof end !== 'number' || end > (start ?? 0)) return
  const message = `${path}.end should be seconds after the start, ${end} came.`
  throw new HttpError(400, 'INPUT_MESSAGES', message, {}, `${path}.end`)
}

function clipPart(video: Clip, fields: ClipFields): ContentPart {
  const { frames, fps, start, end, force_sample: forceSample } = fields
  return {
    type: 'video',
    video,
    ...(typeof frames === 'number' && { frames }),
    ...(typeof fps === 'number' && { fps }),
    ...(typeof start === 'number' && { start }),
    ...(typeof end === 'number' && { end }),
    ...(forceSample === true && { forceSample }),
  }
}

/** What a file is, its media type says. */
async function readFile(url: string, { media, path }: At): Promise<ContentPart> {
  const kind = /^data:(image|video|text\/plain)\b/i.exec(url.slice(0, 64))?.[1]?.toLowerCase()
  if (kind === 'image') return { type: 'image', image: await media.picture(url, path) }
  if (kind === 'video') return { type: 'video', video: await media.clip(url, path) }
  if (kind === 'text/plain') {
    return { type: 'text', text: new TextDecoder().decode(await media.file(url, path)) }
  }
  throw new HttpError(
    400,
    'INPUT_MEDIA_TYPE',
    `${path} should be a data: URL of type image/…, video/… or text/plain; no other file can be read.`,
    {},
    path,
  )
}
