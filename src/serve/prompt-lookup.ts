/**
 * Prompt look-up decoding: what followed the same words before is guessed to follow again, and several guesses are checked
 * in one run.
 *
 * Every token is chosen from the logits that it would be chosen from alone, in the same order; a guess that was not chosen
 * is forgotten with all after it. So an answer is what it is without, token by token.
 * Source: Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding; checking in one run, arXiv:2211.17192.
 */
import type { RunOptions } from '../runtime/runtime.ts'
import type { SequenceRequest } from './scheduled-sequence.ts'
import type { SequenceGroup } from './sequence-group.ts'

export type LookupOptions = {
  /** Tokens that must have occurred in a row; where so many did not, fewer are looked for. */
  readonly ngram: number
  /** Most guesses that are checked at once. */
  readonly maxTokens: number
}

export const LOOKUP_DEFAULTS: LookupOptions = { ngram: 3, maxTokens: 10 }

/**
 * The tokens after the last earlier occurrence of the longest end of `keys` that occurs before, at most `maxTokens`.
 *
 * Keys are token ids, or negative for rows of pictures, which end what can be guessed and match nothing.
 */
export function lookUp(keys: readonly number[], { ngram, maxTokens }: LookupOptions): number[] {
  for (let size = Math.min(ngram, keys.length - 1); size >= 1; size--) {
    const found = lastOccurrence(keys, size)
    if (found === null) continue
    const guesses: number[] = []
    for (let i = found + size; i < keys.length && guesses.length < maxTokens; i++) {
      const key = keys[i] as number
      if (key < 0) break
      guesses.push(key)
    }
    if (guesses.length > 0) return guesses
  }
  return []
}

/** Where the last `size` keys begin once more before their own place, as late as possible. */
function lastOccurrence(keys: readonly number[], size: number): number | null {
  const end = keys.length - size
  for (let start = end - 1; start >= 0; start--) {
    let i = 0
    while (i < size && keys[start + i] === keys[end + i] && (keys[end + i] as number) >= 0) i++
    if (i === size) return start
  }
  return null
}

export type LookupCounts = {
  /** Runs of the decoder after the prompt. */
  runs: number
  /** Guesses that were checked, and those that were chosen. */
  guessed: number
  accepted: number
}

/** Runs a sequence to its end in an empty group of one row. */
export async function decodeByLookup(
  group: SequenceGroup,
  request: SequenceRequest,
  { lookup, ...run }: RunOptions & { readonly lookup: LookupOptions },
): Promise<LookupCounts> {
  const { prompt, maxTokens, onPrefilled } = request
  const counts = { runs: 0, guessed: 0, accepted: 0 }
  const { length } = prompt.keys
  const last = { cachedLength: 0, logitRows: [length - 1] }
  const first = await group.add(prompt, last, run)
  onPrefilled?.(0)
  const keys = [...prompt.keys]
  let token = await chooseNext(request, first)
  while (token !== null) {
    keys.push(token)
    // The token itself takes a position, and the last one that may be chosen needs none.
    const room = length + maxTokens - keys.length
    const guesses = lookUp(keys, lookup).slice(0, Math.max(0, room))
    const logits = await group.extend([token, ...guesses], run)
    counts.runs++
    counts.guessed += guesses.length
    const checked = await check(logits, guesses, request)
    counts.accepted += checked.accepted.length
    keys.push(...checked.accepted)
    group.rewind(keys.length)
    token = checked.token
  }
  return counts
}

/** The guesses that are chosen, and the token chosen after them; null: the answer ended. */
async function check(
  logits: Float32Array,
  guesses: readonly number[],
  request: SequenceRequest,
): Promise<{ readonly accepted: number[]; readonly token: number | null }> {
  const vocabSize = logits.length / (guesses.length + 1)
  const accepted: number[] = []
  for (let i = 0; ; i++) {
    const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize)
    const token = await chooseNext(request, row)
    if (token === null || i === guesses.length || token !== guesses[i]) return { accepted, token }
    accepted.push(token)
  }
}

async function chooseNext(request: SequenceRequest, logits: Float32Array): Promise<number | null> {
  await request.ready?.()
  return request.next(logits)
}
