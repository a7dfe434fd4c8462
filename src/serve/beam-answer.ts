/** An answer by beam search: the beams are rows of one group, reordered by their parents at every step. */
import type { Answer } from './answer.ts'
import { processorContext } from './answer-run.ts'
import { readTokens, type AnswerStream } from './answer-stream.ts'
import { beamSearch, type Beam } from './beam-search.ts'
import { beamSettings } from './beam-settings.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import type { EncodedPrompt, AnswerParts } from './generator.ts'

export async function searchBeams(
  parts: AnswerParts,
  encoded: EncodedPrompt,
  options: ResolvedGenerateOptions,
  start: number,
): Promise<Answer> {
  const { embedded, prepared } = encoded
  const length = prepared.inputIds.length
  const size = { rows: options.numBeams, filled: length, capacity: length + options.maxTokens }
  const clock = { prefilledAt: 0 }
  const beams = await parts.engine.withGroup(size, async (group) => {
    const run = { signal: options.signal }
    const prompt = { cachedLength: 0, logitRows: [length - 1] }
    const firstLogits = await group.add(embedded, prompt, run)
    clock.prefilledAt = performance.now()
    return beamSearch({
      ...beamSettings(options, processorContext({ ...parts, encoded })),
      firstLogits,
      isStopped: (tokens) => stopStringIn(tokens, { parts, encoded, options }) !== undefined,
      async step(ids, parents) {
        await group.reorder(parents)
        const logits = await group.step(ids, run)
        const vocabSize = logits.length / ids.length
        return ids.map((_, i) => logits.subarray(i * vocabSize, (i + 1) * vocabSize))
      },
    })
  })
  return toAnswer({ parts, encoded, options }, beams.slice(0, options.n), { start, ...clock })
}

function stopStringIn(tokens: readonly number[], about: Parts): string | undefined {
  return about.options.stop.length > 0 ? read(tokens, about).stopString : undefined
}

type Parts = {
  readonly parts: AnswerParts
  readonly encoded: EncodedPrompt
  readonly options: ResolvedGenerateOptions
}

function toAnswer(
  { parts, encoded, options }: Parts,
  beams: readonly Beam[],
  clock: { readonly start: number; readonly prefilledAt: number },
): Answer {
  const now = performance.now()
  const about = { parts, encoded, options }
  const sequences = beams.map((beam) => {
    const tokens = withoutEnd(beam.tokens, options)
    return { tokens, text: textOf(tokens, about), score: beam.score }
  })
  const best = sequences[0] ?? { tokens: [], text: '', score: -Infinity }
  const { prepared, preprocessMs, visionMs } = encoded
  const stopString = stopStringIn(best.tokens, about)
  const prefillMs = clock.prefilledAt - clock.start - preprocessMs - visionMs
  return {
    text: best.text,
    tokens: best.tokens,
    ...(options.logprobs && { logprobs: beams[0]?.logprobs.slice(0, best.tokens.length) ?? [] }),
    finishReason: beams[0]?.finishReason ?? 'abort',
    ...(stopString !== undefined && { stopString }),
    sequences,
    usage: {
      promptTokens: prepared.inputIds.length,
      imageTokens: prepared.imageSlots.length,
      cachedTokens: 0,
      completionTokens: best.tokens.length,
    },
    timings: {
      preprocessMs,
      visionMs,
      prefillMs,
      decodeMs: now - clock.prefilledAt,
      // Which beam is the best is known at the end only.
      firstTokenMs: now - clock.start,
      totalMs: now - clock.start,
    },
  }
}

function withoutEnd(
  tokens: readonly number[],
  { ignoreEos, eosTokenIds }: ResolvedGenerateOptions,
): number[] {
  const last = tokens.at(-1)
  const isEnd = !ignoreEos && last !== undefined && eosTokenIds.includes(last)
  return tokens.slice(0, isEnd ? -1 : tokens.length)
}

function textOf(tokens: readonly number[], about: Parts): string {
  const { encoded, options } = about
  const { tokenizer } = about.parts
  const { continues } = encoded.prepared
  const skipSpecial = options.skipSpecialTokens
  if (options.stop.length === 0 && !continues) return tokenizer.decode(tokens, { skipSpecial })
  const stream = read(tokens, about)
  stream.abort()
  return stream.text
}

function read(tokens: readonly number[], { parts, encoded, options }: Parts): AnswerStream {
  const { continues: continuation } = encoded.prepared
  const skipSpecial = options.skipSpecialTokens
  const decoder = parts.tokenizer.stream({ skipSpecial, continuation, wholeRuns: true })
  return readTokens(tokens, decoder, options.stop)
}
