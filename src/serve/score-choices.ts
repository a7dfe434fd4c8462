/**
 * Log-probabilities of given texts behind a prompt, as an answer that is forced would have them.
 *
 * Each text is a sequence of the scheduler whose tokens are chosen beforehand: they begin alike, so the prompt is read once,
 * and what was read for earlier requests is not read again. A text is tokenised where it stands: conversation and text
 * together, since at their border a token may be of both.
 */
import { InputError } from '../core/errors.ts'
import { FLAG, kindFaults, SIGNAL, TEXTS, type OptionKinds } from '../core/option-kinds.ts'
import type { Usage } from './answer.ts'
import { commonLength } from './common-length.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { Engine } from './engine.ts'
import type { EncodedPrompt, EncodeOptions } from './generator.ts'
import { logSumExp } from './logprobs.ts'
import type { PlainMessage } from './messages.ts'
import type { PromptPreparer } from './prepare-prompt.ts'
import type { Prompt } from './request.ts'
import { extendPrompt, type SequenceRequest } from './scheduled-sequence.ts'
import type { EmbeddedPrompt } from './sequence-group.ts'

export type ChoiceFields = {
  readonly choices: readonly string[]
  /** Also without the prompt. Default false. */
  readonly unconditional?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export type ChoiceScores = {
  readonly choices: readonly ChoiceScore[]
  readonly usage: Usage
}

export type ChoiceScore = {
  readonly tokens: readonly number[]
  /** Of each token, after the prompt and the tokens before it. */
  readonly logprobs: readonly number[]
  /** The same without the prompt; the first, which nothing precedes, is 0. */
  readonly unconditional?: readonly number[]
}

export type ScoringParts = {
  readonly preparer: PromptPreparer
  readonly engine: Engine
  readonly table: EmbeddingTable
  readonly encode: (prompt: Prompt, options: EncodeOptions) => Promise<EncodedPrompt>
}

/** Throws InputError for fields of another kind, and for a prompt of ids. */
export async function scoreChoices(
  prompt: Prompt,
  fields: ChoiceFields,
  parts: ScoringParts,
): Promise<ChoiceScores> {
  checkFields(fields)
  const { choices, unconditional = false, signal } = fields
  signal?.throwIfAborted()
  const { cut, tails } = tailsOf(prompt, choices, parts.preparer)
  const longest = Math.max(...tails.map((tail) => tail.length))
  const encoded = await parts.encode(prompt, { signal, answer: longest })
  const base = shortened(encoded.embedded, cut, parts.table)
  const forced = tails.map((tail) => new ForcedAnswer(base, tail, signal))
  const alone = unconditional ? tails.map((tail) => aloneOf(tail, parts.table, signal)) : []
  const requests = [...forced, ...alone.flatMap((one) => one ?? [])].map(({ request }) => request)
  await parts.engine.generate(requests)
  signal?.throwIfAborted()
  const { inputIds, imageSlots } = encoded.prepared
  return {
    choices: forced.map(({ tokens, logprobs }, i) => ({
      tokens,
      logprobs,
      ...(unconditional && { unconditional: [0, ...(alone[i]?.logprobs ?? [])] }),
    })),
    usage: {
      promptTokens: inputIds.length,
      imageTokens: imageSlots.length,
      // One of them read what was not there; the others found it.
      cachedTokens: Math.min(...forced.map(({ cachedTokens }) => cachedTokens)),
      completionTokens: tails.reduce((sum, tail) => sum + tail.length, 0),
    },
  }
}

type Tails = {
  /** Tokens at the end of the prompt that some text changes. */
  readonly cut: number
  readonly tails: readonly (readonly number[])[]
}

function tailsOf(prompt: Prompt, choices: readonly string[], preparer: PromptPreparer): Tails {
  const base = preparer.promptIds(prompt)
  const whole = choices.map((choice) => preparer.promptIds(continued(prompt, choice)))
  const start = Math.min(...whole.map((ids) => commonLength(base, ids)))
  const tails = whole.map((ids) => ids.slice(start))
  return { cut: base.length - start, tails }
}

function checkFields(fields: ChoiceFields): void {
  const faults = kindFaults(fields, KINDS)
  if (faults.length > 0) throw new InputError('INPUT_OPTION', `scoreChoices: ${faults.join('; ')}.`)
}

const KINDS: OptionKinds<ChoiceFields> = {
  choices: {
    expected: 'at least one text, none of them empty',
    is: (value) => TEXTS.is(value) && (value as string[]).length > 0,
    isRequired: true,
  },
  unconditional: FLAG,
  signal: SIGNAL,
}

function continued(prompt: Prompt, text: string): Prompt {
  if (prompt.kind === 'messages') return { ...prompt, messages: withAnswer(prompt.messages, text) }
  if (prompt.kind === 'text') return { ...prompt, text: prompt.text + text }
  throw new InputError('INPUT_PROMPT', 'scoreChoices: the prompt should be messages or a text.')
}

/** The conversation with the text as the assistant's, or behind what the assistant has begun. */
function withAnswer(messages: readonly PlainMessage[], text: string): readonly PlainMessage[] {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return [...messages, { role: 'assistant', content: text }]
  const { content } = last
  const begun =
    typeof content === 'string' ? content + text : [...content, { type: 'text', text } as const]
  return [...messages.slice(0, -1), { ...last, content: begun }]
}

function shortened(prompt: EmbeddedPrompt, cut: number, { width }: EmbeddingTable): EmbeddedPrompt {
  if (cut === 0) return prompt
  const keys = prompt.keys.slice(0, -cut)
  return {
    keys,
    embeddings: async (from) =>
      (await prompt.embeddings(from)).subarray(0, (keys.length - from) * width),
  }
}

const NOTHING: EmbeddedPrompt = { keys: [], embeddings: async () => new Float32Array(0) }

/** The tokens after the first, which is the whole prompt; null where there are none. */
function aloneOf(
  tail: readonly number[],
  table: EmbeddingTable,
  signal: AbortSignal | undefined,
): ForcedAnswer | null {
  const [first, ...rest] = tail
  if (first === undefined || rest.length === 0) return null
  return new ForcedAnswer(extendPrompt(NOTHING, [first], table), rest, signal)
}

/** A sequence whose tokens are known, and what the model thinks of each. */
class ForcedAnswer {
  readonly tokens: readonly number[]
  readonly logprobs: number[] = []
  readonly request: SequenceRequest
  cachedTokens = 0

  constructor(prompt: EmbeddedPrompt, tokens: readonly number[], signal: AbortSignal | undefined) {
    this.tokens = tokens
    this.request = {
      prompt,
      maxTokens: tokens.length,
      signal,
      onPrefilled: (cachedLength) => void (this.cachedTokens = cachedLength),
      next: (logits) => this.#next(logits),
    }
  }

  #next(logits: Float32Array): number | null {
    const id = this.tokens[this.logprobs.length] as number
    this.logprobs.push((logits[id] as number) - logSumExp(logits))
    return this.logprobs.length < this.tokens.length ? id : null
  }
}
