/**
 * A checked prompt to what the stages read: text, ids with the pictures' places, tiles and pixel values.
 *
 * Pictures are decoded and cut off the event loop; how many rows each takes is known before any graph runs.
 */
import { InputError } from '../core/errors.ts'
import {
  buildPrompt,
  rawPrompt,
  type BuiltPrompt,
  type PromptMessage,
} from '../families/build-prompt.ts'
import type { ModelConfig } from '../families/family.ts'
import { countImageTokens, type ImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { PreparedImage } from '../preprocess/preprocess-image.ts'
import { arrangeImageTokens, type RowMap } from '../sequence/arrange-image-tokens.ts'
import { layoutSequence, type SequenceLayout } from '../sequence/layout-sequence.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { ImageSource, PlainMessage } from './messages.ts'
import type { Prompt } from './request.ts'

export type PreparedPicture = PreparedImage & {
  readonly tokens: ImageTokens
  readonly rows: RowMap
  /** Names the pixels of its tiles: SHA-256 in hex. */
  readonly hash: string
  /** The file says how it wants to be turned, and it was not. */
  readonly isOrientationIgnored: boolean
}

export type PreparedPrompt = SequenceLayout & {
  readonly prompt: string
  readonly pictures: readonly PreparedPicture[]
  /** The answer goes on in the middle of the assistant's words, so its first space counts. */
  readonly continues: boolean
}

/** What decodes pictures and cuts them: `preprocess/node.ts`, or the browser's. */
export type PicturePreprocessor = {
  preprocess(
    image: ImageSource,
    processor: ImageProcessor,
    options: { readonly pictures: number; readonly signal?: AbortSignal | undefined },
  ): Promise<PreparedImage & { readonly file: { readonly isOrientationIgnored: boolean } | null }>
}

export class PromptPreparer {
  readonly #config: ModelConfig
  readonly #tokenizer: Tokenizer
  readonly #preprocessor: PicturePreprocessor

  constructor(config: ModelConfig, tokenizer: Tokenizer, preprocessor: PicturePreprocessor) {
    this.#config = config
    this.#tokenizer = tokenizer
    this.#preprocessor = preprocessor
  }

  async prepare(prompt: Prompt, signal?: AbortSignal): Promise<PreparedPrompt> {
    this.#checkMedia(prompt)
    const pictures = await Promise.all(
      prompt.images.map((image) => this.#picture(image, prompt.images.length, signal)),
    )
    const layout = this.#layout(
      prompt,
      pictures.map(({ tokens }) => tokens),
    )
    const continues = prompt.kind === 'messages' && prompt.messages.at(-1)?.role === 'assistant'
    return { ...layout, pictures, continues }
  }

  /** Tokens of text and of pictures, the sizes of which are given in order; nothing is decoded. */
  count(
    prompt: Prompt,
    sizes: readonly ImageSize[],
  ): { readonly text: number; readonly image: number } {
    this.#checkMedia(prompt)
    const layout = this.#layout(
      prompt,
      sizes.map((size) => this.#tokens(size, sizes.length)),
    )
    const image = layout.imageSlots.length
    return { text: layout.inputIds.length - image, image }
  }

  async #picture(
    image: ImageSource,
    pictures: number,
    signal: AbortSignal | undefined,
  ): Promise<PreparedPicture> {
    const { image: config, vision } = this.#config
    if (!config || !vision) throw new Error('internal: a picture came to a model without eyes')
    const prepared = await this.#preprocessor.preprocess(image, config.processor, {
      pictures,
      signal,
    })
    const tokens = this.#tokens(prepared.imageSize, pictures)
    const rows = arrangeImageTokens(tokens, {
      patchesPerSide: config.tokens.patchesPerSide,
      rowsPerTile: featureRows(vision),
    })
    const isOrientationIgnored = prepared.file?.isOrientationIgnored ?? false
    return {
      ...prepared,
      tokens,
      rows,
      hash: await hashOf(prepared.tiles.data),
      isOrientationIgnored,
    }
  }

  #tokens(size: ImageSize, pictures: number): ImageTokens {
    const { image } = this.#config
    if (!image) throw new Error('internal: a picture came to a model without eyes')
    return countImageTokens(size, image.tokens, { pictures })
  }

  #layout(prompt: Prompt, tokens: readonly ImageTokens[]): SequenceLayout & { prompt: string } {
    const { image, vision } = this.#config
    const built = this.#build(prompt)
    // A tower that keeps its class token gives rows that are no patches; only plain pictures can have them.
    const perTile = vision ? featureRows(vision) : 0
    const rows = tokens.map((one) => (one.map === null ? plainRows(one, perTile) : one.tokens))
    const layout = layoutSequence(built.ids, image?.placeholder ?? null, rows)
    return { prompt: built.prompt, ...layout }
  }

  #build(prompt: Prompt): BuiltPrompt {
    const tools = { config: this.#config, tokenizer: this.#tokenizer }
    if (prompt.kind === 'text') return rawPrompt(prompt.text, tools)
    if (prompt.kind === 'messages') return buildPrompt(prompt.messages.map(withoutMedia), tools)
    const text = prompt.ids.filter((id) => id >= 0)
    return { prompt: this.#tokenizer.decode(text), ids: [...prompt.ids] }
  }

  #checkMedia({ images, videos }: Prompt): void {
    const { image, family } = this.#config
    if (videos.length > 0) {
      throw new InputError(
        'INPUT_VIDEO_UNSUPPORTED',
        `messages: family ${family} takes no clips, and ${videos.length} came; send pictures, or load a video checkpoint.`,
      )
    }
    if (images.length === 0 || image) return
    throw new InputError(
      'INPUT_IMAGE_UNSUPPORTED',
      `messages: this model takes text only, and ${images.length} pictures came; load a checkpoint with a vision tower.`,
    )
  }
}

function plainRows(tokens: ImageTokens, perTile: number): number {
  return tokens.tiles * perTile + (tokens.newline === 'end' ? 1 : 0)
}

function withoutMedia({ role, content }: PlainMessage): PromptMessage {
  if (typeof content === 'string') return { role, content }
  return {
    role,
    content: content.map((part) => (part.type === 'text' ? part : { type: part.type })),
  }
}

async function hashOf(data: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
