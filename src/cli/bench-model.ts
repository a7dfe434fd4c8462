/** Speeds of a loaded model, each over several rounds with inputs that no cache has seen. */
import type { Answer, GenerateRequest, Model } from '../index.ts'
import { countImageTokens } from '../preprocess/index.ts'
import { measured, type Measured } from './measure.ts'

export type ModelSpeeds = {
  readonly vision: { readonly tiles: number; readonly msPerTile: Measured } | null
  readonly prefill: readonly { readonly tokens: number; readonly tokensPerSecond: Measured }[]
  readonly decode: readonly { readonly streams: number; readonly tokensPerSecond: Measured }[]
}

export type BenchPlan = {
  readonly rounds: number
  readonly prefill: readonly number[]
  readonly streams: readonly number[]
  /** Tokens of an answer. */
  readonly tokens: number
  readonly signal: AbortSignal
  /** Called before each measurement. */
  readonly onStep: (step: string) => void
}

/** The first of the rounds warms up and does not count. */
export async function measureModel(model: Model, plan: BenchPlan): Promise<ModelSpeeds> {
  const words = new Words(model)
  const vision = await measureVision(model, plan)
  const prefill: ModelSpeeds['prefill'][number][] = []
  for (const tokens of plan.prefill) {
    if (!fits(tokens + 1, `prompt of ${tokens}`, { model, plan })) continue
    plan.onStep(`measuring prefill ${tokens} …`)
    const tokensPerSecond = await rounds(plan, async () => {
      const [answer] = await ask(model, [{ inputIds: words.take(tokens), maxTokens: 1 }], plan)
      return (tokens * 1000) / (answer as Answer).timings.prefillMs
    })
    prefill.push({ tokens, tokensPerSecond })
  }
  const decode: ModelSpeeds['decode'][number][] = []
  for (const streams of fits(PROMPT_TOKENS + 2, 'answers', { model, plan }) ? plan.streams : []) {
    plan.onStep(`measuring decode ${streams} …`)
    const tokensPerSecond = await rounds(plan, () => decodeRate(model, streams, { plan, words }))
    decode.push({ streams, tokensPerSecond })
  }
  return { vision, prefill, decode }
}

/** Whether the context holds so many tokens; `what` they are is said where it is left out. */
export function fits(
  tokens: number,
  what: string,
  { model, plan }: { readonly model: Model; readonly plan: BenchPlan },
): boolean {
  const { maxContext } = model.config
  if (tokens > maxContext) plan.onStep(`no ${what}: the context holds ${maxContext}`)
  return tokens <= maxContext
}

const PROMPT_TOKENS = 16

/** Tokens a second of all streams together, from when the last prompt was read; all prompts fit into one piece. */
async function decodeRate(
  model: Model,
  streams: number,
  { plan, words }: { readonly plan: BenchPlan; readonly words: Words },
): Promise<number> {
  const requests = Array.from({ length: streams }, () => ({
    inputIds: words.take(PROMPT_TOKENS),
    maxTokens: plan.tokens,
    ignoreEos: true,
  }))
  const answers = await ask(model, requests, plan)
  // The first token of each comes with its prompt; prompts that come together are read before any stream goes on.
  const decodeMs = Math.min(...answers.map(({ timings }) => timings.decodeMs))
  // The context may end an answer before the plan does.
  const decoded = answers.reduce((sum, { usage }) => sum + usage.completionTokens - 1, 0)
  return (decoded * 1000) / decodeMs
}

async function measureVision(model: Model, plan: BenchPlan): Promise<ModelSpeeds['vision']> {
  const { image } = model.config
  if (!image) return null
  const size = image.processor.tile
  const { tiles } = countImageTokens(size, image.tokens)
  const picture = () => ({ ...size, data: noise(size.width * size.height * 3) })
  const tokens = model.countTokens({ prompt: '<image>', images: [picture()] })
  if (!fits(tokens.text + tokens.image + 1, 'picture', { model, plan })) return null
  plan.onStep('measuring vision …')
  const msPerTile = await rounds(plan, async () => {
    const images = [picture()]
    const [answer] = await ask(model, [{ prompt: '<image>', images, maxTokens: 1 }], plan)
    return (answer as Answer).timings.visionMs / tiles
  })
  return { tiles, msPerTile }
}

async function rounds(plan: BenchPlan, measure: () => Promise<number>): Promise<Measured> {
  await measure()
  const values: number[] = []
  for (let i = 0; i < plan.rounds; i++) values.push(await measure())
  return measured(values)
}

async function ask(
  model: Model,
  requests: readonly GenerateRequest[],
  { signal }: BenchPlan,
): Promise<Answer[]> {
  const whole = requests.map((request) => ({ ...request, signal }))
  const [only] = whole
  const answers =
    whole.length === 1 && only ? [await model.generate(only)] : await model.generateBatch(whole)
  signal.throwIfAborted()
  return answers
}

/** Ids of ordinary tokens, never twice in the same order. */
export class Words {
  readonly #ids: readonly number[]

  constructor({ config, tokenizer }: Model) {
    this.#ids = Array.from({ length: config.decoder.vocabSize }, (_, id) => id).filter(
      (id) =>
        tokenizer.tokenOf(id) !== undefined &&
        !tokenizer.specialIds.has(id) &&
        id !== config.image?.placeholder,
    )
  }

  take(count: number): number[] {
    const ids = this.#ids
    return Array.from({ length: count }, () => ids[Math.floor(Math.random() * ids.length)] ?? 0)
  }
}

function noise(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(Math.random() * 256))
}
