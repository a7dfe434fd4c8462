/**
 * Records to samples: text and labels as the model's prompts are written, pictures through its processor, rows counted by
 * the token accounting. The very functions that serving calls (`serve/prepare-prompt.ts`), so that training sees what
 * serving will.
 */
import { ConfigError } from '../core/errors.ts'
import { conversationsOf, type TokenCounts } from '../data/check-record.ts'
import { MEDIA_PLACE } from '../data/media-places.ts'
import { RecordFault } from '../data/record-fault.ts'
import {
  preferenceTurns,
  type DataRecord,
  type PreferenceRecord,
  type RecordTurn,
} from '../data/record.ts'
import { buildPrompt, type PromptMessage, type PromptPart } from '../families/build-prompt.ts'
import { checkTemplate } from '../families/check-places.ts'
import type { ImageSize } from '../preprocess/image.ts'
import { layoutSequence, type MediaRows } from '../sequence/layout-sequence.ts'
import { normaliseImageTags } from '../text/conversation-image-tags.ts'
import { renderConversation } from '../text/conversation.ts'
import { labelConversation, type LabelledConversation } from '../text/label-conversation.ts'
import { IMAGE_TOKEN_INDEX, tokenizePrompt } from '../text/tokenize-prompt.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { firstQuestion } from './first-question.ts'
import { labelTemplate } from './label-template.ts'
import {
  countMedia,
  countTiles,
  hasManyTiles,
  planMedia,
  prepareMedia,
  type MediaTools,
  type PreparedMedia,
  type RecordMedia,
} from './prepare-media.ts'
import { IGNORE_INDEX, type PreferencePair, type Sample } from './sample.ts'

export type PreparerParts = MediaTools & {
  readonly tokenizer: Tokenizer
  /** A conversation mode, or `template`: what the checkpoint's prompts are written by. */
  readonly conversation: string
  /** Longer samples are refused. */
  readonly maxLength: number
}

/** Sizes of pictures, by their headers. */
export type SizesOf = (pictures: RecordMedia['images']) => Promise<readonly ImageSize[]>

export class RecordPreparer {
  readonly #parts: PreparerParts

  constructor(parts: PreparerParts) {
    checkConversation(parts)
    this.#parts = parts
  }

  /** How long a record will be, by the sizes of its pictures alone. Throws as `sample` does. */
  async count(
    record: DataRecord | PreferenceRecord,
    sizes: readonly ImageSize[],
  ): Promise<TokenCounts> {
    const rows = await countMedia(record, sizes, this.#parts)
    const counts = conversationsOf(record).map((turns) => {
      const labelled = this.#label(turns, record)
      const { inputIds, labels } = this.#lengthened(labelled, rows)
      const media = inputIds.length - labelled.inputIds.length + rows.length
      return { total: inputIds.length, media, learnt: learntOf(labels) }
    })
    const sum = (key: 'total' | 'media' | 'learnt') =>
      counts.reduce((all, one) => all + one[key], 0)
    const longest = Math.max(...counts.map(({ total }) => total))
    return { total: sum('total'), longest, media: sum('media'), learnt: sum('learnt') }
  }

  /** Tiles and frames that the tower sees of a record, by the sizes of its pictures; both answers of a pair share them. */
  tiles(media: RecordMedia, sizes: readonly ImageSize[]): Promise<number> {
    return countTiles(media, sizes, this.#parts)
  }

  /** Throws RecordFault or InputError for a record that cannot be learnt from. */
  async sample(record: DataRecord): Promise<Sample> {
    const labelled = this.#label(record.turns, record)
    const sample = this.#withMedia(labelled, await prepareMedia(record, this.#parts))
    return this.#withRegions(sample, record)
  }

  /** The same with pixels that are decoded when they are needed, where there are many; `sizes` are read from headers. */
  async lazySample(record: DataRecord, sizes: SizesOf): Promise<Sample> {
    const labelled = this.#label(record.turns, record)
    const sample = this.#withMedia(labelled, await this.#lazyMedia(record, sizes))
    return this.#withRegions(sample, record)
  }

  /** Both answers, with the same pixels. */
  async pair(record: PreferenceRecord): Promise<PreferencePair> {
    const { chosen, rejected } = preferenceTurns(record)
    const [better, worse] = [this.#label(chosen, record), this.#label(rejected, record)]
    return this.#pairOf(better, worse, await prepareMedia(record, this.#parts))
  }

  async lazyPair(record: PreferenceRecord, sizes: SizesOf): Promise<PreferencePair> {
    const { chosen, rejected } = preferenceTurns(record)
    const [better, worse] = [this.#label(chosen, record), this.#label(rejected, record)]
    return this.#pairOf(better, worse, await this.#lazyMedia(record, sizes))
  }

  async #lazyMedia(media: RecordMedia, sizes: SizesOf): Promise<PreparedMedia> {
    if (!hasManyTiles(media, this.#parts)) return prepareMedia(media, this.#parts)
    return planMedia(media, await sizes(media.images), this.#parts)
  }

  #pairOf(
    better: LabelledConversation,
    worse: LabelledConversation,
    media: PreparedMedia,
  ): PreferencePair {
    return { chosen: this.#withMedia(better, media), rejected: this.#withMedia(worse, media) }
  }

  /** The first question of a record with its own pictures, open for the answer; nothing of it is learnt. */
  async question(record: DataRecord): Promise<Sample> {
    const { question, media } = firstQuestion(record)
    const inputIds = this.#ask([question], media)
    const labels = inputIds.map(() => IGNORE_INDEX)
    return this.#withMedia({ inputIds, labels }, await prepareMedia(media, this.#parts))
  }

  /** What a model said. */
  text(tokens: readonly number[]): string {
    return this.#parts.tokenizer.decode([...tokens], { skipSpecial: true }).trim()
  }

  /** Ids with one placeholder a picture, and their labels. */
  #label(turns: readonly RecordTurn[], media: RecordMedia): LabelledConversation {
    const mode = this.#mode()
    const labelled =
      mode === null ? this.#labelByTemplate(turns, media) : this.#labelByMode(mode, turns, media)
    if (learntOf(labelled.labels) > 0) return labelled
    throw new RecordFault('labels', 'labels: no token of the record is learnt; give it an answer.')
  }

  #labelByTemplate(turns: readonly RecordTurn[], media: RecordMedia): LabelledConversation {
    const messages = messagesOf(turns, this.#placeOf(media))
    const labelled = labelTemplate(messages, this.#parts)
    this.#checkTemplate(labelled.inputIds, messages)
    return labelled
  }

  #labelByMode(
    mode: string,
    turns: readonly RecordTurn[],
    media: RecordMedia,
  ): LabelledConversation {
    const { inputIds, labels } = labelConversation(mode, this.#parts.tokenizer, turns, {
      hasImage: media.images.length + media.videos.length > 0,
      wrapImage: this.#wrapsImage(),
    })
    return { inputIds: this.#placed(inputIds, media), labels }
  }

  /** Ids of turns that end with a question, one placeholder a picture. */
  #ask(turns: readonly RecordTurn[], media: RecordMedia): number[] {
    const { tokenizer } = this.#parts
    const mode = this.#mode()
    if (mode === null) {
      const messages = messagesOf(turns, this.#placeOf(media))
      const { ids } = buildPrompt(messages, this.#parts)
      this.#checkTemplate(ids, messages)
      return ids
    }
    const wrapImage = this.#wrapsImage()
    // Stage 1 learns captions of bare pictures: its questions are discarded.
    const prompt =
      mode === 'plain'
        ? MEDIA_PLACE
        : renderConversation(mode, normaliseImageTags(turns, { mode, wrapImage }), {
            addGenerationPrompt: true,
          })
    return this.#placed(tokenizePrompt(tokenizer, prompt), media)
  }

  /** A record may have fewer places than pictures, which is no fault of the template. */
  #checkTemplate(ids: readonly number[], messages: readonly PromptMessage[]): void {
    const media = messages.flatMap(({ content }) => mediaOf(content))
    if (media.length > 0) checkTemplate(ids, media, this.#parts)
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

  /** What a place stands for in a template; a checkpoint with one placeholder for both writes clips as pictures. */
  #placeOf({ images, videos }: RecordMedia): 'image' | 'video' | null {
    const { image, video } = this.#parts.config
    if (videos.length === 0) return images.length > 0 ? 'image' : null
    return video && image?.placeholder !== video.placeholder ? 'video' : 'image'
  }

  /** −200 becomes the checkpoint's placeholder. */
  #placed(ids: readonly number[], media: RecordMedia): number[] {
    const { image, video } = this.#parts.config
    const own = this.#placeOf(media) === 'video' ? video : image
    return ids.map((id) => (id === IMAGE_TOKEN_INDEX ? (own?.placeholder ?? id) : id))
  }

  #withMedia(labelled: LabelledConversation, { rows, ...media }: PreparedMedia): Sample {
    return { ...this.#lengthened(labelled, rows), ...media }
  }

  /** Each region's words at the row whose square of the picture its point lies in. */
  #withRegions(sample: Sample, { regions, images }: DataRecord): Sample {
    if (regions === undefined) return sample
    const { config, tokenizer } = this.#parts
    const rows = Array.from(sample.inputIds).flatMap((id, position) =>
      id === config.image?.placeholder ? [position] : [],
    )
    const side = Math.sqrt(rows.length)
    if (images.length !== 1 || !Number.isInteger(side)) {
      throw new RecordFault(
        'structure',
        `regions: one picture of as many rows as columns was expected, ${images.length} with ${rows.length} rows came; leave regions out.`,
      )
    }
    const cell = (part: number) => Math.min(Math.floor(part * side), side - 1)
    const says = regions.map(({ at: [x, y], says: words }) => ({
      position: rows[cell(y) * side + cell(x)] as number,
      ids: tokenizer.encode(` ${words}`, { specialTokens: 'text' }),
    }))
    return { ...sample, says }
  }

  /** Places as long as their rows, in ids and labels alike. */
  #lengthened({ inputIds, labels }: LabelledConversation, media: readonly MediaRows[]): Sample {
    const { config, maxLength } = this.#parts
    const { image, video } = config
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

/** The first label is predicted by nobody. */
function learntOf(labels: ArrayLike<number>): number {
  return Array.from(labels).filter((label, i) => i > 0 && label !== IGNORE_INDEX).length
}

/** Turns as messages for a template, each `<image>` a part of its own: the place of a picture or clip; null: plain text. */
function messagesOf(
  turns: readonly RecordTurn[],
  place: 'image' | 'video' | null,
): PromptMessage[] {
  return turns.map(({ from, value }) => {
    const text = [{ type: 'text' as const, text: value }]
    if (from === 'gpt') return { role: 'assistant', content: text }
    return { role: 'user', content: place === null ? text : partsOf(value, place) }
  })
}

/** The line end beside a place belongs to it. */
function partsOf(value: string, type: 'image' | 'video'): PromptPart[] {
  return value.split(MEDIA_PLACE).flatMap((piece, i, pieces): PromptPart[] => {
    const after = i > 0 ? piece.replace(/^\n/, '') : piece
    const text = i < pieces.length - 1 ? after.replace(/\n$/, '') : after
    const place: PromptPart[] = i > 0 ? [{ type }] : []
    return text === '' ? place : [...place, { type: 'text', text }]
  })
}

function mediaOf(content: PromptMessage['content']): ('image' | 'video')[] {
  if (typeof content === 'string') return []
  return content.flatMap(({ type }) => (type === 'text' ? [] : [type]))
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
