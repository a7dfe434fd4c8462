/**
 * A tokenizer from tiktoken ranks: lines of a token in base64 and its rank, as Meta publishes Llama 3's tokenizer.model.
 *
 * Such a file holds neither the expression that cuts the text nor the special tokens; both come from the caller.
 * Source: openai/tiktoken 0.7, tiktoken/load.py; meta-llama/llama3, llama/tokenizer.py.
 */
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { Bpe } from './bpe.ts'
import { pieceMergeSteps } from './bpe-merges.ts'
import { compileDecoder } from './detokenizer.ts'
import { compilePreTokenizer } from './pre-tokenizer.ts'
import { LLAMA3_PATTERN } from './published-patterns.ts'
import { specialToken } from './tokenizer-added.ts'
import { BYTE_CHARS } from './tokenizer-bytes.ts'
import { damaged } from './tokenizer-fields.ts'
import { Tokenizer } from './tokenizer.ts'
import { vocabularySteps } from './tokenizer-vocabulary.ts'

export type TiktokenOptions = {
  /** The expression that cuts a text into words. */
  readonly pattern: string
  /** Special tokens; their ids follow the ranks in this order. */
  readonly special: readonly string[]
  /** Stands before a text when BOS is asked for. */
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
}

/** Throws CheckpointError where a line is not a token and its rank. */
export function tokenizerFromTiktoken(bytes: Uint8Array, options: TiktokenOptions): Tokenizer {
  checkArgument('tokenizerFromTiktoken: bytes', bytes, 'bytes in a Uint8Array')
  checkFields(
    'tokenizerFromTiktoken: options',
    options,
    ['pattern', 'special'],
    'LLAMA3 are those of Llama 3',
  )
  return atOnce(tiktokenSteps(bytes, options))
}

/** The same with pauses. */
export function* tiktokenSteps(bytes: Uint8Array, options: TiktokenOptions): Steps<Tokenizer> {
  const vocabulary = yield* vocabularySteps(readRanks(bytes), 'ranks')
  const { ids } = vocabulary
  const order = [...ids].sort((a, b) => a[1] - b[1])
  yield
  const merges = yield* pieceMergeSteps(
    ids,
    order.map(([piece, id]) => ({ id, piece, isTie: false })),
  )
  const bpe = new Bpe({ ids, merges, byteLevel: true, ignoreMerges: true })
  const words = compilePreTokenizer(wordsOf(options.pattern))
  const added = options.special.map((token, i) => specialToken(vocabulary.tokens.length + i, token))
  const bos = added.find(({ content }) => content === options.bos)
  return new Tokenizer({
    vocabulary,
    added,
    roles: { bos: options.bos, eos: options.eos, pad: options.pad },
    normalize: (text) => text,
    encode: (text, isStart, out) => bpe.encode(words.split(text, isStart), out),
    around: { before: bos ? [bos.id] : [], after: [] },
    decoder: compileDecoder({ type: 'ByteLevel' }),
  })
}

function wordsOf(pattern: string): unknown {
  return {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated' },
      { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    ],
  }
}

function* readRanks(bytes: Uint8Array): Generator<readonly [string, number]> {
  const lines = new TextDecoder().decode(bytes).split('\n')
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const found = /^([A-Za-z0-9+/]+={0,2}) (\d{1,9})\s*$/.exec(line)
    const token = found ? decodeBase64(found[1] as string) : undefined
    if (!found || token === undefined) throw damaged(`line ${i + 1}`, 'base64 and a rank', line)
    yield [token, Number(found[2])]
  }
}

/** The token's bytes in their stand-ins. */
function decodeBase64(base64: string): string | undefined {
  if (base64.length % 4 !== 0) return undefined
  let spelt = ''
  for (const char of atob(base64)) spelt += BYTE_CHARS[char.charCodeAt(0)] as string
  return spelt
}

const reserved = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `<|reserved_special_token_${from + i}|>`)

/** What meta-llama/llama3's code adds to its 128,000 ranks. */
export const LLAMA3: TiktokenOptions = {
  pattern: LLAMA3_PATTERN,
  special: [
    '<|begin_of_text|>',
    '<|end_of_text|>',
    ...reserved(0, 4),
    '<|start_header_id|>',
    '<|end_header_id|>',
    ...reserved(4, 5),
    '<|eot_id|>',
    ...reserved(5, 251),
  ],
  bos: '<|begin_of_text|>',
  eos: '<|eot_id|>',
}
