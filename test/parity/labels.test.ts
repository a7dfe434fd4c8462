/**
 * Image tags and label masks against the original repositories.
 *
 * LLAVA_FIXTURES names a folder with `original/labels.json` and `original/tokenizers/`; LLaMA's, Mistral's and Llama 3's
 * tokenizers are looked for in the folder that LLAVA_TOKENIZERS names, or in `assets/tokenizers` beside the first. Without
 * them the small set in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { InputError } from '../../src/core/errors.ts'
import type { Repository } from '../../src/text/conversation-modes.ts'
import {
  labelConversation,
  LLAMA3,
  normaliseImageTags,
  tokenizerFromJson,
  tokenizerFromSentencePiece,
  tokenizerFromTiktoken,
  type LabelledConversation,
  type Tokenizer,
  type Turn,
} from '../../src/text/index.ts'

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const TOKENIZERS = process.env['LLAVA_TOKENIZERS'] ?? join(FOLDER, '../assets/tokenizers')
const SMALL = join(FOLDER, 'original/tokenizers')

type LabelCase = {
  case: string
  input_ids?: number[]
  kept?: [number, number][]
  warning?: string
  error?: string
}
type LabelFunction = {
  function: string
  template: string
  tokenizer: string
  model_max_length?: number
  cases: LabelCase[]
}
type Recorded = Record<
  Repository,
  {
    multimodal: { template: string; mm_use_im_start_end: boolean; in: Turn[]; out: Turn[] }[]
    conversations: { name: string; turns: Turn[] }[]
    functions: LabelFunction[]
  }
>

const recorded = JSON.parse(readFileSync(join(FOLDER, 'original/labels.json'), 'utf8')) as Recorded

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

function tokenizerOf(name: string): Tokenizer {
  const [file, load] = LOADERS[name]!
  const tokenizer = loaded.get(name) ?? load(readFileSync(file))
  loaded.set(name, tokenizer)
  return tokenizer
}

function keptRanges({ labels }: LabelledConversation): [number, number][] {
  const ranges: [number, number][] = []
  labels.forEach((label, i) => {
    const last = ranges.at(-1)
    if (label === -100) return
    if (last?.[1] === i) last[1]++
    else ranges.push([i, i + 1])
  })
  return ranges
}

function check(f: LabelFunction, repository: Repository, turns: Turn[], expected: LabelCase) {
  const tokenizer = tokenizerOf(f.tokenizer)
  const label = () =>
    labelConversation(f.template, tokenizer, turns, {
      repository,
      ...(f.model_max_length && { modelMaxLength: f.model_max_length }),
    })
  if (expected.error !== undefined) return assert.throws(label, InputError)
  if (expected.warning !== undefined) {
    const [, walked, length] = /(\d+) vs\. (\d+)/.exec(expected.warning)!
    const message = new RegExp(`cover ${length} tokens, they cover ${walked};`)
    return assert.throws(label, { code: 'INPUT_LABELS_MISALIGNED', message })
  }
  const labelled = label()
  assert.deepEqual(labelled.inputIds, expected.input_ids)
  assert.deepEqual(keptRanges(labelled), expected.kept)
  labelled.labels.forEach((id, i) => assert.ok(id === -100 || id === labelled.inputIds[i]))
}

for (const [repository, { multimodal, conversations, functions }] of Object.entries(recorded) as [
  Repository,
  Recorded[Repository],
][]) {
  describe(`labels of ${repository}`, () => {
    test('image tags stand where preprocess_multimodal puts them', () => {
      for (const c of multimodal) {
        const options = { repository, mode: c.template, wrapImage: c.mm_use_im_start_end }
        assert.deepEqual(normaliseImageTags(c.in, options), c.out)
      }
    })

    for (const f of functions) {
      const file = LOADERS[f.tokenizer]![0]
      const skip = existsSync(file) ? false : `${file} is not there`
      const limit = f.model_max_length ? `, at most ${f.model_max_length}` : ''
      test(`${f.template} with ${f.tokenizer}${limit}`, { skip }, () => {
        for (const expected of f.cases) {
          const { turns } = conversations.find(({ name }) => name === expected.case)!
          check(f, repository, turns, expected)
        }
      })
    }
  })
}
