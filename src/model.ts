/** A loaded model: what can be asked of it. `load-model.ts` makes one. */
import type { ChosenPrecision } from './choose-precision.ts'
import { InputError } from './core/errors.ts'
import type { ModelConfig } from './families/family.ts'
import type { Answer, StreamEvent } from './serve/answer.ts'
import type { Engine } from './serve/engine.ts'
import type { Generator } from './serve/generator.ts'
import { logSumExp } from './serve/logprobs.ts'
import type { ImageSource, VideoSource } from './serve/messages.ts'
import type { PreparedFrame } from './serve/prepare-clip.ts'
import type { PromptPreparer } from './serve/prepare-prompt.ts'
import { parsePrompt, type GenerateRequest, type PromptInput } from './serve/request.ts'
import type { ClipInfo } from './preprocess/frames.ts'
import type { ImageSize } from './preprocess/image.ts'
import { streamAnswer } from './serve/stream-answer.ts'
import type { Tokenizer } from './text/tokenizer.ts'

export type ModelParts = {
  readonly config: ModelConfig
  readonly precision: ChosenPrecision
  readonly device: string
  readonly tokenizer: Tokenizer
  readonly preparer: PromptPreparer
  readonly generator: Generator
  readonly engine: Engine
  /** The size of a picture by its header. */
  readonly imageSize: (image: ImageSource) => ImageSize
  /** How many frames a clip has, and how fast they follow one another. */
  readonly clipInfo: (video: VideoSource) => ClipInfo
  readonly dispose: () => Promise<void>
}

/** Rows of floats with their shape. */
export type Rows = { readonly data: Float32Array; readonly shape: readonly number[] }

export class Model implements AsyncDisposable {
  readonly config: ModelConfig
  readonly precision: ChosenPrecision
  readonly device: string
  readonly tokenizer: Tokenizer
  readonly #parts: ModelParts
  #disposed: Promise<void> | null = null

  constructor(parts: ModelParts) {
    this.#parts = parts
    this.config = parts.config
    this.precision = parts.precision
    this.device = parts.device
    this.tokenizer = parts.tokenizer
  }

  /**
   * Answers one request. Throws InputError for what cannot be answered; an aborted answer is what there was, with
   * `finishReason: 'abort'`.
   */
  generate(request: GenerateRequest): Promise<Answer> {
    return this.#parts.generator.generate(request)
  }

  /** Answers several requests together; each answer equals the one that its request would get alone. */
  generateBatch(requests: readonly GenerateRequest[]): Promise<Answer[]> {
    return this.#parts.generator.generateBatch(requests)
  }

  /** The answer in pieces of text as they become certain, then whole. Leaving the loop stops it. */
  stream(request: GenerateRequest): AsyncGenerator<StreamEvent, void, undefined> {
    return streamAnswer(this.#parts.generator, request)
  }

  /** Tokens that a prompt takes, without decoding a pixel or running anything. */
  countTokens(input: PromptInput): { readonly text: number; readonly image: number } {
    const prompt = parsePrompt('countTokens', input)
    const { preparer, imageSize, clipInfo } = this.#parts
    const clips = prompt.videos.map(({ video }) => clipInfo(video))
    return preparer.count(prompt, prompt.images.map(imageSize), clips)
  }

  /** What the model will see: prompt, ids, and every tile as bytes and as numbers. */
  async prepare(input: PromptInput): Promise<Prepared> {
    const prompt = parsePrompt('prepare', input)
    const prepared = await this.#parts.preparer.prepare(prompt)
    const pictures = prepared.media.filter((one) => one.kind === 'image')
    const clips = prepared.media.filter((one) => one.kind === 'video')
    const frames: PreparedFrame[] = []
    for (const clip of clips) for await (const frame of clip.frames()) frames.push(frame)
    const tiles = [...pictures, ...frames]
    return {
      prompt: prepared.prompt,
      inputIds: prepared.inputIds,
      imageSlots: prepared.imageSlots,
      images: pictures.map(({ imageSize, tokens, rows }) => ({
        ...imageSize,
        tokens: rows.rows,
        tiles: tokens.map ? { columns: tokens.grid.width, rows: tokens.grid.height } : null,
      })),
      videos: clips.map(({ tokens, times }) => ({
        frames: tokens.frames,
        times,
        tokens: tokens.tokens,
      })),
      pixelValues: joinFloats(tiles.map(({ pixelValues }) => pixelValues)),
      tiles: joinBytes(tiles.map((one) => one.tiles)),
    }
  }

  /** Rows for the decoder of every picture and clip, newline rows included. */
  async encodeImages(
    input: PromptInput,
  ): Promise<{ readonly images: Rows[]; readonly videos: Rows[] }> {
    const encoded = await this.#parts.generator.encode(parsePrompt('encodeImages', input))
    const width = this.config.decoder.hiddenSize
    const of = (kind: 'image' | 'video') =>
      encoded.media
        .filter((_, i) => encoded.prepared.media[i]?.kind === kind)
        .map(({ rows }): Rows => ({ data: rows, shape: [rows.length / width, width] }))
    return { images: of('image'), videos: of('video') }
  }

  /** Logits at chosen positions of the prompt, the last one unless said otherwise. */
  async logits(input: PromptInput & { readonly positions?: LogitPositions }): Promise<Rows> {
    const prompt = parsePrompt('logits', input, ['positions'])
    const { prepared, embedded } = await this.#parts.generator.encode(prompt)
    const positions = readPositions(input.positions, prepared.inputIds.length)
    const data = await this.#parts.engine.logits(embedded, positions, {})
    return { data, shape: [positions.length, this.config.decoder.vocabSize] }
  }

  /** Log-probabilities of a given answer, its end token not included. */
  async score(input: PromptInput & { readonly continuation: string }): Promise<Score> {
    const { continuation } = input
    const prompt = parsePrompt('score', input, ['continuation'])
    if (typeof continuation !== 'string' || continuation === '') {
      throw new InputError(
        'INPUT_OPTION',
        'score: continuation should be a text that is not empty.',
      )
    }
    const { prepared, embedded } = await this.#parts.generator.encode(prompt)
    const tokens = continuationIds(this.tokenizer, continuation)
    const first = prepared.inputIds.length - 1
    const whole = this.#parts.generator.extend(embedded, tokens)
    const positions = tokens.map((_, i) => first + i)
    const logits = await this.#parts.engine.logits(whole, positions, {})
    const { vocabSize } = this.config.decoder
    const logprobs = tokens.map((id, i) => {
      const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize)
      return (row[id] as number) - logSumExp(row)
    })
    const total = logprobs.reduce((sum, logprob) => sum + logprob, 0)
    return { tokens, logprobs, total, mean: total / tokens.length }
  }

  /** Frees all memory. Calls that still run finish first. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#parts.dispose()
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}

export type LogitPositions = 'last' | 'all' | readonly number[]

export type Prepared = {
  readonly prompt: string
  readonly inputIds: number[]
  readonly imageSlots: Int32Array
  readonly images: readonly {
    readonly width: number
    readonly height: number
    readonly tokens: number
    readonly tiles: { readonly columns: number; readonly rows: number } | null
  }[]
  readonly videos: readonly {
    readonly frames: number
    readonly times: readonly number[]
    readonly tokens: number
  }[]
  /** float32[I, C, h, w]: the tiles of all pictures in order, then the frames of all clips */
  readonly pixelValues: Rows
  /** uint8[I, h, w, C] */
  readonly tiles: { readonly data: Uint8Array; readonly shape: readonly number[] }
}

export type Score = {
  readonly tokens: readonly number[]
  readonly logprobs: readonly number[]
  readonly total: number
  readonly mean: number
}

function readPositions(positions: unknown, length: number): readonly number[] {
  if (positions === undefined || positions === 'last') return [length - 1]
  if (positions === 'all') return Array.from({ length }, (_, i) => i)
  const isValid =
    Array.isArray(positions) && positions.every((p) => Number.isInteger(p) && p >= 0 && p < length)
  if (isValid) return positions
  throw new InputError(
    'INPUT_POSITIONS',
    `logits: positions should be 'last', 'all' or a list of whole numbers from 0 to ${length - 1}.`,
  )
}

/** The ids of a text that goes on where a prompt ended: no BOS, no space put in front. */
function continuationIds(tokenizer: Tokenizer, text: string): number[] {
  return tokenizer.encode(text)
}

function joinFloats(parts: readonly Rows[]): Rows {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  return { data, shape: join(parts, (part, at) => data.set(part.data, at)) }
}

function joinBytes(
  parts: readonly { readonly data: Uint8Array; readonly shape: readonly number[] }[],
): { data: Uint8Array; shape: readonly number[] } {
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  return { data, shape: join(parts, (part, at) => data.set(part.data, at)) }
}

/** Copies parts one after another; the first axes add up. */
function join<
  P extends { readonly data: { readonly length: number }; readonly shape: readonly number[] },
>(parts: readonly P[], copy: (part: P, at: number) => void): number[] {
  let at = 0
  let first = 0
  for (const part of parts) {
    copy(part, at)
    at += part.data.length
    first += part.shape[0] ?? 0
  }
  return [first, ...(parts[0]?.shape.slice(1) ?? [])]
}
