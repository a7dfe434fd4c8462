/** A loaded model: what can be asked of it. `load-model.ts` makes one. */
import type { ChosenPrecision } from './choose-precision.ts'
import { ConfigError, InputError } from './core/errors.ts'
import type { ModelConfig } from './families/family.ts'
import type { Answer, StreamEvent } from './serve/answer.ts'
import type { Engine } from './serve/engine.ts'
import type { GenerationConfig } from './serve/generation-config.ts'
import type { Generator } from './serve/generator.ts'
import { logSumExp } from './serve/logprobs.ts'
import type { MediaTokens } from './serve/media-tokens.ts'
import type { ImageSource, VideoSource } from './serve/messages.ts'
import type { PreparedFrame } from './serve/prepare-clip.ts'
import type { PromptPreparer } from './serve/prepare-prompt.ts'
import { parsePrompt, type GenerateRequest, type PromptInput } from './serve/request.ts'
import type { ClipInfo } from './preprocess/frames.ts'
import type { ImageSize } from './preprocess/image.ts'
import type { ChoiceFields, ChoiceScores } from './serve/score-choices.ts'
import type { ServingStats } from './serve/serving-stats.ts'
import { streamAnswer } from './serve/stream-answer.ts'
import type { Tokenizer } from './text/tokenizer.ts'

export type ModelParts = {
  readonly config: ModelConfig
  readonly precision: ChosenPrecision
  readonly device: string
  /** Whether keys and values of prompts are kept for those that begin alike. */
  readonly keepsPrompts: boolean
  /** Whether pictures are turned as their Exif or XMP says. */
  readonly autoOrient: boolean
  /** What the checkpoint says about answers. */
  readonly generation: GenerationConfig
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
  /** Whether keys and values of prompts are kept for those that begin alike. */
  readonly keepsPrompts: boolean
  /** Whether pictures are turned as their Exif or XMP says. */
  readonly autoOrient: boolean
  /** What the checkpoint says about answers. */
  readonly generation: GenerationConfig
  readonly tokenizer: Tokenizer
  readonly #parts: ModelParts
  /** Calls that have not ended. */
  readonly #calls = new Set<Promise<unknown>>()
  #disposed: Promise<void> | null = null

  constructor(parts: ModelParts) {
    this.#parts = parts
    this.config = parts.config
    this.precision = parts.precision
    this.device = parts.device
    this.keepsPrompts = parts.keepsPrompts
    this.autoOrient = parts.autoOrient
    this.generation = parts.generation
    this.tokenizer = parts.tokenizer
  }

  /**
   * Answers one request. Throws InputError for what cannot be answered; an aborted answer is what there was, with
   * `finishReason: 'abort'`.
   */
  generate(request: GenerateRequest): Promise<Answer> {
    return this.#call(() => this.#parts.generator.generate(request))
  }

  /** Answers several requests together; each answer equals the one that its request would get alone. */
  generateBatch(requests: readonly GenerateRequest[]): Promise<Answer[]> {
    return this.#call(() => this.#parts.generator.generateBatch(requests))
  }

  /** The answer in pieces of text as they become certain, then whole. Leaving the loop stops it. */
  stream(request: GenerateRequest): AsyncGenerator<StreamEvent, void, undefined> {
    const { generator } = this.#parts
    return streamAnswer(
      (signalled, onText) => this.#call(() => generator.generate(signalled, onText)),
      request,
    )
  }

  /** Tokens that a prompt takes, without decoding a pixel or running anything. */
  countTokens(input: PromptInput): { readonly text: number; readonly image: number } {
    this.#checkAlive()
    const prompt = parsePrompt('countTokens', input)
    const { preparer, imageSize, clipInfo } = this.#parts
    const clips = prompt.videos.map(({ video }) => clipInfo(video))
    return preparer.count(prompt, prompt.images.map(imageSize), clips)
  }

  /** How each picture is cut and what each picture and clip costs: by headers, without decoding or running anything. */
  measureMedia(input: PromptInput): Promise<MediaTokens> {
    return this.#call(async () => {
      const prompt = parsePrompt('measureMedia', input)
      return this.#parts.preparer.measure(prompt, prompt.images.map(this.#parts.imageSize))
    })
  }

  /** What the model will see: prompt, ids, and every tile as bytes and as numbers. */
  prepare(input: PromptInput): Promise<Prepared> {
    return this.#call(() => this.#prepare(input))
  }

  async #prepare(input: PromptInput): Promise<Prepared> {
    const prompt = parsePrompt('prepare', input)
    const prepared = await this.#parts.preparer.prepare(prompt)
    const pictures = prepared.media.filter((one) => one.kind === 'image')
    const clips = prepared.media.filter((one) => one.kind === 'video')
    const frames: PreparedFrame[] = []
    for (const clip of clips) for await (const frame of clip.frames()) frames.push(frame)
    const tiles = [...(await Promise.all(pictures.map((one) => one.pixels()))), ...frames]
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
  encodeImages(input: PromptInput): Promise<EncodedImages> {
    return this.#call(() => this.#encodeImages(input))
  }

  async #encodeImages(input: PromptInput): Promise<EncodedImages> {
    const encoded = await this.#parts.generator.encode(parsePrompt('encodeImages', input))
    const width = this.config.decoder.hiddenSize
    // The rows themselves may be those of other requests as well.
    const of = (kind: 'image' | 'video') =>
      encoded.media
        .filter((one) => one.kind === kind)
        .map(({ rows }): Rows => ({ data: rows.slice(), shape: [rows.length / width, width] }))
    return { images: of('image'), videos: of('video') }
  }

  /** Logits at chosen positions of the prompt, the last one unless said otherwise. */
  logits(input: LogitsInput): Promise<Rows> {
    return this.#call(() => this.#logits(input))
  }

  async #logits(input: LogitsInput): Promise<Rows> {
    const prompt = parsePrompt('logits', input, ['positions'])
    const { prepared, embedded } = await this.#parts.generator.encode(prompt)
    const positions = readPositions(input.positions, prepared.inputIds.length)
    const data = await this.#parts.engine.logits(embedded, positions, {})
    return { data, shape: [positions.length, this.config.decoder.vocabSize] }
  }

  /** Log-probabilities of a given answer, its end token not included. */
  score(input: ScoreInput): Promise<Score> {
    return this.#call(() => this.#score(input))
  }

  async #score(input: ScoreInput): Promise<Score> {
    const prompt = parsePrompt('score', input, ['continuation'])
    let tokens: readonly number[] = []
    const { prepared, embedded } = await this.#parts.generator.encode(prompt, {
      answer: ({ continues }) => {
        tokens = continuationIds(this.tokenizer, input, continues)
        return tokens.length
      },
    })
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

  /**
   * Log-probabilities of several texts as continuations of a conversation or a text, read together: the prompt once, and what
   * is in the cache not at all.
   */
  scoreChoices(input: PromptInput & ChoiceFields): Promise<ChoiceScores> {
    return this.#call(async () => {
      const prompt = parsePrompt('scoreChoices', input, ['choices', 'unconditional', 'signal'])
      return this.#parts.generator.scoreChoices(prompt, input)
    })
  }

  /** What runs and waits now, what is kept, and what was done so far. */
  stats(): ServingStats {
    return this.#parts.generator.stats
  }

  /** Frees all memory. Calls that still run finish first; later ones are refused. */
  dispose(): Promise<void> {
    this.#disposed ??= Promise.allSettled(this.#calls).then(() => this.#parts.dispose())
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** Runs what must be over before the model is disposed of. */
  async #call<T>(run: () => Promise<T>): Promise<T> {
    this.#checkAlive()
    const running = run()
    this.#calls.add(running)
    try {
      return await running
    } finally {
      this.#calls.delete(running)
    }
  }

  #checkAlive(): void {
    if (!this.#disposed) return
    throw new ConfigError(
      'CONFIG_MODEL_DISPOSED',
      'model: a living model is expected, this one is disposed; load it again.',
    )
  }
}

type LogitsInput = PromptInput & { readonly positions?: LogitPositions }
type ScoreInput = PromptInput & { readonly continuation: string }
type EncodedImages = { readonly images: Rows[]; readonly videos: Rows[] }

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

/**
 * The ids of a given answer, without BOS. As in prompts, only raw ones are read for control tokens. `continues`: the text
 * goes on where another ends.
 */
function continuationIds(
  tokenizer: Tokenizer,
  input: ScoreInput,
  continues: boolean,
): readonly number[] {
  const { continuation } = input
  if (typeof continuation !== 'string' || continuation === '') {
    throw new InputError(
      'INPUT_OPTION',
      'score: continuation should be a text of at least one token.',
    )
  }
  const specialTokens = 'messages' in input ? 'text' : 'parse'
  if (continues && continuation.startsWith(' ')) {
    // SentencePiece puts a space in front of what it is given, which this one is then.
    const bare = tokenizer.encode(continuation.slice(1), { specialTokens })
    if (shownBehind(bare, tokenizer) === continuation) return bare
  }
  return tokenizer.encode(continuation, { specialTokens })
}

/** What the ids add to a text that they continue. */
function shownBehind(ids: readonly number[], tokenizer: Tokenizer): string {
  const stream = tokenizer.stream({ continuation: true })
  return ids.map((id) => stream.push(id)).join('') + stream.end()
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
