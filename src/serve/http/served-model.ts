/**
 * What the HTTP server needs of a model: a local one, or one behind another server.
 *
 * `Model` of the library is one through `serveModel`; the types are its own, read structurally, because a room does not
 * import what puts the rooms together.
 */
import { InputError } from '../../core/errors.ts'
import { inTurns, type Steps } from '../../core/steps.ts'
import type { StreamEvent } from '../answer.ts'
import type { GenerationConfig } from '../generation-config.ts'
import type { MediaTokens } from '../media-tokens.ts'
import type { GenerateRequest, PromptInput } from '../request.ts'
import { checkTextFits } from '../text-bound.ts'

export type ServedModel = {
  /** What clients call it. */
  readonly id: string
  /** When it was loaded, in seconds since 1970. */
  readonly created: number
  /** The longest sequence, in tokens; null: nobody says. */
  readonly maxContext: number | null
  /** Tokens of an answer at most where a request does not say; null: the checkpoint does not say either. */
  readonly usualTokens: number | null
  /** Tokens that an answer may be asked for. Absent: as many as its context has room for. */
  readonly mostTokens?: number | undefined
  /** What a message may hold beside text. */
  readonly takes: { readonly images: boolean; readonly videos: boolean }
  /** Whether pictures are turned as their Exif or XMP says; null: nobody says. */
  readonly autoOrient: boolean | null
  /** Whether prompts are kept for those that begin alike. Absent: not known. */
  readonly keepsPrompts?: boolean
  /** An answer in pieces, then whole; a signal in the request stops it within a step. */
  stream(request: ServedRequest): AsyncIterable<StreamEvent>
  /** The same model for clients that hear nothing before the end: what breaks off may be asked anew. Absent: itself. */
  readonly whole?: ServedModel
  /** How many tokens a prompt has, without running anything. Here and below a signal ends what another server is asked. */
  countTokens(prompt: PromptInput, signal: AbortSignal): Promise<number>
  /** How each picture is cut and what each picture and clip costs. Absent: the model does not tell. */
  measureMedia?(prompt: PromptInput): Promise<MediaTokens>
  /** The ids that a prompt becomes, image and video places repeated. */
  promptIds(prompt: PromptInput, signal: AbortSignal): Promise<readonly number[]>
  /** The ids of a bare text; control tokens in it are read as such. */
  tokenize(
    text: string,
    options: { readonly addBos: boolean },
    signal: AbortSignal,
  ): Promise<readonly number[]>
  detokenize(ids: readonly number[], signal: AbortSignal): Promise<string>
  /** The bytes that a token adds to a text, and the text that they are, for logprobs. */
  tokenBytes(id: number): Uint8Array
  /** Gauges and counters of the engine for `/metrics`, by name. */
  stats?(): Readonly<Record<string, unknown>>
  /** The workers behind it, where there are some, with their counts. */
  workers?(): readonly WorkerStats[]
}

/** A worker's address and state, and its counts and sizes by name. */
export type WorkerStats = { readonly worker: string; readonly state: string } & {
  readonly [name: string]: string | number
}

export type ServedRequest = GenerateRequest

/** The part of the library's `Model` that is served. */
export type LocalModel = {
  readonly config: {
    readonly maxContext: number
    readonly image: object | null
    readonly video: object | null
    readonly decoder: { readonly vocabSize: number }
  }
  readonly autoOrient: boolean
  readonly keepsPrompts?: boolean
  readonly generation: GenerationConfig
  readonly tokenizer: {
    readonly longestToken: number
    encode(text: string, options: { readonly addBos: boolean }): number[]
    encodeSteps(text: string, options: { readonly addBos: boolean }): Steps<number[]>
    decodeSteps(ids: readonly number[]): Steps<string>
    tokenBytes(id: number): Uint8Array
  }
  stream(request: GenerateRequest): AsyncIterable<StreamEvent>
  countTokens(input: PromptInput): { readonly text: number; readonly image: number }
  prepare(input: PromptInput): Promise<{ readonly inputIds: readonly number[] }>
  measureMedia?(input: PromptInput): Promise<MediaTokens>
  stats?(): object
}

/** A loaded model under a name; `now` is in milliseconds since 1970. */
export function serveModel(model: LocalModel, id: string, now: number): ServedModel {
  const { config, tokenizer } = model
  return {
    id,
    created: Math.floor(now / 1000),
    maxContext: config.maxContext,
    usualTokens: model.generation.maxTokens,
    takes: { images: config.image !== null, videos: config.video !== null },
    autoOrient: model.autoOrient,
    keepsPrompts: model.keepsPrompts ?? false,
    stream: (request) => model.stream({ ...request, seed: request.seed ?? freshSeed() }),
    countTokens: async (prompt) => {
      const { text, image } = await tokensOf(prompt, model)
      return text + image
    },
    promptIds: async (prompt) => (await model.prepare(prompt)).inputIds,
    tokenize: (text, options) => idsOf(text, options, model),
    detokenize: async (ids) => textOf(ids, model),
    tokenBytes: (id_) => tokenizer.tokenBytes(id_),
    ...(model.measureMedia && { measureMedia: model.measureMedia.bind(model) }),
    ...(model.stats && { stats: () => ({ ...model.stats?.() }) }),
  }
}

/** How many tokens a prompt has. */
export async function tokensOf(
  prompt: PromptInput,
  model: Pick<LocalModel, 'countTokens' | 'measureMedia'>,
): Promise<{ readonly text: number; readonly image: number }> {
  // Measuring counts the same, gives others their turn, and refuses what no context holds.
  return model.measureMedia?.(prompt) ?? model.countTokens(prompt)
}

/** The ids of a bare text. Throws InputError for one that is longer than the context however it is read. */
export async function idsOf(
  text: string,
  options: { readonly addBos: boolean },
  { config: { maxContext }, tokenizer }: Pick<LocalModel, 'config' | 'tokenizer'>,
): Promise<readonly number[]> {
  checkTextFits(text.length, { maxContext, longestToken: tokenizer.longestToken })
  return inTurns(tokenizer.encodeSteps(text, options))
}

/** The text of a request's `tokens`. Places of pictures, which lie below 0 in some models, have none. */
export async function textOf(
  ids: readonly number[],
  { config, tokenizer }: Pick<LocalModel, 'config' | 'tokenizer'>,
): Promise<string> {
  const { vocabSize } = config.decoder
  const at = ids.findIndex((id) => id >= vocabSize)
  if (at < 0) return inTurns(tokenizer.decodeSteps(ids))
  throw new InputError(
    'INPUT_PROMPT',
    `tokens[${at}] should be a token id from 0 to ${vocabSize - 1}, ${ids[at]} came; send ids of this model's tokenizer.`,
  )
}

/** Of requests that name none: over HTTP the same request is another draw each time, as clients expect. */
function freshSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number]
  return (high & 0x1fffff) * 2 ** 32 + low
}
