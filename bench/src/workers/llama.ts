/** llama.cpp, through node-llama-cpp's prebuilt CPU library, as a contender. */
import {
  getLlama,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaModel,
} from 'node-llama-cpp'
import { FIRST_WORD } from '../models/tokenizer.ts'
import {
  promptIds,
  serveOperations,
  type AnswerQuestion,
  type BatchQuestion,
  type Timings,
} from './protocol.ts'

type Loaded = { model: LlamaModel; context: LlamaContext; sequences: LlamaContextSequence[] }
type Token = ReturnType<LlamaModel['tokenize']>[number]

type LoadRequest = {
  readonly path: string
  readonly threads: number
  readonly contextSize: number
  readonly streams: number
}

let loaded: Loaded | null = null

serveOperations({ load, answer, batch })

async function load({ path, threads, contextSize, streams }: LoadRequest): Promise<{ ms: number }> {
  const start = performance.now()
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    progressLogs: false,
  })
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
  const context = await model.createContext({ contextSize, sequences: streams, threads })
  const sequences = Array.from({ length: streams }, () => context.getSequence())
  loaded = { model, context, sequences }
  return { ms: performance.now() - start }
}

async function answer({ promptTokens, newTokens, seed }: AnswerQuestion): Promise<Timings> {
  const { model, sequences } = current()
  const sequence = sequences[0] as LlamaContextSequence
  await sequence.clearHistory()
  const start = performance.now()
  const { firstAt, tokens } = await generate(sequence, ids(model, seed, promptTokens), newTokens)
  const end = performance.now()
  return {
    firstTokenMs: firstAt - start,
    tokenMs: newTokens > 1 ? (end - firstAt) / (newTokens - 1) : 0,
    totalMs: end - start,
    visionMs: 0,
    preprocessMs: 0,
    cachedTokens: 0,
    tokens: tokens.slice(0, 4),
  }
}

/** All prompts are in their caches before the clock starts. */
async function batch({
  streams,
  promptTokens,
  newTokens,
  seed,
}: BatchQuestion): Promise<{ tokensPerSecond: number }> {
  const { model, sequences } = current()
  const used = sequences.slice(0, streams)
  for (const [i, sequence] of used.entries()) {
    await sequence.clearHistory()
    await sequence.evaluateWithoutGeneratingNewTokens(ids(model, seed + i, promptTokens - 1))
  }
  const start = performance.now()
  await Promise.all(used.map((sequence, i) => generate(sequence, ids(model, i, 1), newTokens)))
  return { tokensPerSecond: (1000 * streams * newTokens) / (performance.now() - start) }
}

/** Greedy, through ends: the answer is as long as asked for. */
async function generate(
  sequence: LlamaContextSequence,
  prompt: Token[],
  newTokens: number,
): Promise<{ firstAt: number; tokens: number[] }> {
  const tokens: number[] = []
  let firstAt = 0
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    firstAt ||= performance.now()
    tokens.push(token)
    if (tokens.length === newTokens) break
  }
  if (tokens.length < newTokens) throw new Error(`llama.cpp stopped after ${tokens.length} tokens.`)
  return { firstAt, tokens }
}

function ids(model: LlamaModel, seed: number, count: number): Token[] {
  const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length
  return promptIds(seed, count, { first: FIRST_WORD, size }) as Token[]
}

function current(): Loaded {
  if (!loaded) throw new Error('bench: ask for `load` first.')
  return loaded
}
