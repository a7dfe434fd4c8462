/**
 * What a contender can be asked, whichever process it lives in: one JSON object a line on stdin, one back on
 * descriptor 3, so that whatever a library prints cannot get in between.
 */
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'

export type Timings = {
  /** From the call to the first token, of everything that this needs. */
  readonly firstTokenMs: number
  /** One token after the first; 0 where there was only one. */
  readonly tokenMs: number
  readonly totalMs: number
  /** Tower and projector, where a picture came. */
  readonly visionMs: number
  readonly preprocessMs: number
  readonly cachedTokens: number
  /** The first tokens of the answer: the same model gives the same ones. */
  readonly tokens: readonly number[]
}

export type AnswerQuestion = {
  readonly promptTokens: number
  readonly newTokens: number
  /** Names the prompt: another seed shares no beginning with it. */
  readonly seed: number
  /** A picture goes first, from a file or of random pixels; its tokens are among `promptTokens`. */
  readonly picture?: {
    readonly tokens: number
  } & ({ readonly path: string } | { readonly side: number; readonly seed: number })
  /** A clip stands in front of the words instead, a film or random frames; its tokens are not among `promptTokens`. */
  readonly clip?: { readonly frames: number } & (
    | { readonly path: string }
    | { readonly side: number; readonly seed: number }
  )
}

export type BatchQuestion = {
  readonly streams: number
  readonly promptTokens: number
  readonly newTokens: number
  readonly seed: number
}

/** One optimizer step over one row. */
export type StepQuestion = {
  readonly tokens: number
  /** How many positions are learnt: the last ones. */
  readonly supervised: number
  readonly seed: number
  /** Of `tokens`, the first ones. */
  readonly imageTokens?: number
}

export type StepTimings = {
  readonly ms: number
  readonly loss: number
  /** Whether ours kept its activations; null of peers. */
  readonly activations: 'keep' | 'recompute' | null
}

/** Answers requests until stdin ends. Each operation takes the request's fields and gives a JSON value. */
export function serveOperations(
  operations: Readonly<Record<string, (request: never) => unknown>>,
): void {
  const output = createWriteStream('', { fd: 3 })
  const input = createInterface({ input: process.stdin })
  let queue = Promise.resolve()
  input.on('line', (line) => {
    queue = queue.then(async () =>
      output.write(`${JSON.stringify(await answer(operations, line))}\n`),
    ) as Promise<void>
  })
  input.on('close', () => void queue.then(() => process.exit(0)))
}

async function answer(
  operations: Readonly<Record<string, (request: never) => unknown>>,
  line: string,
): Promise<{ result: unknown } | { error: string }> {
  try {
    const { operation, ...request } = JSON.parse(line) as { operation: string }
    const run = operations[operation]
    if (!run) throw new Error(`no operation ${operation}`)
    return { result: (await run(request as never)) ?? null }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

/** Ids of a prompt that nothing has seen before, all of them ordinary words. */
export function promptIds(
  seed: number,
  count: number,
  vocabulary: { readonly first: number; readonly size: number },
): number[] {
  const span = vocabulary.size - vocabulary.first - 1
  let state = (seed * 2654435761) >>> 0
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return vocabulary.first + (Math.floor(state / 65536) % span)
  })
}
