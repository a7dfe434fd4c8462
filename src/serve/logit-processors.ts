/**
 * What changes logits before a token is chosen, whether by maximum, by chance or by beams.
 *
 * Order and formulas of transformers 5.23 (generation/utils.py `_get_logits_processor`, generation/logits_process.py) with
 * OpenAI's penalties after transformers' own: logit bias, repetition penalty, presence and frequency penalty, no repeated
 * n-gram, bad words, minimum length, suppressed tokens. All are in place on float32 logits [V].
 */
import { InputError } from '../core/errors.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'

/** Changes `logits` for the token that follows `generated`, the ids of the answer so far. */
export type LogitProcessor = (logits: Float32Array, generated: readonly number[]) => void

export type ProcessorContext = {
  /** The prompt as the decoder sees it: image places repeated. */
  readonly promptIds: ArrayLike<number>
  /** Length of the logits: rows of the head, padding included. */
  readonly vocabSize: number
  /** Tokens that are no text: ids from the tokenizer's size up to vocabSize, image and video placeholders. */
  readonly unusableIds: readonly number[]
}

/** The processors that `options` ask for, as one. Throws InputError for a logitBias outside the vocabulary. */
export function createLogitProcessor(
  options: ResolvedGenerateOptions,
  context: ProcessorContext,
): LogitProcessor {
  const { promptIds, vocabSize } = context
  const { eosTokenIds, minTokens, noRepeatNgramSize, repetitionPenalty } = options
  const { presencePenalty, frequencyPenalty, beginSuppressTokens } = options
  const marks = new Uint8Array(vocabSize)
  const badWords = options.badWords.filter(
    (word) => !(word.length === 1 && eosTokenIds.includes(word[0] as number)),
  )
  const suppressed = [...options.suppressTokens, ...context.unusableIds]
  checkBias(options.logitBias, vocabSize)
  return (logits, generated) => {
    const history = { prompt: promptIds, generated }
    for (const [id, bias] of options.logitBias) logits[id] = (logits[id] as number) + bias
    if (repetitionPenalty !== 1) penalizeRepetition(logits, history, repetitionPenalty, marks)
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      penalizeOccurrence(logits, generated, presencePenalty, frequencyPenalty)
    }
    if (noRepeatNgramSize > 0) banRepeatedNgrams(logits, history, noRepeatNgramSize)
    if (badWords.length > 0) banWords(logits, history, badWords)
    if (generated.length < minTokens) suppressTokens(logits, eosTokenIds)
    if (generated.length === 0) suppressTokens(logits, beginSuppressTokens)
    suppressTokens(logits, suppressed)
  }
}

/** All tokens before the next one. */
export type History = { readonly prompt: ArrayLike<number>; readonly generated: readonly number[] }

/**
 * x ← x · penalty where x < 0, else x / penalty, once for each token that occurs in the history.
 *
 * `marks` is uint8[V] of zeros, and is so again afterwards. Ids outside the logits are passed over, as in transformers.
 */
export function penalizeRepetition(
  logits: Float32Array,
  { prompt, generated }: History,
  penalty: number,
  marks = new Uint8Array(logits.length),
): void {
  const factor = Math.fround(penalty)
  for (const ids of [prompt, generated]) {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number
      if (marks[id] !== 0) continue // undefined, too: an id outside the logits
      marks[id] = 1
      const logit = logits[id] as number
      logits[id] = logit < 0 ? logit * factor : logit / factor
    }
  }
  for (const ids of [prompt, generated]) {
    for (let i = 0; i < ids.length; i++)
      if (marks[ids[i] as number] === 1) marks[ids[i] as number] = 0
  }
}

/** x ← x − presence − frequency · count for each token of the answer so far. Source: OpenAI's API reference; vLLM. */
export function penalizeOccurrence(
  logits: Float32Array,
  generated: readonly number[],
  presence: number,
  frequency: number,
): void {
  const counts = new Map<number, number>()
  for (const id of generated) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const [id, count] of counts)
    logits[id] = (logits[id] as number) - presence - frequency * count
}

/** Bans every token that would complete an n-gram which the history already holds. */
export function banRepeatedNgrams(logits: Float32Array, history: History, size: number): void {
  const length = lengthOf(history)
  for (let start = 0; start + size <= length; start++) {
    if (endsWith(history, size - 1, (i) => idAt(history, start + i))) {
      suppressTokens(logits, [idAt(history, start + size - 1)])
    }
  }
}

/** Bans the last token of each word whose other tokens end the history. */
export function banWords(
  logits: Float32Array,
  history: History,
  words: readonly (readonly number[])[],
): void {
  for (const word of words) {
    const prefix = word.length - 1
    if (prefix <= lengthOf(history) && endsWith(history, prefix, (i) => word[i] as number)) {
      suppressTokens(logits, [word[prefix] as number])
    }
  }
}

/** Puts −Infinity in the place of `ids`; ids outside the logits are passed over. */
export function suppressTokens(logits: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < logits.length) logits[id] = -Infinity
}

/** Whether the last `count` tokens are those that `wanted` gives for 0 … count − 1. */
function endsWith(history: History, count: number, wanted: (i: number) => number): boolean {
  const from = lengthOf(history) - count
  for (let i = 0; i < count; i++) if (idAt(history, from + i) !== wanted(i)) return false
  return true
}

function lengthOf({ prompt, generated }: History): number {
  return prompt.length + generated.length
}

function idAt({ prompt, generated }: History, i: number): number {
  return (i < prompt.length ? prompt[i] : generated[i - prompt.length]) as number
}

function checkBias(logitBias: ReadonlyMap<number, number>, vocabSize: number): void {
  for (const id of logitBias.keys()) {
    if (id < vocabSize) continue
    throw new InputError(
      'INPUT_OPTION',
      `generate: logitBias should name tokens below ${vocabSize}, the size of the vocabulary, ${id} came.`,
    )
  }
}
