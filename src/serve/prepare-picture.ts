/**
 * A picture to what the stages read: decoded once for all requests that want it at the same time, and not at all for those
 * that come later and find its rows still kept.
 *
 * What stays in memory of a picture is what it is called and how large it is, not its pixels.
 */
import type { ModelConfig } from '../families/family.ts'
import { namingFile } from '../preprocess/image-source.ts'
import { countImageTokens, type ImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize, RgbImage } from '../preprocess/image.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { forPrompt, type PreparedImage } from '../preprocess/preprocess-image.ts'
import { arrangeImageTokens, type RowMap } from '../sequence/arrange-image-tokens.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import { BoundedMap } from './bounded-map.ts'
import { contentName, sha256 } from './content-name.ts'
import type { ImageSource } from './messages.ts'
import { SharedWork } from './shared-work.ts'

/** What decodes pictures and cuts them: `preprocess/node.ts`, or the browser's. */
export type PicturePreprocessor = {
  /** The bytes or samples of a picture in any form; a remote one is fetched, if the model may. */
  load(image: ImageSource, signal?: AbortSignal): Promise<Uint8Array | RgbImage>
  preprocess(
    image: ImageSource,
    processor: ImageProcessor,
    options: { readonly pictures: number; readonly signal?: AbortSignal | undefined },
  ): Promise<PreparedImage>
}

/** Tiles and pixel values, and what they are called: the SHA-256 of the tiles in hex. */
export type NamedImage = PreparedImage & { readonly hash: string }

export type PreparedPicture = {
  readonly kind: 'image'
  /** As the prompt gave it: what fails later is about it. */
  readonly medium?: unknown
  readonly imageSize: ImageSize
  readonly tokens: ImageTokens
  readonly rows: RowMap
  /** Names the pixels of its tiles. */
  readonly hash: string
  /** Its tiles; they are decoded now if they were not needed until now. */
  pixels(signal?: AbortSignal): Promise<NamedImage>
}

type PictureFacts = Pick<NamedImage, 'imageSize' | 'hash'>

/** Some ten thousand pictures. */
const KNOWN_BYTES = 4 << 20
const FACT_BYTES = 400

/** Decodes pictures and frames, and counts them. */
export class PixelReader {
  readonly #preprocessor: PicturePreprocessor
  #count = 0

  constructor(preprocessor: PicturePreprocessor) {
    this.#preprocessor = preprocessor
  }

  /** How many were decoded. */
  get count(): number {
    return this.#count
  }

  load(image: ImageSource, signal?: AbortSignal): Promise<Uint8Array | RgbImage> {
    return this.#preprocessor.load(image, signal)
  }

  async read(
    image: ImageSource,
    processor: ImageProcessor,
    options: { readonly pictures: number; readonly signal?: AbortSignal | undefined },
  ): Promise<NamedImage> {
    this.#count++
    const decoded = this.#preprocessor.preprocess(image, processor, options)
    const prepared = await namingFile(image, decoded)
    return { ...prepared, hash: await sha256(prepared.tiles.data) }
  }
}

export class PicturePreparer {
  readonly #config: ModelConfig
  readonly #reader: PixelReader
  readonly #decoding = new SharedWork<NamedImage>()
  readonly #known = new BoundedMap<PictureFacts>(KNOWN_BYTES)

  constructor(config: ModelConfig, reader: PixelReader) {
    this.#config = config
    this.#reader = reader
  }

  /** `pictures`: how many the prompt has. Only requests of equal salt share anything. */
  async prepare(
    image: ImageSource,
    {
      pictures,
      salt,
      signal,
    }: {
      readonly pictures: number
      readonly salt: string
      readonly signal?: AbortSignal | undefined
    },
  ): Promise<PreparedPicture> {
    const { processor } = this.#image()
    const source = await this.#reader.load(image, signal)
    const isCutAlone = forPrompt(processor, pictures) === processor
    const key = `${await contentName(source)} ${isCutAlone} ${salt}`
    const decode = (stop: AbortSignal | undefined) =>
      this.#decoding.do(key, stop, async (own) => {
        const named = await this.#reader.read(source, processor, { pictures, signal: own })
        const { imageSize, hash } = named
        this.#known.set(key, { imageSize, hash }, FACT_BYTES + 2 * salt.length)
        return named
      })
    const known = this.#known.get(key)
    const decoded = known ? null : await namingFile(image, decode(signal))
    const { imageSize, hash } = known ?? (decoded as NamedImage)
    const tokens = this.tokens(imageSize, pictures)
    return {
      kind: 'image',
      imageSize,
      tokens,
      rows: this.#rows(tokens),
      hash,
      pixels: async (stop) => decoded ?? decode(stop),
    }
  }

  tokens(size: ImageSize, pictures: number): ImageTokens {
    return countImageTokens(size, this.#image().tokens, { pictures })
  }

  /** Of a tower that keeps its class token a tile gives a row more than it has patches; only plain pictures can have it. */
  rowsPerTile(): number {
    const { vision } = this.#config
    return vision ? featureRows(vision) : 0
  }

  #rows(tokens: ImageTokens): RowMap {
    const { patchesPerSide } = this.#image().tokens
    return arrangeImageTokens(tokens, { patchesPerSide, rowsPerTile: this.rowsPerTile() })
  }

  #image(): NonNullable<ModelConfig['image']> {
    const { image } = this.#config
    if (!image) throw new Error('internal: a picture came to a model without eyes')
    return image
  }
}
