/**
 * Tokenizers against what transformers, tokenizers, SentencePiece and the original repositories make of the same texts.
 *
 * The small sets in `fixtures/text/tokenizers` and `fixtures/inference` always run. LLAVA_FIXTURES names a folder with
 * `text`, `original` and `inference`, and `tokenizers` of LLAVA_ASSETS (by default `assets` beside that folder) the full vocabularies.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  LLAMA3,
  loadTokenizer,
  tokenizePrompt,
  tokenizerFromJson,
  tokenizerFromSentencePiece,
  tokenizerFromTiktoken,
  type SpaceRule,
  type Tokenizer,
  type TokenizerFiles,
} from '../../src/text/index.ts'
import { atOnce } from '../../src/core/steps.ts'
import { compileDecoder } from '../../src/text/detokenizer.ts'
import { compileNormalizer } from '../../src/text/normalizer.ts'
import { compilePreTokenizer } from '../../src/text/pre-tokenizer.ts'
import { toByteChars } from '../../src/text/tokenizer-bytes.ts'

const SMALL = 'fixtures/text/tokenizers'
const FIXTURES = process.env['LLAVA_FIXTURES']
const ASSETS = process.env['LLAVA_ASSETS'] ?? join(FIXTURES ?? '', '..', 'assets')

function readJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as T
}

type Row = {
  ids: number[]
  plain?: number[]
  around?: number[]
  decoded?: string
  skipped?: string
  undecoded?: true
}
type Step<T> = { json: unknown; out: T[] }
type Recorded = {
  folders: Record<string, Row[]>
  tiny: { name: string; tokenizer: unknown; rows: Row[] }[]
  tiny_texts: string[]
  short: string[]
  normalizers: Step<string | null>[]
  pre_tokenizers: Step<(string | number)[]>[]
  token_lists: string[][]
  decoders: Step<string>[]
}

function checkRows(tokenizer: Tokenizer, texts: string[], rows: Row[]): void {
  rows.forEach((row, i) => {
    const text = texts[i]!
    const where = JSON.stringify(text)
    assert.deepEqual(tokenizer.encode(text), row.ids, where)
    assert.deepEqual(tokenizer.encode(text, { specialTokens: 'text' }), row.plain ?? row.ids, where)
    assert.deepEqual(tokenizer.encode(text, { addBos: true }), row.around ?? row.ids, where)
    if (row.undecoded) return
    const decoded = row.decoded ?? text
    assert.equal(tokenizer.decode(row.ids), decoded)
    assert.equal(tokenizer.decode(row.ids, { skipSpecial: true }), row.skipped ?? decoded)
  })
}

describe('small tokenizers give the ids and texts that tokenizers 0.23 gives', () => {
  const recorded = readJson<Recorded>(SMALL, 'recorded.json')
  const texts = readJson<{ text: string }[]>(SMALL, 'strings.json').map(({ text }) => text)
  for (const [folder, rows] of Object.entries(recorded.folders)) {
    test(folder, async () => checkRows(await loadTokenizer(join(SMALL, folder)), texts, rows))
  }
  for (const { name, tokenizer, rows } of recorded.tiny) {
    test(name, () => checkRows(tokenizerFromJson(tokenizer), recorded.tiny_texts, rows))
  }
  for (const { json, out } of recorded.normalizers) {
    test(`normalizer ${JSON.stringify(json)}`, () => {
      const normalize = compileNormalizer(json)
      const expected = out.map((text, i) => text ?? recorded.short[i])
      assert.deepEqual(recorded.short.map(normalize), expected)
    })
  }
  for (const { json, out } of recorded.pre_tokenizers) {
    test(`pre-tokenizer ${JSON.stringify(json)}`, () => {
      const { split, byteLevel } = compilePreTokenizer(json)
      recorded.short.forEach((text, i) => {
        const pieces = text === '' ? [] : split(text, true)
        const spelt = byteLevel ? pieces.map(toByteChars) : pieces
        assert.deepEqual(spelt, cut(text, out[i]!), JSON.stringify(text))
      })
    })
  }
  for (const { json, out } of recorded.decoders) {
    test(`decoder ${JSON.stringify(json)}`, () => {
      const { decode } = compileDecoder(json)
      const texts = recorded.token_lists.map((tokens) => atOnce(decode(tokens)))
      assert.deepEqual(texts, out)
    })
  }
})

/** Pieces are recorded as such, or as their lengths where they are the text. */
function cut(text: string, pieces: (string | number)[]): string[] {
  let end = 0
  return pieces.map((piece) =>
    typeof piece === 'string' ? piece : text.slice(end, (end += piece)),
  )
}

describe('a SentencePiece folder gives the ids of the slow tokenizer of transformers 4.37', () => {
  const recorded = readJson<Record<'once' | 'legacy', number[][]> & { texts: string[] }>(
    SMALL,
    'recorded-slow.json',
  )
  for (const spaces of ['once', 'legacy'] as const) {
    test(spaces, async () => {
      const tokenizer = await loadTokenizer(join(SMALL, 'llava-v1'), { spaces })
      recorded.texts.forEach((text, i) => {
        const ids = tokenizer.encode(text, { addBos: true })
        assert.deepEqual(ids, recorded[spaces][i], JSON.stringify(text))
      })
    })
  }
})

type Ids = number[] | { count: number; sha256_i32le: string }
type Text = string | { sha256_utf8: string }
type StringRow = {
  name: string
  ids: Ids
  special_disallowed?: Ids
  decoded?: Text
  decoded_skip_special?: Text
} & { [variant in string]?: Ids }
type TextRecord = {
  strings: StringRow[]
  decode: { ids: number[]; text: string; skip_special?: string }[]
  stream: {
    ids: number[]
    skip_special: boolean
    pieces: string[]
    pieces_after_a_prompt?: string[]
  }[]
}
type Definition = {
  vocab_size: number
  vocab_sha256: string
  size_with_added: number
  prepended_ids: number[]
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function equalIds(ids: number[], expected: Ids, where: string): void {
  if (Array.isArray(expected)) return assert.deepEqual(ids, expected, where)
  assert.equal(ids.length, expected.count, where)
  const bytes = new Uint8Array(Int32Array.from(ids).buffer)
  assert.equal(sha256(bytes), expected.sha256_i32le, where)
}

function equalText(text: string, expected: Text, where: string): void {
  if (typeof expected === 'string') assert.equal(text, expected, where)
  else assert.equal(sha256(text), expected.sha256_utf8, where)
}

/** `<image>` and `<pad>` with the ids that the recordings gave them. */
function imageAndPad(first: number): TokenizerFiles {
  const token = (content: string): object => ({ content, special: true, normalized: false })
  const added = { [first]: token('<image>'), [first + 1]: token('<pad>') }
  return { tokenizerConfig: { added_tokens_decoder: added } }
}

function fromSentencePiece(name: string, spaces?: SpaceRule): Tokenizer {
  const bytes = readFileSync(join(ASSETS, 'tokenizers', `${name}.tokenizer.model`))
  return tokenizerFromSentencePiece(bytes, imageAndPad(32000), spaces)
}

function llama3(extra: string[]): Tokenizer {
  const bytes = readFileSync(join(ASSETS, 'tokenizers', 'llama3.tiktoken.model'))
  return tokenizerFromTiktoken(bytes, { ...LLAMA3, special: [...LLAMA3.special, ...extra] })
}

const skipText = FIXTURES && existsSync(join(FIXTURES, 'text')) ? false : 'LLAVA_FIXTURES/text'

describe('recorded tokenizers', { skip: skipText }, () => {
  const folder = join(FIXTURES ?? '', 'text')
  const file = (name: string): Promise<Tokenizer> =>
    loadTokenizer(join(folder, `tokenizer.${name}.json`))
  const makers: [string, string, () => Tokenizer | Promise<Tokenizer>, string?][] = [
    ['llama', 'tokenizer.json', () => file('llama')],
    ['smollm2', 'tokenizer.json', () => file('smollm2')],
    ['smollm2', 'GPT-2 words only', () => withoutDigits(folder), 'gguf_loader'],
    ['llama', 'tokenizer.model', () => fromSentencePiece('llama')],
    ['llama', 'first', () => fromSentencePiece('llama', 'first'), 'first'],
    ['llama', 'always', () => fromSentencePiece('llama', 'always'), 'always'],
    ['llama', 'Metaspace first', () => withMetaspace(folder, 'first'), 'first'],
    ['llama', 'Metaspace always', () => withMetaspace(folder, 'always'), 'always'],
    ['mistral-v1', 'tokenizer.model', () => fromSentencePiece('mistral-v1')],
    ['mistral-v1', 'first', () => fromSentencePiece('mistral-v1', 'first'), 'first'],
    ['mistral-v1', 'always', () => fromSentencePiece('mistral-v1', 'always'), 'always'],
    ['llama3', 'tiktoken', () => llama3(['<image>', '<pad>'])],
  ]
  for (const [name, form, make, variant] of makers) {
    test(`${name}, ${form}`, async () => {
      const record = readJson<TextRecord>(folder, `ids-${name}.json`)
      const tokenizer = await make()
      const definitions = readJson<{ tokenizers: Record<string, Definition> }>(
        folder,
        'definitions.json',
      )
      checkDefinition(tokenizer, definitions.tokenizers[name]!)
      checkStrings(tokenizer, record, folder, variant)
      checkLists(tokenizer, record)
    })
  }
})

/** The vocabulary in the order of its ids, added tokens behind it left out. */
function checkDefinition(tokenizer: Tokenizer, definition: Definition): void {
  assert.equal(tokenizer.vocabSize, definition.size_with_added)
  assert.deepEqual(tokenizer.prefixIds, definition.prepended_ids)
  const tokens = Array.from({ length: definition.vocab_size }, (_, id) => tokenizer.tokenOf(id))
  assert.equal(sha256(tokens.join('\n')), definition.vocab_sha256)
}

function checkStrings(
  tokenizer: Tokenizer,
  record: TextRecord,
  folder: string,
  variant?: string,
): void {
  const strings = readJson<{ text: string; utf16?: number[] }[]>(folder, 'strings.json')
  record.strings.forEach((row, i) => {
    const { text, utf16 } = strings[i]!
    const ids = tokenizer.encode(utf16 ? String.fromCharCode(...utf16) : text)
    equalIds(ids, (variant ? row[variant] : undefined) ?? row.ids, row.name)
    if (variant) return
    const plain = tokenizer.encode(text, { specialTokens: 'text' })
    equalIds(plain, row.special_disallowed ?? row.ids, row.name)
    const decoded = row.decoded ?? text
    equalText(tokenizer.decode(ids), decoded, row.name)
    const skipped = tokenizer.decode(ids, { skipSpecial: true })
    equalText(skipped, row.decoded_skip_special ?? decoded, row.name)
  })
}

function checkLists(tokenizer: Tokenizer, record: TextRecord): void {
  for (const { ids, text, skip_special } of record.decode) {
    assert.equal(tokenizer.decode(ids), text)
    assert.equal(tokenizer.decode(ids, { skipSpecial: true }), skip_special ?? text)
  }
  for (const { ids, skip_special, pieces, pieces_after_a_prompt } of record.stream) {
    assert.deepEqual(streamed(tokenizer, ids, skip_special, false), pieces)
    if (!pieces_after_a_prompt) continue
    assert.deepEqual(streamed(tokenizer, ids, skip_special, true), pieces_after_a_prompt)
  }
}

function streamed(
  tokenizer: Tokenizer,
  ids: number[],
  skipSpecial: boolean,
  continuation: boolean,
): string[] {
  const stream = tokenizer.stream({ skipSpecial, continuation })
  return [...ids.map((id) => stream.push(id)), stream.end()]
}

function withMetaspace(folder: string, prepend_scheme: string): Tokenizer {
  const json = readJson<object>(folder, 'tokenizer.llama.json')
  const pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme, split: false }
  return tokenizerFromJson({ ...json, normalizer: null, pre_tokenizer })
}

function withoutDigits(folder: string): Tokenizer {
  const json = readJson<object>(folder, 'tokenizer.smollm2.json')
  const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false, use_regex: true }
  return tokenizerFromJson({ ...json, pre_tokenizer })
}

describe('prompts with pictures', { skip: skipText }, () => {
  type Prompt = { tokenizer: string; text: string; ids: number[]; ids_one_piece: number[] }
  const cases = skipText ? [] : readJson<Prompt[]>(FIXTURES!, 'text', 'image-prompts.json')
  const made = new Map<string, Tokenizer>()
  const tokenizerOf = (name: string): Tokenizer => {
    const tokenizer =
      made.get(name) ?? (name === 'llama3' ? llama3(['<image>', '<pad>']) : fromSentencePiece(name))
    made.set(name, tokenizer)
    return tokenizer
  }
  cases.forEach(({ tokenizer: name, text, ids, ids_one_piece }, i) => {
    test(`${i}: ${name}`, () => {
      const tokenizer = tokenizerOf(name)
      assert.deepEqual(tokenizer.encode(text), ids_one_piece)
      // Recorded without the second BOS that the original gives to Llama 3's rendered prompts.
      assert.deepEqual(tokenizePrompt(tokenizer, text, { doubleBos: false }), ids)
    })
  })
})

const skipOriginal =
  FIXTURES && existsSync(join(FIXTURES, 'original', 'tokens.json'))
    ? false
    : 'LLAVA_FIXTURES/original'

describe('tokenizer_image_token of the original repositories', { skip: skipOriginal }, () => {
  type Tokens = { bos: number | null; size: number; ids: number[][] }
  type Repository = { prompts: string[]; tokenizers: Record<string, Tokens> }
  const original = join(FIXTURES ?? '', 'original')
  const asset = (name: string, files: TokenizerFiles): Tokenizer =>
    tokenizerFromSentencePiece(readFileSync(join(ASSETS, 'tokenizers', name)), files)
  const LLAMA = 'llama.tokenizer.model'
  const MISTRAL = 'mistral-v1.tokenizer.model'
  const chatml = (legacy: boolean): TokenizerFiles => ({
    tokenizerConfig: { legacy, add_bos_token: false },
    specialTokensMap: { additional_special_tokens: ['<|im_start|>', '<|im_end|>'] },
    addedTokens: { '<|im_start|>': 32000, '<|im_end|>': 32001 },
  })
  const makers: Record<string, () => Tokenizer | Promise<Tokenizer>> = {
    llama: () => asset(LLAMA, { tokenizerConfig: { legacy: false } }),
    'llama-legacy': () => asset(LLAMA, { tokenizerConfig: { legacy: true } }),
    'llama-chatml': () => asset(LLAMA, chatml(false)),
    'llama-chatml-legacy': () => asset(LLAMA, chatml(true)),
    mistral: () => asset(MISTRAL, {}),
    'mistral-fast': () => asset(MISTRAL, {}),
    llama3: () => loadTokenizer(join(ASSETS, 'tokenizers', 'llama3.tiktoken.model')),
    chatml: () => loadTokenizer(join(original, 'tokenizers', 'chatml')),
    gemma: () => loadTokenizer(join(original, 'tokenizers', 'gemma')),
    'tiny-llama': () => loadTokenizer(join(original, 'tokenizers', 'tiny-llama')),
  }
  const recorded = skipOriginal ? {} : readJson<Record<string, Repository>>(original, 'tokens.json')
  for (const [repository, { prompts, tokenizers }] of Object.entries(recorded)) {
    for (const [name, expected] of Object.entries(tokenizers)) {
      test(`${repository}, ${name}`, async () => {
        const tokenizer = await makers[name]!()
        assert.equal(tokenizer.vocabSize, expected.size)
        assert.equal(tokenizer.bosId ?? null, expected.bos)
        prompts.forEach((prompt, i) => {
          assert.deepEqual(tokenizePrompt(tokenizer, prompt), expected.ids[i], prompt)
        })
      })
    }
  }
})

describe('prompts of the tiny checkpoints', () => {
  type Expected = {
    prompts: { name: string; text: string; greedy: { ids: number[]; text: string } }[]
  }
  const root = join(FIXTURES ?? 'fixtures', 'inference')
  const cases = readdirSync(root).filter((name) =>
    existsSync(join(root, name, 'expected.safetensors')),
  )
  for (const name of cases) {
    test(name, async () => {
      const tokenizer = await loadTokenizer(join(root, name))
      const { prompts } = readJson<Expected>(root, name, 'expected.json')
      const recorded = recordedPrompts(join(root, name, 'expected.safetensors'))
      const placeholders = ['<image>', '<video>'].map((token) => tokenizer.idOf(token))
      prompts.forEach(({ name: prompt, text, greedy }) => {
        assert.equal(tokenizer.decode(greedy.ids, { skipSpecial: true }), greedy.text)
        const once = (ids: number[]): number[] =>
          ids.filter((id, at) => id !== ids[at - 1] || !placeholders.includes(id))
        const ids = tokenizer.encode(text, { addBos: true })
        assert.deepEqual(once(ids), once(recorded.get(`${prompt}.input_ids`)!))
      })
    })
  }
})

/** The int32 tensors of a safetensors file. */
function recordedPrompts(file: string): Map<string, number[]> {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype?: string; data_offsets: [number, number] }
  >
  const result = new Map<string, number[]>()
  for (const [name, { dtype, data_offsets: range }] of Object.entries(header)) {
    if (dtype !== 'I32') continue
    const data = bytes.subarray(8 + length + range[0], 8 + length + range[1])
    result.set(
      name,
      Array.from({ length: data.length / 4 }, (_, i) => data.readInt32LE(4 * i)),
    )
  }
  return result
}
