/**
 * A checked prompt to what the stages read: text, ids with the pictures' places, tiles and pixel values.
 *
 * Pictures are decoded and cut off the event loop; how many rows each takes is known before any graph runs.
 */
import { InputError } from '../core/errors.ts'
import { atOnce, inTurns, type Steps } from '../core/steps.ts'
import {
  promptSteps,
  rawPromptSteps,
  type BuiltPrompt,
  type PromptMessage,
} from '../families/build-prompt.ts'
import { checkMark, checkTemplate } from '../families/check-places.ts'
import type { ModelConfig, VideoConfig } from '../families/family.ts'
import { defaultFrames, roomForFrames } from '../families/video-config.ts'
import type { ClipInfo, Sampling } from '../preprocess/frames.ts'
import type { ImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import {
  foldPlaces,
  layoutSequence,
  type MediaRows,
  type SequenceLayout,
} from '../sequence/layout-sequence.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { aboutMedium, inOrderOf } from './about-medium.ts'
import {
  clipTokens,
  pictureTokens,
  type ClipTokens,
  type MediaTokens,
  type PictureTokens,
} from './media-tokens.ts'
import type { PlainMessage, VideoPart } from './messages.ts'
import { ClipPreparer, countClip, type ClipOpener, type PreparedClip } from './prepare-clip.ts'
import {
  PicturePreparer,
  PixelReader,
  type PicturePreprocessor,
  type PreparedPicture,
} from './prepare-picture.ts'
import type { Prompt } from './request.ts'
import { checkTextFits } from './text-bound.ts'

export type PreparedPrompt = Omit<SequenceLayout, 'order'> & {
  readonly prompt: string
  /** Pictures and clips in the order of their places. */
  readonly media: readonly (PreparedPicture | PreparedClip)[]
  /** The answer goes on in a text, of the assistant or of a raw prompt, so its first space counts. */
  readonly continues: boolean
}

/** Who asks: requests of equal salt share what is decoded of their pictures and clips. */
export type PrepareOptions = {
  readonly salt?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export class PromptPreparer {
  readonly #config: ModelConfig
  readonly #tokenizer: Tokenizer
  readonly #reader: PixelReader
  readonly #pictures: PicturePreparer
  readonly #clips: ClipPreparer | null

  constructor(parts: {
    readonly config: ModelConfig
    readonly tokenizer: Tokenizer
    readonly pictures: PicturePreprocessor
    readonly clips: ClipOpener
  }) {
    const { config } = parts
    this.#config = config
    this.#tokenizer = parts.tokenizer
    this.#reader = new PixelReader(parts.pictures)
    this.#pictures = new PicturePreparer(config, this.#reader)
    this.#clips = config.video && this.#clipPreparer(parts.clips, config.video)
  }

  /** Pictures and frames that were decoded. */
  get decoded(): number {
    return this.#reader.count
  }

  async prepare(
    prompt: Prompt,
    { salt = '', signal }: PrepareOptions = {},
  ): Promise<PreparedPrompt> {
    this.#checkMedia(prompt)
    this.#checkText(prompt)
    // Before a pixel is decoded: a clip alone may be too long.
    const clips = await this.#prepareClips(prompt, { salt, signal })
    const pictures = prompt.images.length
    const options = { pictures, salt, signal }
    const prepared = await inOrderOf(prompt.images, async (medium) => {
      const picture = await aboutMedium(medium, this.#pictures.prepare(medium, options))
      return { ...picture, medium }
    })
    const given = inOrder<PreparedPicture | PreparedClip>(prompt, prepared, clips)
    const rows = given.map((one): MediaRows => ({ kind: one.kind, rows: rowsOf(one) }))
    const { order, ...layout } = await inTurns(this.#layout(prompt, rows), signal)
    const continues = this.#continues(prompt, layout)
    return { ...layout, media: order.map((i) => given[i] as (typeof given)[number]), continues }
  }

  /** Throws InputError for texts that are longer than the context however they are read. */
  #checkText(prompt: Prompt): void {
    const { maxContext, truncate } = this.#config
    if (truncate === 'asOriginal' || prompt.kind === 'ids') return
    const { longestToken } = this.#tokenizer
    checkTextFits(charactersOf(prompt), { maxContext, longestToken })
  }

  /** The ids of a prompt with one placeholder for each picture and clip; nothing is opened. */
  promptIds(prompt: Prompt): readonly number[] {
    return atOnce(this.#build(prompt)).ids
  }

  /** Tokens of text and of pictures and clips, the sizes of which are given in order; nothing is decoded. */
  count(
    prompt: Prompt,
    sizes: readonly ImageSize[],
    clips: readonly ClipInfo[],
  ): { readonly text: number; readonly image: number } {
    this.#checkMedia(prompt)
    const pictures = sizes.map((size): MediaRows => {
      const tokens = this.#pictures.tokens(size, sizes.length)
      return { kind: 'image', rows: pictureRows(tokens, this.#pictures.rowsPerTile()) }
    })
    const counted = clips.map((info, i): MediaRows => {
      const sampling = this.#sampling(prompt, prompt.videos[i] as VideoPart)
      return { kind: 'video', rows: countClip(info, sampling, this.#video().tokens).tokens }
    })
    const layout = atOnce(this.#layout(prompt, inOrder(prompt, pictures, counted)))
    const image = layout.imageSlots.length
    return { text: layout.inputIds.length - image, image }
  }

  /** The same with how each picture is cut; clips are opened, and nothing is decoded. */
  async measure(
    prompt: Prompt,
    sizes: readonly ImageSize[],
    signal?: AbortSignal,
  ): Promise<MediaTokens> {
    this.#checkMedia(prompt)
    this.#checkText(prompt)
    const clips = await this.#prepareClips(prompt, { salt: '', signal })
    const pictures = sizes.map((size) => {
      const tokens = this.#pictures.tokens(size, sizes.length)
      const rows = pictureRows(tokens, this.#pictures.rowsPerTile())
      return {
        picture: pictureTokens(size, tokens, this.#config),
        rows: { kind: 'image' as const, rows },
      }
    })
    const given = inOrder<MediaRows>(
      prompt,
      pictures.map(({ rows }) => rows),
      clips.map(({ kind, tokens }) => ({ kind, rows: tokens.tokens })),
    )
    const { inputIds, imageSlots } = await inTurns(this.#layout(prompt, given), signal)
    return {
      text: inputIds.length - imageSlots.length,
      image: imageSlots.length,
      media: inOrder<PictureTokens | ClipTokens>(
        prompt,
        pictures.map(({ picture }) => picture),
        clips.map(clipTokens),
      ),
    }
  }

  /** Behind control tokens and pictures alone a text begins. */
  #continues(prompt: Prompt, { inputIds, imageSlots }: Omit<SequenceLayout, 'order'>): boolean {
    if (prompt.kind === 'messages') return prompt.messages.at(-1)?.role === 'assistant'
    const rows = new Set(imageSlots)
    return inputIds.some((id, i) => !rows.has(i) && !this.#tokenizer.specialIds.has(id))
  }

  #clipPreparer(opener: ClipOpener, { tokens, processor }: VideoConfig): ClipPreparer {
    return new ClipPreparer({
      opener,
      config: tokens,
      prepareFrame: (frame, signal) => this.#reader.read(frame, processor, { pictures: 1, signal }),
    })
  }

  async #prepareClips(
    prompt: Prompt,
    options: { readonly salt: string; readonly signal: AbortSignal | undefined },
  ): Promise<PreparedClip[]> {
    const preparer = this.#clips
    if (prompt.videos.length === 0 || !preparer) return []
    const clips = await inOrderOf(prompt.videos, async (part) => {
      const { video: medium } = part
      const request = { ...options, sampling: this.#sampling(prompt, part) }
      return { ...(await aboutMedium(medium, preparer.prepare(medium, request))), medium }
    })
    this.#checkClipsFit(clips)
    return clips
  }

  #sampling({ videos }: Prompt, part: VideoPart): Sampling {
    const { frames = defaultFrames(this.#config, videos.length), fps, forceSample } = part
    return { frames, fps, forceSample, start: part.start, end: part.end }
  }

  #video(): VideoConfig {
    const { video } = this.#config
    if (!video) throw new Error('internal: a clip came to a model that takes none')
    return video
  }

  *#layout(
    prompt: Prompt,
    media: readonly MediaRows[],
  ): Steps<SequenceLayout & { prompt: string }> {
    const { image, video, truncate, maxContext } = this.#config
    const built = yield* this.#build(prompt)
    const placeholders = {
      image: image?.placeholder ?? null,
      video: video?.placeholder ?? null,
    }
    const ids = prompt.kind === 'ids' ? foldPlaces(built.ids, placeholders, media) : built.ids
    if (media.length > 0) {
      const tools = { config: this.#config, tokenizer: this.#tokenizer }
      if (prompt.kind === 'messages') checkTemplate(ids, prompt.media, tools)
      else checkMark(ids, tools)
    }
    const layout = { prompt: built.prompt, ...layoutSequence(ids, placeholders, media) }
    if (truncate === 'refuse' || layout.inputIds.length <= maxContext) return layout
    return {
      ...layout,
      inputIds: layout.inputIds.slice(0, maxContext),
      imageSlots: layout.imageSlots.filter((slot) => slot < maxContext),
    }
  }

  *#build(prompt: Prompt): Steps<BuiltPrompt> {
    const tools = { config: this.#config, tokenizer: this.#tokenizer }
    if (prompt.kind === 'text') return yield* rawPromptSteps(prompt.text, tools)
    if (prompt.kind === 'messages') {
      const { image, video } = this.#config
      const clipType = image?.placeholder === video?.placeholder ? 'image' : 'video'
      return yield* promptSteps(
        prompt.messages.map((message) => withoutMedia(message, clipType)),
        tools,
        prompt.toolUse && {
          tools: prompt.toolUse.tools,
          isRequired: prompt.toolUse.required !== null,
        },
      )
    }
    this.#checkIds(prompt.ids)
    const text = prompt.ids.filter((id) => id >= 0)
    return { prompt: yield* this.#tokenizer.decodeSteps(text), ids: [...prompt.ids] }
  }

  #checkIds(ids: readonly number[]): void {
    const { image, video, decoder } = this.#config
    const marks = [image?.placeholder, video?.placeholder]
    const at = ids.findIndex((id) => !marks.includes(id) && (id < 0 || id >= decoder.vocabSize))
    if (at < 0) return
    const other = image && image.placeholder < 0 ? `, or ${image.placeholder} for a picture` : ''
    throw new InputError(
      'INPUT_PROMPT',
      `inputIds[${at}] should be a token id from 0 to ${decoder.vocabSize - 1}${other}, ${ids[at]} came; encode the text with this model's tokenizer.`,
      { medium: ids },
    )
  }

  #checkMedia({ images, videos }: Prompt): void {
    const { image, video, family } = this.#config
    if (images.length > 0 && !image) {
      throw new InputError(
        'INPUT_IMAGE_UNSUPPORTED',
        `messages: this model takes text only, and ${images.length} pictures came; load a checkpoint with a vision tower.`,
        { medium: images[0] },
      )
    }
    if (videos.length === 0 || video) return
    throw new InputError(
      'INPUT_VIDEO_UNSUPPORTED',
      `messages: family ${family} takes no clips, and ${videos.length} came; send pictures, or load a checkpoint with a vision tower.`,
      { medium: videos[0]?.video },
    )
  }

  #checkClipsFit(clips: readonly PreparedClip[]): void {
    const { maxContext, truncate } = this.#config
    const tokens = clips.reduce((sum, clip) => sum + clip.tokens.tokens, 0)
    if (tokens < maxContext || truncate === 'asOriginal') return
    const frames = clips.map((clip) => clip.tokens.frames).join(' + ')
    const room = roomForFrames(this.#config, clips.length)
    const fitting = clips.length > 1 ? `${room} of each clip` : String(room)
    const smaller = clips.length > 1 ? 'send fewer clips' : 'pool frames more (poolStride)'
    const todo = room > 0 ? `ask for fewer frames (${fitting} fit beside text)` : smaller
    throw new InputError(
      'INPUT_CONTEXT',
      `prompt: ${frames} frames take ${tokens} tokens, more than the context of ${maxContext} holds; ${todo}, or raise maxContext.`,
      { medium: clips.length === 1 ? clips[0]?.medium : undefined },
    )
  }
}

/** Pictures and clips in the order in which the prompt has them. */
function inOrder<T>({ media }: Prompt, pictures: readonly T[], clips: readonly T[]): T[] {
  const queues = { image: [...pictures], video: [...clips] }
  return media.map((kind) => queues[kind].shift() as T)
}

function charactersOf(prompt: Exclude<Prompt, { readonly kind: 'ids' }>): number {
  if (prompt.kind === 'text') return prompt.text.length
  const texts = prompt.messages.flatMap(({ content }) =>
    typeof content === 'string'
      ? [content]
      : content.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
  )
  return texts.reduce((sum, { length }) => sum + length, 0)
}

function rowsOf(one: PreparedPicture | PreparedClip): number {
  return one.kind === 'image' ? one.rows.rows : one.tokens.tokens
}

function pictureRows(tokens: ImageTokens, perTile: number): number {
  if (tokens.map !== null) return tokens.tokens
  return tokens.tiles * perTile + (tokens.newline === 'end' ? 1 : 0)
}

function withoutMedia(
  { content, ...message }: PlainMessage,
  clipType: 'image' | 'video',
): PromptMessage {
  if (typeof content === 'string') return { ...message, content }
  return {
    ...message,
    content: content.map((part) =>
      part.type === 'text' ? part : { type: part.type === 'video' ? clipType : 'image' },
    ),
  }
}
