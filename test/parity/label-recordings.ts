/** Recorded conversations with their ids and masks, and the tokenizers that they were recorded with. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Repository } from '../../src/text/conversation-modes.ts'
import {
  LLAMA3,
  tokenizerFromJson,
  tokenizerFromSentencePiece,
  tokenizerFromTiktoken,
  type Tokenizer,
  type Turn,
} from '../../src/text/index.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const TOKENIZERS = process.env['LLAVA_TOKENIZERS'] ?? join(FOLDER, '../assets/tokenizers')
const SMALL = join(FOLDER, 'original/tokenizers')

export type LabelCase = {
  case: string
  input_ids?: number[]
  kept?: [number, number][]
  warning?: string
  error?: string
}
export type LabelFunction = {
  function: string
  template: string
  tokenizer: string
  model_max_length?: number
  cases: LabelCase[]
}
export type Recorded = Record<
  Repository,
  {
    multimodal: { template: string; mm_use_im_start_end: boolean; in: Turn[]; out: Turn[] }[]
    conversations: { name: string; turns: Turn[] }[]
    functions: LabelFunction[]
  }
>

export const recorded = JSON.parse(
  readFileSync(join(FOLDER, 'original/labels.json'), 'utf8'),
) as Recorded

const MARKS = ['<|im_start|>', '<|im_end|>']

function sentencePiece(file: string, config: object) {
  const added = Object.fromEntries(
    ('add_bos_token' in config ? MARKS : []).map((content, i) => [
      32000 + i,
      { content, special: true, normalized: false },
    ]),
  )
  const roles = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' }
  const tokenizerConfig = { ...roles, ...config, added_tokens_decoder: added }
  return [file, (bytes: Buffer) => tokenizerFromSentencePiece(bytes, { tokenizerConfig })] as const
}

function json(file: string, tokenizerConfig: object) {
  const load = (bytes: Buffer) => tokenizerFromJson(JSON.parse(String(bytes)), { tokenizerConfig })
  return [file, load] as const
}

const llama = join(TOKENIZERS, 'llama.tokenizer.model')
const mistral = join(TOKENIZERS, 'mistral-v1.tokenizer.model')

const LOADERS: Record<string, readonly [file: string, load: (bytes: Buffer) => Tokenizer]> = {
  llama: sentencePiece(llama, { legacy: false }),
  'llama-legacy': sentencePiece(llama, { legacy: true }),
  'llama-chatml': sentencePiece(llama, { legacy: false, add_bos_token: false }),
  'llama-chatml-legacy': sentencePiece(llama, { legacy: true, add_bos_token: false }),
  mistral: sentencePiece(mistral, { legacy: true }),
  'mistral-fast': sentencePiece(mistral, { legacy: true }),
  'tiny-llama': sentencePiece(join(SMALL, 'tiny-llama/tokenizer.model'), { legacy: false }),
  llama3: [
    join(TOKENIZERS, 'llama3.tiktoken.model'),
    (bytes) => tokenizerFromTiktoken(bytes, LLAMA3),
  ],
  chatml: json(join(SMALL, 'chatml/tokenizer.json'), { pad_token: '<|endoftext|>' }),
  gemma: json(join(SMALL, 'gemma/tokenizer.json'), { pad_token: '<pad>', bos_token: '<bos>' }),
}

const loaded = new Map<string, Tokenizer>()

export function tokenizerOf(name: string): Tokenizer {
  const [file, load] = LOADERS[name]!
  const tokenizer = loaded.get(name) ?? load(readFileSync(file))
  loaded.set(name, tokenizer)
  return tokenizer
}

/** Why a recording cannot be compared with here, or false. */
export function skipOf(f: LabelFunction): string | false {
  const file = LOADERS[f.tokenizer]![0]
  return existsSync(file) ? false : `${file} is not there`
}
