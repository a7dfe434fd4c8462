/**
 * Records to samples: text and labels as the model's prompts are written, pictures through its processor, rows counted by
 * the token accounting. The very functions that serving calls (`serve/prepare-prompt.ts`), so that training sees what
 * serving will.
 */
import { ConfigError } from '../core/errors.ts'
import { RecordFault } from '../data/record-fault.ts'
import {
  preferenceTurns,
  type DataRecord,
  type PreferenceRecord,
  type RecordTurn,
} from '../data/record.ts'
import type { PromptMessage, PromptPart } from '../families/build-prompt.ts'
import type { ModelConfig } from '../families/family.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import type { PreparedImage } from '../preprocess/preprocess-image.ts'
import { imageSizeOf, type Preprocessor } from '../preprocess/node.ts'
import { arrangeImageTokens } from '../sequence/arrange-image-tokens.ts'
import { layoutSequence, type MediaRows } from '../sequence/layout-sequence.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import { labelConversation, type LabelledConversation } from '../text/label-conversation.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import { labelTemplate } from './label-template.ts'
import { IGNORE_INDEX, type PreferencePair, type Sample } from './sample.ts'

export type PreparerParts = {
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  readonly preprocessor: Preprocessor
  /** A conversation mode, or `template`: what the checkpoint's prompts are written by. */
  readonly conversation: string
  /** Longer samples are refused. */
  readonly maxLength: number
}

/** Whether pictures are decoded, or only their sizes read: then samples have no pixels and only their lengths count. */
export type PictureDepth = { readonly pictures?: 'decode' | 'header' }

export class RecordPreparer {
  readonly #parts: PreparerParts

  constructor(parts: PreparerParts) {
    checkConversation(parts)
    this.#parts = parts
  }

  /** Throws RecordFault or InputError for a record that cannot be learnt from. */
  async sample(record: DataRecord, depth?: PictureDepth): Promise<Sample> {
    const { images, videos } = record
    return this.#sample(record.turns, { images, videos }, depth)
  }

  async pair(record: PreferenceRecord, depth?: PictureDepth): Promise<PreferencePair> {
    const { chosen, rejected } = preferenceTurns(record)
    const media = { images: record.images, videos: record.videos }
    const [better, worse] = await Promise.all([
      this.#sample(chosen, media, depth),
      this.#sample(rejected, media, depth),
    ])
    return { chosen: better, rejected: worse }
  }

  async #sample(
    turns: readonly RecordTurn[],
    { images, videos }: Pick<DataRecord, 'images' | 'videos'>,
    { pictures: depth = 'decode' }: PictureDepth = {},
  ): Promise<Sample> {
    if (videos.length > 0) {
      throw new RecordFault('clip-broken', 'record: clips cannot be trained on by recipes.')
    }
    const labelled = this.#label(turns, images.length)
    if (depth === 'header') {
      return this.#lengthened(
        labelled,
        images.map((image) => imageSizeOf(image)),
      )
    }
    const pictures = await Promise.all(images.map((image) => this.#picture(image, images.length)))
    const sizes = pictures.map(({ imageSize }) => imageSize)
    const sample = this.#lengthened(labelled, sizes)
    if (pictures.length === 0) return sample
    return {
      ...sample,
      pixelValues: joinPixels(pictures.map(({ pixelValues }) => pixelValues)),
      imageSizes: sizes,
    }
  }

  /** Ids with one placeholder a picture, and their labels. */
  #label(turns: readonly RecordTurn[], pictures: number): LabelledConversation {
    const { config, tokenizer, conversation } = this.#parts
    const labelled =
      conversation === 'template' && config.prompt.kind === 'template'
        ? labelTemplate(messagesOf(turns, pictures), config.prompt.template, { config, tokenizer })
        : this.#labelByMode(turns, pictures)
    const isLearnt = labelled.labels.some((label, i) => i > 0 && label !== IGNORE_INDEX)
    if (isLearnt) return labelled
    throw new RecordFault('labels', 'labels: no token of the record is learnt; give it an answer.')
  }

  #labelByMode(turns: readonly RecordTurn[], pictures: number): LabelledConversation {
    const { config, tokenizer, conversation } = this.#parts
    const { prompt, image } = config
    const own = prompt.kind === 'conversation' ? prompt : null
    const mode = conversation === 'template' ? (own?.mode ?? '') : conversation
    const { inputIds, labels } = labelConversation(mode, tokenizer, turns, {
      hasImage: pictures > 0,
      ...(own?.wrapImage && { wrapImage: true }),
    })
    const placeholder = image?.placeholder ?? IMAGE_TOKEN_INDEX
    return {
      inputIds: inputIds.map((id) => (id === IMAGE_TOKEN_INDEX ? placeholder : id)),
      labels,
    }
  }

  #picture(image: string | Uint8Array, pictures: number): Promise<PreparedImage> {
    const { config, preprocessor } = this.#parts
    if (!config.image) {
      throw new RecordFault('places', 'record: it has pictures, and the model takes text only.')
    }
    return preprocessor.preprocess(image, config.image.processor, { pictures })
  }

  #rows(size: ImageSize, pictures: number): MediaRows {
    const { image, vision } = this.#parts.config
    if (!image || !vision) throw new Error('internal: a picture came to a model without eyes')
    const tokens = countImageTokens(size, image.tokens, { pictures })
    const { rows } = arrangeImageTokens(tokens, {
      patchesPerSide: image.tokens.patchesPerSide,
      rowsPerTile: featureRows(vision),
    })
    return { kind: 'image', rows }
  }

  /** Places as long as their rows, in ids and labels alike. */
  #lengthened({ inputIds, labels }: LabelledConversation, sizes: readonly ImageSize[]): Sample {
    const { config, maxLength } = this.#parts
    const { image, video } = config
    const media = sizes.map((size) => this.#rows(size, sizes.length))
    const places = { image: image?.placeholder ?? null, video: video?.placeholder ?? null }
    const layout = layoutSequence(inputIds, places, media)
    const longer: number[] = []
    let place = 0
    inputIds.forEach((id, i) => {
      if (id !== places.image && id !== places.video) {
        longer.push(labels[i] as number)
        return
      }
      const { rows } = media[layout.order[place++] as number] as MediaRows
      for (let row = 0; row < rows; row++) longer.push(IGNORE_INDEX)
    })
    if (longer.length > maxLength) throw tooLong(longer.length, maxLength)
    return { inputIds: layout.inputIds, labels: longer }
  }
}

const IMAGE_PLACE = '<image>'

/** Turns as messages for a template, each `<image>` a part of its own. */
export function messagesOf(turns: readonly RecordTurn[], pictures: number): PromptMessage[] {
  return turns.map(({ from, value }) => {
    if (from === 'gpt') return { role: 'assistant', content: [{ type: 'text', text: value }] }
    const content = pictures > 0 ? partsOf(value) : [{ type: 'text' as const, text: value }]
    return { role: 'user', content }
  })
}

/** The line end beside a place belongs to it. */
function partsOf(value: string): PromptPart[] {
  return value.split(IMAGE_PLACE).flatMap((piece, i, pieces): PromptPart[] => {
    const after = i > 0 ? piece.replace(/^\n/, '') : piece
    const text = i < pieces.length - 1 ? after.replace(/\n$/, '') : after
    const place: PromptPart[] = i > 0 ? [{ type: 'image' }] : []
    return text === '' ? place : [...place, { type: 'text', text }]
  })
}

function joinPixels(parts: readonly PreparedImage['pixelValues'][]): PreparedImage['pixelValues'] {
  const [first] = parts as [PreparedImage['pixelValues']]
  if (parts.length === 1) return first
  const tiles = parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0)
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let at = 0
  for (const part of parts) {
    data.set(part.data, at)
    at += part.data.length
  }
  return { data, shape: [tiles, ...first.shape.slice(1)] }
}

function checkConversation({ config, conversation }: PreparerParts): void {
  if (conversation !== 'template' || config.prompt.kind !== 'none') return
  throw new ConfigError(
    'CONFIG_TEMPLATE_MISSING',
    'recipe: conversation is template, and the checkpoint has no chat template; name a conversation mode.',
  )
}

function tooLong(length: number, maxLength: number): RecordFault {
  return new RecordFault(
    'too-long',
    `record: it takes ${length} positions, more than the ${maxLength} of maxLength; shorten its text, pictures are never cut.`,
  )
}
