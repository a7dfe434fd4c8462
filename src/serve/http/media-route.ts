/** `/v1/media/tokens`: how each picture of a conversation is cut, and what each picture and clip costs. */
import { probeImage } from '../../preprocess/probe-image.ts'
import type { ClipTokens, PictureTokens } from '../media-tokens.ts'
import type { ContentPart, Message } from '../messages.ts'
import { messagesProperty, readMessages, type ChatMessage } from './chat-messages.ts'
import { CONTEXT, COUNT, exactly } from './chat-response.ts'
import { HttpError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { withinParts } from './message-parts.ts'
import { isOrientationIgnored, requestMedia } from './request-media.ts'
import type { Route } from './route.ts'
import { modelNamed, readRequest } from './server-context.ts'
import type { ServedModel } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { bytesOf } from './upstream/wire-media.ts'

type MediaRequest = { readonly model?: string | null; readonly messages: readonly ChatMessage[] }

function mediaSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: { model: { type: 'string' }, messages: messagesProperty(config) },
    required: ['messages'],
    additionalProperties: false,
  }
}

const PIXELS: JsonSchema = { type: 'integer', minimum: 1 }
const SIZE = { width: PIXELS, height: PIXELS }
const NUMBER: JsonSchema = { type: 'number' }
const REGION = exactly({ left: NUMBER, top: NUMBER, width: NUMBER, height: NUMBER })

const COST = {
  tokens: COUNT,
  parts: {
    type: 'array',
    items: exactly({
      part: { enum: ['tile', 'tiles', 'base tile', 'grid', 'frames', 'newlines'] },
      tokens: COUNT,
      shape: { type: 'string', description: 'How the number comes about.' },
    }),
  },
} as const satisfies Record<string, JsonSchema>

const CUT = exactly({
  tile: exactly(SIZE),
  grid: exactly({ columns: PIXELS, rows: PIXELS }),
  sheet: { ...exactly(SIZE), description: 'All tiles of the grid together, from (0, 0).' },
  picture: {
    ...REGION,
    description:
      'The resized picture: what lies outside of the sheet is cut off, the rest of the sheet is padding.',
  },
  kept: {
    anyOf: [{ type: 'null' }, REGION],
    description: 'The part whose patches are used; null: all.',
  },
  base: {
    enum: ['none', 'padded', 'squashed'],
    description: 'How the whole picture becomes one more tile.',
  },
})

const MEDIUM: JsonSchema = {
  anyOf: [
    exactly({
      type: { const: 'image' },
      ...SIZE,
      orientation_ignored: {
        type: ['boolean', 'null'],
        description:
          'Whether its Exif or XMP asks for another orientation than the model sees; null: a worker does not say.',
      },
      ...COST,
      cut: CUT,
    }),
    exactly({
      type: { const: 'video' },
      frames: COUNT,
      times: { type: 'array', items: NUMBER, description: 'Seconds of the frames that are seen.' },
      ...COST,
    }),
  ],
}

export const mediaRoute: Route = {
  method: 'post',
  path: '/v1/media/tokens',
  about: 'How each picture of a conversation is cut, and what each picture and clip costs',
  request: mediaSchema,
  responses: {
    json: exactly({
      prompt_tokens: COUNT,
      text_tokens: COUNT,
      image_tokens: COUNT,
      max_model_len: CONTEXT,
      media: { type: 'array', items: MEDIUM },
    }),
  },
  async answer(context, exchange) {
    const schema = mediaSchema(context.config)
    const body = await readRequest<MediaRequest>(context, exchange, schema)
    const model = modelNamed(context, body.model)
    if (!model.measureMedia) {
      throw new HttpError(
        400,
        'INPUT_UNSUPPORTED',
        `/v1/media/tokens: ${model.id} runs behind another server, which does not say how it cuts pictures; ask /tokenize.`,
      )
    }
    const media = requestMedia(context, exchange, model)
    const read = await readMessages(body.messages, media)
    const messages = withinParts(read, 'messages', context.config)
    const measured = await model.measureMedia({ messages })
    const parts = mediaParts(messages)
    return Response.json({
      prompt_tokens: measured.text + measured.image,
      text_tokens: measured.text,
      image_tokens: measured.image,
      max_model_len: model.maxContext,
      media: measured.media.map((one, i) => shown(one, parts[i], model)),
    })
  },
}

/** In the order of the prompt. */
function mediaParts(messages: readonly Message[]): readonly ContentPart[] {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
  return parts.filter(({ type }) => type !== 'text')
}

function shown(
  { kind, ...rest }: PictureTokens | ClipTokens,
  part: ContentPart | undefined,
  model: ServedModel,
): object {
  if (part?.type !== 'image') return { type: kind, ...rest }
  const header = probeImage(bytesOf(part.image))
  return { type: kind, ...rest, orientation_ignored: isOrientationIgnored(header, model) }
}
