import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { CheckpointError, ConfigError, LlavaError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import {
  jsonFileSteps,
  parseJsonFile,
  tokenizerFromJson,
  tokenizerSteps,
} from './tokenizer-json.ts'
import type { Tokenizer } from './tokenizer.ts'

const FILE = 'fixtures/text/tokenizers/layer-list/tokenizer.json'
const bytes = readFileSync(FILE)

type Json = { [key: string]: unknown; model: { [key: string]: unknown } }

function read(): Json {
  return JSON.parse(bytes.toString('utf8')) as Json
}

/** The same file with some fields replaced. */
function changed(fields: object, model: object = {}): unknown {
  const json = read()
  return { ...json, ...fields, model: { ...json.model, ...model } }
}

function refuses(
  json: unknown,
  kind: typeof CheckpointError | typeof ConfigError,
  ...words: string[]
): void {
  assert.throws(
    () => tokenizerFromJson(json),
    (error) => error instanceof kind && words.every((word) => error.message.includes(word)),
  )
}

test('merges as pairs and as strings are the same tokenizer', () => {
  const merges = read().model['merges'] as string[][]
  const strings = tokenizerFromJson(changed({}, { merges: merges.map((pair) => pair.join(' ')) }))
  const text = 'A red stop sign, and a cat.'
  assert.deepEqual(strings.encode(text), tokenizerFromJson(read()).encode(text))
})

test('no space is put before a text where a LlamaTokenizer is to add none', () => {
  const tokenizerConfig = { tokenizer_class: 'LlamaTokenizer', add_prefix_space: false }
  for (const [name, ids] of Object.entries(UNPREFIXED)) {
    const folder = `fixtures/text/tokenizers/${name}`
    const json = parseJsonFile(readFileSync(`${folder}/tokenizer.json`), 'tokenizer.json')
    const bare = tokenizerFromJson(json, { tokenizerConfig })
    assert.deepEqual(
      UNPREFIXED_TEXTS.map((text) => bare.encode(text)),
      ids,
    )
    for (const text of UNPREFIXED_TEXTS) assert.equal(bare.decode(bare.encode(text)), text)
    const whole = tokenizerFromJson(json).encode('Hello')
    for (const change of [
      { add_prefix_space: true },
      { add_prefix_space: null },
      { tokenizer_class: 'PreTrainedTokenizerFast' },
    ]) {
      const other = tokenizerFromJson(json, { tokenizerConfig: { ...tokenizerConfig, ...change } })
      assert.deepEqual(other.encode('Hello'), whole)
    }
  }
})

/** transformers 5.24.0, `AutoTokenizer`, `encode(text, add_special_tokens=False)`; a Prepend and a Metaspace step. */
const UNPREFIXED_TEXTS = ['Hello', ' Hello', 'a<s>b']
const UNPREFIXED = {
  'llava-mlp': [
    [576, 317, 605],
    [621, 576, 317, 605],
    [591, 1, 592],
  ],
  'layer-list': [
    [512, 317, 541],
    [557, 512, 317, 541],
    [527, 1, 528],
  ],
}

test('models and steps that are not supported are named', () => {
  refuses(changed({}, { type: 'Unigram' }), ConfigError, 'model.type', 'Unigram', 'BPE')
  refuses(changed({}, { dropout: 0.1 }), ConfigError, 'dropout')
  refuses(changed({ normalizer: { type: 'Precompiled' } }), ConfigError, 'Precompiled', 'NFKC')
  refuses(changed({ pre_tokenizer: { type: 'UnicodeScripts' } }), ConfigError, 'UnicodeScripts')
  refuses(changed({ decoder: { type: 'CTC' } }), ConfigError, 'CTC', 'ByteFallback')
  refuses(changed({ post_processor: { type: 'constructor' } }), ConfigError, 'constructor')
  refuses(changed({ decoder: { type: 'toString' } }), ConfigError, 'toString')
})

test('damage is named by its place', () => {
  refuses(null, CheckpointError, 'tokenizer.json', 'object')
  refuses(changed({}, { vocab: [] }), CheckpointError, 'model.vocab')
  refuses(changed({}, { vocab: { a: 1, b: 1 } }), CheckpointError, '"b"', 'other than that of a')
  refuses(changed({}, { vocab: { a: -1 } }), CheckpointError, '"a"', '-1')
  refuses(changed({}, { merges: [['a', 'nothing']] }), CheckpointError, 'model.merges[0]')
  refuses(changed({}, { merges: ['a b c'] }), CheckpointError, 'model.merges[0]', 'pair')
  refuses(changed({}, { unk_token: '<none>' }), CheckpointError, 'unk_token')
  refuses(changed({ added_tokens: [{ id: 5, content: '<x>' }] }), CheckpointError, '<x>', '5')
  refuses(changed({ added_tokens: [{ id: 'a' }] }), CheckpointError, 'added_tokens[0].id')
})

test('steps nested without end are refused', () => {
  let normalizer: unknown = { type: 'NFC' }
  let pre_tokenizer: unknown = { type: 'Whitespace' }
  for (let i = 0; i < 5000; i++) {
    normalizer = { type: 'Sequence', normalizers: [normalizer] }
    pre_tokenizer = { type: 'Sequence', pretokenizers: [pre_tokenizer] }
  }
  refuses(changed({ normalizer }), ConfigError, 'nested')
  refuses(changed({ pre_tokenizer }), ConfigError, 'nested')
})

/** Texts are those of tokenizers 0.23 (`Tokenizer.decode`) for the words in their order. */
const WORDS = ['▁aa', 'b</w>', '<0xE2>', '<0x82>', '<0xAC>', 'c</w>']
const STRIP = { type: 'Strip', content: 'a', start: 1, stop: 1 }
const DECODED: readonly (readonly [decoder: object | null, text: string])[] = [
  [null, '▁aa b</w> <0xE2> <0x82> <0xAC> c</w>'],
  [{ type: 'ByteLevel' }, '▁aab</w><0xE2><0x82><0xAC>c</w>'],
  [{ type: 'BPEDecoder', suffix: '</w>' }, '▁aab <0xE2><0x82><0xAC>c'],
  [{ type: 'Metaspace', replacement: '▁' }, 'aab</w><0xE2><0x82><0xAC>c</w>'],
  [{ type: 'ByteFallback' }, '▁aab</w>€c</w>'],
  [STRIP, '▁ab</w><0xE2><0x82><0xAC>c</w>'],
  [{ type: 'Sequence', decoders: [{ type: 'Fuse' }, STRIP] }, '▁aab</w><0xE2><0x82><0xAC>c</w>'],
  [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, ' aab</w><0xE2><0x82><0xAC>c</w>'],
]

test('ids are decoded as tokenizers decodes them, at once and with pauses', () => {
  const vocab = Object.fromEntries(WORDS.map((word, i) => [word, i]))
  const model = { vocab, merges: [], unk_token: null }
  for (const [decoder, text] of DECODED) {
    const tokenizer = tokenizerFromJson(changed({ added_tokens: [], decoder }, model))
    const ids = WORDS.map((_, i) => i)
    assert.equal(tokenizer.decode(ids), text, JSON.stringify(decoder))
    assert.equal(atOnce(tokenizer.decodeSteps(ids)), text, JSON.stringify(decoder))
    const many = Array.from({ length: 3000 }, () => 0)
    assert.equal(tokenizer.decodeSteps(many).next().done, false)
  }
})

test('a huge id costs no memory', () => {
  const json = changed({ added_tokens: [{ id: 1_000_000_000, content: '<far>', special: true }] })
  const tokenizer = tokenizerFromJson(json)
  assert.deepEqual(tokenizer.encode('<far>'), [1_000_000_000])
  assert.equal(tokenizer.vocabSize, 572)
})

test('random bytes are a CheckpointError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      assert.throws(
        () => tokenizerFromJson(parseJsonFile(random, 'tokenizer.json')),
        CheckpointError,
      )
    }),
  )
})

test('any JSON is a tokenizer or an error of ours', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(
        'model',
        'vocab',
        'merges',
        'added_tokens',
        'normalizer',
        'pre_tokenizer',
        'post_processor',
        'decoder',
      ),
      (value, field) => {
        const inModel = field === 'vocab' || field === 'merges'
        const json = inModel ? changed({}, { [field]: value }) : { ...read(), [field]: value }
        works(() => tokenizerFromJson(json).encode('a b'))
      },
    ),
    { numRuns: 200 },
  )
})

test('a file with one byte changed is a tokenizer or an error of ours', () => {
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
      const copy = Uint8Array.from(bytes)
      copy[at] = byte
      works(() => tokenizerFromJson(parseJsonFile(copy, 'tokenizer.json')).encode('a b'))
      works(() => atOnce(fileSteps(copy)).encode('a b'))
    }),
    { numRuns: 200 },
  )
})

function* fileSteps(file: Uint8Array): Steps<Tokenizer> {
  return yield* tokenizerSteps(yield* jsonFileSteps(file, 'tokenizer.json'), {})
}

test('a vocabulary of a hundred thousand tokens is read with many pauses, to the same tokenizer', () => {
  const json = read() as Json & { model: { vocab: Record<string, number>; merges: string[][] } }
  const { vocab, merges } = json.model
  const letters = Object.keys(vocab).filter((token) => token.length === 1)
  const first = 1000 // Behind all tokens of the file.
  for (let i = 0; i < 100_000; i++) {
    const pair = [i % letters.length, Math.floor(i / letters.length) % letters.length]
    const halves = pair.map((at) => letters[at]!)
    const token = halves.join('')
    if (!(token in vocab)) merges.push(halves)
    vocab[token in vocab ? `${token}${i}` : token] = first + i
  }
  const steps = fileSteps(Buffer.from(JSON.stringify(json, null, 2)))
  let pauses = 0
  let result = steps.next()
  for (; !result.done; result = steps.next()) pauses++
  assert.ok(pauses > 80, `${pauses} pauses`)
  const text = 'A red stop sign, and a cat.'
  assert.deepEqual(result.value.encode(text), tokenizerFromJson(json).encode(text))
  assert.equal(result.value.vocabSize, tokenizerFromJson(json).vocabSize)
})

function works(call: () => unknown): void {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof LlavaError, String(error))
  }
}

test('tens of thousands of added tokens are found, the longest one that begins at a place', () => {
  const count = 20_000
  const names = Array.from({ length: count }, (_, i) => `<${(i * 7919) % count}>`)
  const added_tokens = names.map((content, i) => ({ id: 300 + i, content, special: true }))
  const long = { id: 300 + count, content: '<1><2>', special: true }
  const vocab = Object.fromEntries(Array.from('ab<>1234567890', (char, id) => [char, id]))
  const tokenizer = tokenizerFromJson(
    { model: { type: 'BPE', vocab, merges: [] }, added_tokens: [...added_tokens, long] },
    { addedTokens: undefined, tokenizerConfig: { additional_special_tokens: names } },
  )
  const id = (name: string) => tokenizer.idOf(name)
  const text = `a${names[5]}<1><2><1>b<1><x${names[count - 1]}`
  assert.deepEqual(tokenizer.encode(text).slice(0, 5), [0, id(names[5]!), long.id, id('<1>'), 1])
  assert.equal(tokenizer.encode(text).at(-1), id(names[count - 1]!))
})

/** tokenizers 0.23.3; 'x' stands for any other token. */
const STRIPPED = [
  { content: '  ', lstrip: false, rstrip: true, text: 'a     b', ids: ['x', 'own', 'own', 'x'] },
  {
    content: ' ',
    lstrip: false,
    rstrip: true,
    text: 'a   b',
    ids: ['x', 'own', 'own', 'own', 'x'],
  },
  { content: ' ', lstrip: true, rstrip: true, text: 'a   b', ids: ['x', 'own', 'x'] },
]

test('a token of white space that takes more along is found again in what it took', () => {
  for (const { text, ids, ...flags } of STRIPPED) {
    const own = { ...flags, id: 700, special: false, normalized: false, single_word: false }
    const tokenizer = tokenizerFromJson(changed({ added_tokens: [own], normalizer: null }))
    const found = tokenizer.encode(text).map((id) => (id === own.id ? 'own' : 'x'))
    assert.deepEqual(found, ids, text)
  }
})

test('a token that is looked for in normalised text is decoded to its normalised spelling', () => {
  const normalizer = {
    type: 'Sequence',
    normalizers: [{ type: 'Lowercase' }, { type: 'Prepend', prepend: '▁' }],
  }
  const decoder = { type: 'Replace', pattern: { String: '▁' }, content: ' ' }
  const model = { type: 'BPE', vocab: { a: 0, '</s>': 1 }, merges: [] }
  const added_tokens = [
    { id: 1, content: '</s>', special: true, normalized: true },
    { id: 2, content: '<Tool>', special: false, normalized: true },
    { id: 3, content: '<Raw>', special: false, normalized: false },
  ]
  const tokenizerConfig = { eos_token: '</s>' }
  const json = { model, normalizer, decoder, added_tokens }
  const tokenizer = tokenizerFromJson(json, { tokenizerConfig })
  const ids = [0, 2, 0, 3, 1]
  // As tokenizers 0.23.3 has them.
  assert.deepEqual(
    ids.map((id) => tokenizer.tokenOf(id)),
    ['a', '▁<tool>', 'a', '<Raw>', '▁</s>'],
  )
  assert.equal(tokenizer.decode(ids), 'a <tool>a<Raw> </s>')
  const stream = tokenizer.stream({ skipSpecial: false })
  assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), 'a <tool>a<Raw> </s>')
  // There ` </s>` stays.
  assert.equal(tokenizer.decode(ids, { skipSpecial: true }), 'a <tool>a<Raw>')
  assert.equal(tokenizer.idOf('<Tool>'), 2)
  assert.equal(tokenizer.eosToken, '</s>')
})
