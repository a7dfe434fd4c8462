import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { CheckpointError, ConfigError, LlavaError } from '../core/errors.ts'
import { tokenizerFromSentencePiece, type SpaceRule } from './sentencepiece.ts'

const bytes = readFileSync('fixtures/text/tokenizers/llava-v1/tokenizer.model')

const encoder = new TextEncoder()

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
}

function message(field: number, content: Iterable<number>): number[] {
  const list = [...content]
  return [...varint(field * 8 + 2), ...varint(list.length), ...list]
}

function number(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)]
}

function piece(text: string, score: number, type: number): number[] {
  const float = new Uint8Array(Float32Array.of(score).buffer)
  return message(1, [...message(1, encoder.encode(text)), 2 * 8 + 5, ...float, ...number(3, type)])
}

/** A model of a few pieces; those of the list are normal, the earlier the sooner they merge. */
function model(
  pieces: readonly string[],
  extra: readonly number[] = [],
  normalizer: readonly number[] = [],
): Uint8Array {
  const control = [piece('<unk>', 0, 2), piece('<s>', 0, 3), piece('</s>', 0, 3)].flat()
  const normal = pieces.flatMap((text, i) => piece(text, -i, 1))
  return Uint8Array.from([
    ...control,
    ...normal,
    ...extra,
    ...message(2, number(3, 2)),
    ...message(3, normalizer),
  ])
}

/** Spaces are kept, as LLaMA keeps them. */
const KEEP_SPACES = number(4, 0)
const ABC = ['ab', '▁a', 'a', 'b', 'c', '▁', '▁▁']

test('where ▁ goes in front', () => {
  const tokens = (rule: SpaceRule, text: string): string => {
    const tokenizer = tokenizerFromSentencePiece(model(ABC, [], KEEP_SPACES), {}, rule)
    return tokenizer
      .encode(text)
      .map((id) => tokenizer.tokenOf(id))
      .join('|')
  }
  const rules = ['legacy', 'once', 'first', 'always'] as const
  const table: [string, string, string, string, string][] = [
    ['c', '▁|c', '▁|c', '▁|c', '▁|c'],
    [' c', '▁▁|c', '▁▁|c', '▁|c', '▁|c'],
    ['<s>c', '<s>|▁|c', '<s>|c', '<s>|c', '<s>|▁|c'],
    ['<s> c', '<s>|▁▁|c', '<s>|▁|c', '<s>|▁|c', '<s>|▁|c'],
    ['c</s>c', '▁|c|</s>|▁|c', '▁|c|</s>|c', '▁|c|</s>|c', '▁|c|</s>|▁|c'],
    ['', '', '', '', ''],
  ]
  for (const [text, ...expected] of table) {
    assert.deepEqual(
      rules.map((rule) => tokens(rule, text)),
      expected,
      JSON.stringify(text),
    )
  }
})

test('merges follow the scores, not the ids', () => {
  const late = [...piece('b', -9, 1), ...piece('bc', 5, 1)]
  const tokenizer = tokenizerFromSentencePiece(model(['ab', 'a', 'c', '▁'], late, KEEP_SPACES))
  const ids = tokenizer.encode('abc')
  assert.deepEqual(
    ids.map((id) => tokenizer.tokenOf(id)),
    ['▁', 'a', 'bc'],
  )
})

test('user-defined pieces are whole and never merge', () => {
  const own = piece('bb', 0, 4)
  const tokenizer = tokenizerFromSentencePiece(model(ABC, own, KEEP_SPACES))
  const tokens = tokenizer.encode('abbc').map((id) => tokenizer.tokenOf(id))
  assert.deepEqual(tokens, ['▁a', 'bb', 'c'])
  assert.equal(tokenizer.decode(tokenizer.encode('abbc')), 'abbc')
})

test('models that remove extra spaces do', () => {
  const tokenizer = tokenizerFromSentencePiece(model(ABC))
  assert.deepEqual(tokenizer.encode('  c   c '), tokenizer.encode('c c'))
  assert.deepEqual(tokenizer.encode('   '), [])
})

test('unknown characters share one unknown token where there are no bytes', () => {
  const tokenizer = tokenizerFromSentencePiece(model(ABC, [], KEEP_SPACES))
  assert.deepEqual(tokenizer.encode('cxyzc').slice(2), [0, tokenizer.idOf('c')!])
})

test('BOS and EOS come as tokenizer_config.json says', () => {
  const ids = (tokenizerConfig: unknown): number[] =>
    tokenizerFromSentencePiece(bytes, { tokenizerConfig }).encode('', { addBos: true })
  assert.deepEqual(ids({}), [1])
  assert.deepEqual(ids({ add_bos_token: false }), [])
  assert.deepEqual(ids({ add_eos_token: true }), [1, 2])
})

test('models of another kind are refused by name', () => {
  const unigram = Uint8Array.from([...piece('a', 0, 1), ...message(2, number(3, 1))])
  const refused = (file: Uint8Array, word: string): void =>
    assert.throws(
      () => tokenizerFromSentencePiece(file),
      (error) => error instanceof ConfigError && error.message.includes(word),
    )
  refused(unigram, 'unigram')
  const suffix = message(2, [...number(3, 2), 0xc0, 0x01, 1]) // field 24
  refused(Uint8Array.from([...piece('a', 0, 1), ...suffix]), 'treat_whitespace_as_suffix')
  refused(model(ABC, [], message(2, [1, 2, 3])), 'identity')
  refused(model(ABC, piece('x', 0, 5)), 'unused')
})

test('random bytes are an error of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
      assert.throws(() => tokenizerFromSentencePiece(random), LlavaError)
    }),
  )
})

test('a file cut anywhere, or with a byte changed, is a tokenizer or an error of ours', () => {
  const works = (file: Uint8Array): void => {
    try {
      tokenizerFromSentencePiece(file).encode('a b')
    } catch (error) {
      assert.ok(error instanceof LlavaError, String(error))
    }
  }
  fc.assert(
    fc.property(fc.nat(bytes.length), fc.nat(255), (at, byte) => {
      works(bytes.subarray(0, at))
      const copy = Uint8Array.from(bytes)
      copy[Math.min(at, copy.length - 1)] = byte
      works(copy)
    }),
  )
})

test('a length past the end of the file allocates nothing', () => {
  const lying = Uint8Array.from([10, 255, 255, 255, 255, 15])
  assert.throws(() => tokenizerFromSentencePiece(lying), CheckpointError)
})
