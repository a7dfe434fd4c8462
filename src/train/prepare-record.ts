/**
 * Records to samples: text and labels as the model's prompts are written, pictures through its processor, rows counted by
 * the token accounting. The very functions that serving calls (`serve/prepare-prompt.ts`), so that training sees what
 * serving will.
 */
import { ConfigError } from '../core/errors.ts'
import { conversationsOf, type TokenCounts } from '../data/check-record.ts'
import { RecordFault } from '../data/record-fault.ts'
import {
  preferenceTurns,
  type DataRecord,
  type PreferenceRecord,
  type RecordTurn,
} from '../data/record.ts'
import { buildPrompt, type PromptMessage, type PromptPart } from '../families/build-prompt.ts'
import type { ModelConfig } from '../families/family.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import type { PreparedImage } from '../preprocess/preprocess-image.ts'
import type { Preprocessor } from '../preprocess/node.ts'
import { arrangeImageTokens } from '../sequence/arrange-image-tokens.ts'
import { layoutSequence, type MediaRows } from '../sequence/layout-sequence.ts'
import { normaliseImageTags } from '../text/conversation-image-tags.ts'
import { renderConversation } from '../text/conversation.ts'
import { labelConversation, type LabelledConversation } from '../text/label-conversation.ts'
import { IMAGE_TOKEN_INDEX, tokenizePrompt } from '../text/tokenize-prompt.ts'
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

type Media = Pick<DataRecord, 'images' | 'videos'>

export class RecordPreparer {
  readonly #parts: PreparerParts

  constructor(parts: PreparerParts) {
    checkConversation(parts)
    this.#parts = parts
  }

  /** How long a record will be, by the sizes of its pictures alone. Throws as `sample` does. */
  count(record: DataRecord | PreferenceRecord, sizes: readonly ImageSize[]): TokenCounts {
    const counts = conversationsOf(record).map((turns) => {
      const labelled = this.#label(turns, record)
      const { inputIds, labels } = this.#lengthened(labelled, sizes)
      const media = inputIds.length - labelled.inputIds.length + sizes.length
      return { total: inputIds.length, media, learnt: learntOf(labels) }
    })
    const sum = (key: 'total' | 'media' | 'learnt') =>
      counts.reduce((all, one) => all + one[key], 0)
    const longest = Math.max(...counts.map(({ total }) => total))
    return { total: sum('total'), longest, media: sum('media'), learnt: sum('learnt') }
  }

  /** Throws RecordFault or InputError for a record that cannot be learnt from. */
  async sample(record: DataRecord): Promise<Sample> {
    const labelled = this.#label(record.turns, record)
    return this.#withPictures(labelled, await this.#pictures(record))
  }

  /** Both answers, with the same pictures. */
  async pair(record: PreferenceRecord): Promise<PreferencePair> {
    const { chosen, rejected } = preferenceTurns(record)
    const [better, worse] = [this.#label(chosen, record), this.#label(rejected, record)]
    const pictures = await this.#pictures(record)
    return {
      chosen: this.#withPictures(better, pictures),
      rejected: this.#withPictures(worse, pictures),
    }
  }

  /** The first question of a record, open for the answer; nothing of it is learnt. */
  async question(record: DataRecord): Promise<Sample> {
    const end = record.turns.findIndex(({ from }) => from === 'gpt')
    const inputIds = this.#ask(record.turns.slice(0, end), record)
    const labels = inputIds.map(() => IGNORE_INDEX)
    return this.#withPictures({ inputIds, labels }, await this.#pictures(record))
  }

  /** What a model said. */
  text(tokens: readonly number[]): string {
    return this.#parts.tokenizer.decode([...tokens], { skipSpecial: true }).trim()
  }

  /** Ids with one placeholder a picture, and their labels. */
  #label(turns: readonly RecordTurn[], media: Media): LabelledConversation {
    const { videos, images } = media
    if (videos.length > 0) {
      throw new RecordFault(
        'clip-broken',
        'record: it has a clip, and recipes learn from pictures alone; leave it out.',
      )
    }
    const { config, tokenizer } = this.#parts
    const mode = this.#mode()
    const labelled =
      mode === null
        ? labelTemplate(messagesOf(turns, images.length), { config, tokenizer })
        : this.#labelByMode(mode, turns, images.length)
    if (learntOf(labelled.labels) > 0) return labelled
    throw new RecordFault('labels', 'labels: no token of the record is learnt; give it an answer.')
  }

  #labelByMode(mode: string, turns: readonly RecordTurn[], pictures: number): LabelledConversation {
    const { tokenizer } = this.#parts
    const { inputIds, labels } = labelConversation(mode, tokenizer, turns, {
      hasImage: pictures > 0,
      wrapImage: this.#wrapsImage(),
    })
    return { inputIds: this.#placed(inputIds), labels }
  }

  /** Ids of turns that end with a question, one placeholder a picture. */
  #ask(turns: readonly RecordTurn[], { images }: Media): number[] {
    const { config, tokenizer } = this.#parts
    const mode = this.#mode()
    if (mode === null) {
      return buildPrompt(messagesOf(turns, images.length), { config, tokenizer }).ids
    }
    const wrapImage = this.#wrapsImage()
    // Stage 1 learns captions of bare pictures: its questions are discarded.
    const prompt =
      mode === 'plain'
        ? IMAGE_PLACE
        : renderConversation(mode, normaliseImageTags(turns, { mode, wrapImage }), {
            addGenerationPrompt: true,
          })
    return this.#placed(tokenizePrompt(tokenizer, prompt))
  }

  /** The conversation mode, or null where the checkpoint's template writes the conversations. */
  #mode(): string | null {
    const { config, conversation } = this.#parts
    if (conversation !== 'template') return conversation
    return config.prompt.kind === 'conversation' ? config.prompt.mode : null
  }

  #wrapsImage(): boolean {
    const { prompt } = this.#parts.config
    return prompt.kind === 'conversation' && prompt.wrapImage
  }

  /** −200 becomes the checkpoint's placeholder. */
  #placed(ids: readonly number[]): number[] {
    const placeholder = this.#parts.config.image?.placeholder ?? IMAGE_TOKEN_INDEX
    return ids.map((id) => (id === IMAGE_TOKEN_INDEX ? placeholder : id))
  }

  #pictures({ images }: Media): Promise<PreparedImage[]> {
    const { config, preprocessor } = this.#parts
    const { image } = config
    if (images.length === 0) return Promise.resolve([])
    if (!image) throw noEyes()
    const options = { pictures: images.length }
    return Promise.all(images.map((one) => preprocessor.preprocess(one, image.processor, options)))
  }

  #withPictures(labelled: LabelledConversation, pictures: readonly PreparedImage[]): Sample {
    const sizes = pictures.map(({ imageSize }) => imageSize)
    const sample = this.#lengthened(labelled, sizes)
    if (pictures.length === 0) return sample
    const pixelValues = joinPixels(pictures.map((picture) => picture.pixelValues))
    return { ...sample, pixelValues, imageSizes: sizes }
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

  #rows(size: ImageSize, pictures: number): MediaRows {
    const { image, vision } = this.#parts.config
    if (!image || !vision) throw noEyes()
    const tokens = countImageTokens(size, image.tokens, { pictures })
    const { rows } = arrangeImageTokens(tokens, {
      patchesPerSide: image.tokens.patchesPerSide,
      rowsPerTile: featureRows(vision),
    })
    return { kind: 'image', rows }
  }
}

/** The first label is predicted by nobody. */
function learntOf(labels: ArrayLike<number>): number {
  return Array.from(labels).filter((label, i) => i > 0 && label !== IGNORE_INDEX).length
}

const IMAGE_PLACE = '<image>'

/** Turns as messages for a template, each `<image>` a part of its own. */
export function messagesOf(turns: readonly RecordTurn[], pictures: number): PromptMessage[] {
  return turns.map(({ from, value }) => {
    const text = [{ type: 'text' as const, text: value }]
    if (from === 'gpt') return { role: 'assistant', content: text }
    return { role: 'user', content: pictures > 0 ? partsOf(value) : text }
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

function noEyes(): RecordFault {
  return new RecordFault('places', 'record: it has pictures, and the model takes text only.')
}

function tooLong(length: number, maxLength: number): RecordFault {
  return new RecordFault(
    'too-long',
    `record: it takes ${length} positions, more than the ${maxLength} of maxLength; shorten its text, pictures are never cut.`,
  )
}
