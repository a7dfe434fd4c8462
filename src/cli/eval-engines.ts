/** Who answers and who judges, by the flags: models in this process, or OpenAI-compatible servers. */
import {
  Endpoint,
  EndpointEngine,
  EndpointJudge,
  readMedium,
  withFittingPrompt,
  type AnswerEngine,
  type EngineAnswer,
  type EngineRequest,
  type Judge,
  type JudgeLimits,
  type JudgeReply,
  type JudgeRequest,
} from '../eval/index.ts'
import { InputError, LlavaError } from '../core/errors.ts'
import type { Answer, ContentPart, GenerateRequest, LoadOptions, Model } from '../index.ts'
import type { Arguments } from './arguments.ts'
import { loadFromFlags, modelOf } from './load-flags.ts'
import { identityOf, localWeightsHash } from './model-identity.ts'
import { wholeFrom1 } from './number-options.ts'
import { checkServerUrl, ENGINE_KEYS, JUDGE_KEYS, serverKey, serverUrls } from './server-options.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const ENGINE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'engine',
    kind: 'texts',
    value: 'url',
    about: 'Ask an OpenAI-compatible server (http://…/v1) for --model; repeat to share the work',
    group: 'Model',
  },
  {
    name: 'engine-attempts',
    kind: 'number',
    value: 'n',
    about: 'How often a server is tried for a question (default: 6)',
    group: 'Model',
  },
]

export const JUDGE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'judge',
    kind: 'texts',
    value: 'url|folder',
    about: 'Judge: a server (http://…/v1) or a model folder; a second one is compared',
  },
  {
    name: 'judge-model',
    kind: 'texts',
    value: 'id',
    about: "The judge's pinned model id at its server; one for each",
  },
  { name: 'judge-calls', kind: 'number', value: 'n', about: 'Calls of judges at most' },
  {
    name: 'judge-cost',
    kind: 'number',
    value: 'x',
    about: 'Cost of judges at most, by --judge-price',
  },
  {
    name: 'judge-price',
    kind: 'text',
    value: 'in,out',
    about: 'Price of a million tokens in and out',
  },
].map((spec) => ({ ...spec, group: 'Judges' }) as OptionSpec)

export type Engines = {
  readonly engines: readonly AnswerEngine[]
  /** Of the model in this process. */
  readonly batch: number
} & AsyncDisposable

/** Loads the model, or names the servers. Throws UsageError. */
export async function enginesOf(
  args: Arguments,
  session: Session,
  /** What the model is loaded with where no flag says otherwise. */
  defaults: LoadOptions = {},
): Promise<Engines> {
  const urls = serverUrls(args, 'engine')
  const batch = wholeFrom1(args, 'batch') ?? 16
  if (urls.length === 0) {
    const { model } = await loadFromFlags(args, session, defaults)
    const identity = await orDispose([model], () => identityOf(model, args, session))
    return { engines: [new ModelEngine(model, args, identity)], batch, ...ownerOf([model]) }
  }
  const name = args.text('model')
  if (name === undefined)
    throw new UsageError('--engine needs --model, the id that the server knows.')
  const engines = urls.map((url) => {
    const endpoint = new Endpoint({
      url,
      apiKey: serverKey(session, ENGINE_KEYS),
      attempts: wholeFrom1(args, 'engine-attempts'),
    })
    return new EndpointEngine({
      endpoint,
      model: name,
      readPicture: readMedium,
      seed: args.number('seed') ?? 0,
    })
  })
  return { engines, batch, ...ownerOf([]) }
}

/** Whoever holds it disposes of the models. */
function ownerOf(models: readonly Model[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      for (const model of models) await model.dispose()
    },
  }
}

/** Where making throws, nobody gets the models that were loaded for it: left open they keep the process alive. */
async function orDispose<T>(models: readonly Model[], make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    await ownerOf(models)[Symbol.asyncDispose]()
    throw error
  }
}

export type Judges = { readonly judges: readonly Judge[] } & AsyncDisposable

/** Throws UsageError for flags that do not fit together, before any judge is loaded where that can be told. */
export async function judgesOf(args: Arguments, session: Session): Promise<Judges> {
  const loaded: Model[] = []
  return orDispose(loaded, async () => {
    const judges: Judge[] = []
    for (const { place, model } of judgePlaces(args)) {
      judges.push(
        model === null
          ? await localJudge(place, loaded, { args, session })
          : serverJudge(place, model, session),
      )
    }
    checkDiffer(judges)
    return { judges, ...ownerOf(loaded) }
  })
}

/** A server with the id of its model, or a folder. */
function judgePlaces(args: Arguments): { readonly place: string; readonly model: string | null }[] {
  const models = [...args.texts('judge-model')]
  const count = args.texts('judge').length
  if (count > 2)
    throw new UsageError(`--judge should come twice at most, to compare two; ${count} came.`)
  const places = args.texts('judge').map((place) => {
    if (!/^https?:/.test(place)) return { place, model: null }
    checkServerUrl('judge', place)
    const model = models.shift()
    if (model !== undefined) return { place, model }
    throw new UsageError(
      `--judge ${place} needs --judge-model, the id of one pinned version of a model.`,
    )
  })
  if (models.length === 0) return places
  throw new UsageError('--judge-model came without a --judge for it.')
}

function serverJudge(url: string, model: string, session: Session): Judge {
  const endpoint = new Endpoint({ url, apiKey: serverKey(session, JUDGE_KEYS) })
  return new EndpointJudge({ endpoint, model, readPicture: readMedium })
}

async function localJudge(
  place: string,
  loaded: Model[],
  { args, session }: { readonly args: Arguments; readonly session: Session },
): Promise<Judge> {
  const { loadModel } = await import('../index.ts')
  const model = await loadModel(place, { signal: session.signal })
  loaded.push(model)
  return new ModelJudge(place, model, await localWeightsHash(place, {}, { args, session }))
}

/** Replies are kept by the judge's identity: two of one would always agree. */
function checkDiffer(judges: readonly Judge[]): void {
  const [first, ...others] = judges.map(({ identity }) => JSON.stringify(identity))
  if (!others.includes(first ?? '')) return
  throw new UsageError(
    'two judges should be two models, the same came twice; name the second one by an id of its own.',
  )
}

/** Nothing may be left to spend: then replies that are kept are all there is. Throws UsageError. */
export function judgeLimits(args: Arguments): JudgeLimits {
  const calls = args.number('judge-calls')
  const cost = args.number('judge-cost')
  const prices = pricesOf(args.text('judge-price'))
  if (calls !== undefined && !(Number.isInteger(calls) && calls >= 0))
    throw new UsageError(`--judge-calls should be a whole number from 0; "${calls}" came.`)
  if (cost !== undefined && cost < 0)
    throw new UsageError(`--judge-cost should be a number from 0; "${cost}" came.`)
  if (cost !== undefined && prices === null)
    throw new UsageError('--judge-cost needs --judge-price IN,OUT.')
  return { calls, cost, ...prices }
}

/** Of a million tokens, in and out. */
function pricesOf(text: string | undefined) {
  if (text === undefined) return null
  const words = text.split(',')
  const [promptPrice, completionPrice] = words.map(Number)
  const isPrice = (word: string) =>
    word.trim() !== '' && Number(word) >= 0 && Number.isFinite(Number(word))
  if (words.length === 2 && words.every(isPrice)) return { promptPrice, completionPrice }
  throw new UsageError(`--judge-price should be two numbers from 0, IN,OUT; "${text}" came.`)
}

/** Questions whose pictures are read while others are answered. */
const AHEAD = 8

/** A model in this process. */
class ModelEngine implements AnswerEngine {
  readonly name: string
  readonly ahead = AHEAD
  readonly identity: AnswerEngine['identity']
  readonly #model: Model

  constructor(model: Model, args: Arguments, identity: AnswerEngine['identity']) {
    this.name = modelOf(args).split(/[/\\]/).at(-1) ?? 'model'
    this.identity = identity
    this.#model = model
  }

  /** The model's scheduler puts questions that are asked at the same time together. */
  async answer(request: EngineRequest, signal: AbortSignal | undefined): Promise<EngineAnswer> {
    try {
      if (request.choices) {
        const ask = (prompt: string) => this.#choose(request, prompt, signal)
        return await withFittingPrompt(request, ask, isTooLong)
      }
      return engineAnswer(await this.#model.generate(generateRequest(request, signal)))
    } catch (error) {
      signal?.throwIfAborted()
      return {
        error: error instanceof Error ? error.message : String(error),
        ...(error instanceof InputError ? { isOfQuestion: true } : {}),
      }
    }
  }

  /** The continuation of the plain text that the model finds likeliest, by the sum over its tokens. */
  async #choose(
    { choices = [] }: EngineRequest,
    prompt: string,
    signal: AbortSignal | undefined,
  ): Promise<EngineAnswer> {
    const scored = await this.#model.scoreChoices({
      prompt,
      choices,
      ...(signal ? { signal } : {}),
    })
    const ranked = choices
      .map((choice, i) => ({ choice, total: sumOf(scored.choices[i]?.logprobs ?? []) }))
      .sort((a, b) => b.total - a.total)
    const [best, second] = ranked
    if (!best) return { error: 'no continuations came' }
    return {
      text: best.choice,
      finishReason: 'stop',
      ...(second ? { margin: best.total - second.total } : {}),
    }
  }
}

function isTooLong(error: unknown): boolean {
  return error instanceof LlavaError && error.code === 'INPUT_CONTEXT'
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

function generateRequest(
  { messages, maxTokens }: EngineRequest,
  signal: AbortSignal | undefined,
): GenerateRequest {
  return {
    messages,
    maxTokens,
    temperature: 0,
    numBeams: 1,
    topLogprobs: 2,
    ...(signal ? { signal } : {}),
  }
}

function engineAnswer({ text, finishReason, usage, logprobs = [] }: Answer): EngineAnswer {
  const margins = logprobs.flatMap(({ logprob, top }) => {
    const next = top.find((other) => other.logprob <= logprob && other !== top[0])
    return next ? [logprob - next.logprob] : []
  })
  return {
    text,
    finishReason,
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
    ...(margins.length > 0 ? { margin: Math.min(...margins) } : {}),
  }
}

/** A model in this process as judge. */
class ModelJudge implements Judge {
  readonly name: string
  readonly place: string
  readonly identity: Judge['identity']
  readonly #model: Model

  constructor(place: string, model: Model, weights: string) {
    this.name = place.split(/[/\\]/).at(-1) ?? place
    this.place = place
    this.identity = { kind: 'local', model: this.name, weights, precision: model.precision.name }
    this.#model = model
  }

  async ask(request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeReply> {
    const { temperature, maxTokens, messages } = request
    const images = request.images.map((image): ContentPart => ({ type: 'image', image }))
    const { text, usage } = await this.#model.generate({
      messages: messages.map(({ role, content }, i) => ({
        role,
        content:
          i === messages.length - 1
            ? [...images, { type: 'text' as const, text: content }]
            : content,
      })),
      temperature,
      maxTokens,
      ...(signal ? { signal } : {}),
    })
    return { text, promptTokens: usage.promptTokens, completionTokens: usage.completionTokens }
  }
}
