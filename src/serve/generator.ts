/**
 * From a request to an answer: prepare, encode the pictures, prefill, decode, text.
 *
 * The stages are those of the path; this file says in which order they run and what each took.
 */
import { InputError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import { mergeImageRows } from '../sequence/merge-rows.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import type { Answer } from './answer.ts'
import { AnswerRun } from './answer-run.ts'
import { searchBeams } from './beam-answer.ts'
import { embedPrompt, PictureKeys } from './embedded-prompt.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { Engine } from './engine.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { GenerationConfig } from './generation-config.ts'
import type { PreparedPrompt, PromptPreparer } from './prepare-prompt.ts'
import { parseGenerateRequest, type Prompt } from './request.ts'
import type { EmbeddedPrompt } from './sequence-group.ts'
import type { VisionRunner } from './vision-runner.ts'

export type GeneratorParts = {
  readonly config: ModelConfig
  readonly generation: GenerationConfig
  readonly tokenizer: Tokenizer
  readonly preparer: PromptPreparer
  readonly vision: VisionRunner | null
  readonly engine: Engine
  readonly table: EmbeddingTable
  /** The row that ends rows of tiles, where the family has one. */
  readonly newline: Float32Array | null
}

/** A prompt through preparation and vision, and how long those took. */
export type EncodedPrompt = {
  readonly prepared: PreparedPrompt
  readonly embedded: EmbeddedPrompt
  /** [R, D] of each picture, newline rows included. */
  readonly imageRows: readonly Float32Array[]
  readonly preprocessMs: number
  readonly visionMs: number
}

export type OnText = (text: string) => void

export class Generator {
  readonly #parts: GeneratorParts
  readonly #pictures = new PictureKeys()

  constructor(parts: GeneratorParts) {
    this.#parts = parts
  }

  /** One answer; `onText` hears its pieces as they become certain. */
  async generate(request: unknown, onText: OnText = () => {}): Promise<Answer> {
    const start = performance.now()
    const { prompt, options } = parseGenerateRequest(request, this.#parts.generation)
    let runs: AnswerRun[] = []
    try {
      const encoded = await this.encode(prompt, options.signal)
      const limited = this.#limit(encoded, options)
      if (options.numBeams > 1) return await searchBeams(this.#parts, encoded, limited, start)
      runs = this.#runs(encoded, limited, { onText, start })
      await this.#parts.engine.generate(runs.map((run) => run.request))
    } catch (error) {
      if (!options.signal?.aborted || error !== options.signal.reason) throw error
      // Before decoding began there is no answer; after it there is what was decoded.
      if (runs.length === 0) return abortedAnswer(start)
    }
    return AnswerRun.answer(runs)
  }

  /** As many answers as requests, decoded together; each equals the one it would get alone. */
  async generateBatch(requests: readonly unknown[]): Promise<Answer[]> {
    const start = performance.now()
    const parsed = requests.map((one) => parseGenerateRequest(one, this.#parts.generation))
    if (parsed.some(({ options }) => options.numBeams > 1)) {
      return Promise.all(requests.map((request) => this.generate(request)))
    }
    const groups: AnswerRun[][] = []
    for (const { prompt, options } of parsed) {
      const encoded = await this.encode(prompt, options.signal)
      groups.push(this.#runs(encoded, this.#limit(encoded, options), { onText: () => {}, start }))
    }
    await this.#parts.engine.generate(groups.flat().map((run) => run.request))
    return groups.map((runs) => AnswerRun.answer(runs))
  }

  /** Prepares a prompt and encodes its pictures. */
  async encode(prompt: Prompt, signal?: AbortSignal): Promise<EncodedPrompt> {
    const { preparer, table } = this.#parts
    const start = performance.now()
    const prepared = await preparer.prepare(prompt, signal)
    const preparedAt = performance.now()
    const imageRows = await this.#encodePictures(prepared, signal)
    const embedded = embedPrompt(prepared, imageRows, { table, keys: this.#pictures })
    const visionMs = performance.now() - preparedAt
    return { prepared, embedded, imageRows, preprocessMs: preparedAt - start, visionMs }
  }

  /** The prompt with tokens behind it. */
  extend(prompt: EmbeddedPrompt, ids: readonly number[]): EmbeddedPrompt {
    const { table } = this.#parts
    return {
      keys: [...prompt.keys, ...ids],
      embeddings(from) {
        const start = Math.min(from, prompt.keys.length)
        const head = prompt.embeddings(start)
        const tail = new Float32Array(ids.length * table.width)
        table.copyRows(ids, tail)
        const whole = new Float32Array(head.length + tail.length)
        whole.set(head)
        whole.set(tail, head.length)
        return whole.subarray((from - start) * table.width)
      },
    }
  }

  async #encodePictures(
    prepared: PreparedPrompt,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const { vision, newline, config } = this.#parts
    const rows: Float32Array[] = []
    for (const picture of prepared.pictures) {
      if (!vision) throw new Error('internal: a picture came to a model without eyes')
      const pixels = { hash: picture.hash, pixelValues: picture.pixelValues.data }
      const features = await vision.encode(pixels, { signal, priority: 'prefill' })
      rows.push(
        mergeImageRows(picture.rows, features, { width: config.decoder.hiddenSize, newline }),
      )
    }
    return rows
  }

  #runs(
    encoded: EncodedPrompt,
    options: ResolvedGenerateOptions,
    { onText, start }: { readonly onText: OnText; readonly start: number },
  ): AnswerRun[] {
    return Array.from({ length: options.n }, (_, index) => {
      // Only the first of several answers is heard while it grows.
      const hear = index === 0 ? onText : () => {}
      return new AnswerRun({ ...this.#parts, encoded, options, index, onText: hear, start })
    })
  }

  /** The options with `maxTokens` cut to the context. Throws InputError if the prompt alone is too long. */
  #limit({ prepared }: EncodedPrompt, options: ResolvedGenerateOptions): ResolvedGenerateOptions {
    const { maxContext } = this.#parts.config
    const length = prepared.inputIds.length
    if (length >= maxContext) {
      throw new InputError(
        'INPUT_CONTEXT',
        `prompt: it has ${length} tokens (${prepared.imageSlots.length} of them pictures), ${length - maxContext + 1} more than the context of ${maxContext} leaves for one; shorten it, send fewer pictures, or raise maxContext.`,
      )
    }
    return { ...options, maxTokens: Math.min(options.maxTokens, maxContext - length) }
  }
}

function abortedAnswer(start: number): Answer {
  const totalMs = performance.now() - start
  const none = { preprocessMs: 0, visionMs: 0, prefillMs: 0, decodeMs: 0, firstTokenMs: 0 }
  return {
    text: '',
    tokens: [],
    finishReason: 'abort',
    usage: { promptTokens: 0, imageTokens: 0, cachedTokens: 0, completionTokens: 0 },
    timings: { ...none, totalMs },
  }
}
