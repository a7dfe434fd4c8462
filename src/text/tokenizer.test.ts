import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atOnce } from '../core/steps.ts'
import { InputError } from '../core/errors.ts'
import { loadTokenizer } from './node.ts'
import type { Tokenizer } from './tokenizer.ts'

const FOLDER = 'fixtures/text/tokenizers'
const byteLevel = await loadTokenizer(`${FOLDER}/mini-vit`)
const legacy = await loadTokenizer(`${FOLDER}/llava-mlp`)
const first = await loadTokenizer(`${FOLDER}/layer-list`)
const ALL = [byteLevel, legacy, first]

const texts = fc.string({ unit: 'binary', maxLength: 60 })
/** Ordinary characters mixed with what tokenizers treat apart. */
const mixed = fc
  .array(
    fc.oneof(texts, fc.constantFrom('<s>', '<image>', '<|im_end|>', ' ', '▁', '\n', '<unk>')),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join(''))

function pieces(
  tokenizer: Tokenizer,
  ids: number[],
  { skipSpecial = true, wholeRuns = false } = {},
): string[] {
  const stream = tokenizer.stream({ skipSpecial, wholeRuns })
  return [...ids.map((id) => stream.push(id)), stream.end()]
}

test('a byte-level tokenizer gives every text back', () => {
  fc.assert(
    fc.property(mixed, (text) => {
      for (const specialTokens of ['parse', 'text'] as const) {
        assert.equal(byteLevel.decode(byteLevel.encode(text, { specialTokens })), text)
      }
    }),
  )
})

test('a LLaMA tokenizer gives every text without ▁ back', () => {
  fc.assert(
    fc.property(mixed, (given) => {
      const text = given.replaceAll('▁', '')
      assert.equal(legacy.decode(legacy.encode(text, { specialTokens: 'text' })), text)
    }),
  )
})

test('the pieces of a stream are the decoded text, and none ends inside a character', () => {
  fc.assert(
    fc.property(mixed, fc.boolean(), (text, skipSpecial) => {
      for (const tokenizer of ALL) {
        const ids = tokenizer.encode(text, { addBos: true })
        const streamed = pieces(tokenizer, ids, { skipSpecial })
        assert.equal(streamed.join(''), tokenizer.decode(ids, { skipSpecial }))
        for (const piece of streamed) assert.equal(/\p{Surrogate}/u.test(piece), false)
      }
    }),
  )
})

test('where runs of bytes are kept whole, any ids stream as they are decoded at once, broken bytes as U+FFFD', () => {
  const id = fc.oneof(fc.integer({ min: -300, max: 700 }), fc.integer({ min: 3, max: 258 }))
  const ids = fc.array(id, { maxLength: 30 })
  fc.assert(
    fc.property(ids, fc.boolean(), (list, skipSpecial) => {
      for (const tokenizer of ALL) {
        const streamed = pieces(tokenizer, list, { skipSpecial, wholeRuns: true }).join('')
        assert.equal(streamed, tokenizer.decode(list, { skipSpecial }))
        assert.equal(atOnce(tokenizer.decodeSteps(list)), tokenizer.decode(list))
      }
    }),
  )
})

test('a run of bytes that is kept whole is given out when it ends: one broken byte takes its characters along', () => {
  const byte = (value: string) => legacy.idOf(`<0x${value}>`)!
  const letter = legacy.idOf('a')!
  const euro = ['E2', '82', 'AC'].map(byte)
  const whole = { wholeRuns: true }
  assert.deepEqual(pieces(legacy, [...euro, letter], whole), ['', '', '', '€a', ''])
  const broken = [...euro, byte('E2'), letter]
  assert.deepEqual(pieces(legacy, broken, whole), ['', '', '', '', '\ufffd\ufffd\ufffd\ufffda', ''])
  assert.equal(legacy.decode(broken), '\ufffd\ufffd\ufffd\ufffda')
  assert.deepEqual(pieces(legacy, [...euro, letter]), ['', '', '€', 'a', ''])
})

test('the bytes of the tokens are the bytes of the text', () => {
  fc.assert(
    fc.property(mixed, (text) => {
      const bytes = byteLevel.encode(text).flatMap((id) => [...byteLevel.tokenBytes(id)])
      assert.deepEqual(bytes, [...new TextEncoder().encode(text)])
    }),
  )
  assert.deepEqual([...legacy.tokenBytes(legacy.idOf('<0xE2>')!)], [0xe2])
  assert.deepEqual([...legacy.tokenBytes(legacy.idOf('▁a')!)], [32, 97])
  assert.equal(legacy.tokenBytes(999_999).length, 0)
})

test('special tokens in text that is read as text never become control tokens', () => {
  fc.assert(
    fc.property(mixed, (text) => {
      for (const tokenizer of ALL) {
        const ids = tokenizer.encode(text, { specialTokens: 'text' })
        assert.equal(
          ids.some((id) => tokenizer.specialIds.has(id)),
          false,
        )
      }
    }),
  )
})

test('lone surrogates count as U+FFFD', () => {
  for (const tokenizer of ALL) {
    assert.deepEqual(tokenizer.encode('a\ud800b\udc00'), tokenizer.encode('a\ufffdb\ufffd'))
    assert.equal(tokenizer.decode(tokenizer.encode('🙂')), '🙂')
  }
})

test('BOS comes when it is asked for', () => {
  assert.deepEqual(legacy.encode('', { addBos: true }), [1])
  assert.deepEqual(legacy.encode('a', { addBos: true }).slice(1), legacy.encode('a'))
  assert.deepEqual(byteLevel.encode('a', { addBos: true }), byteLevel.encode('a'))
})

test('roles, sizes and added tokens are those of the files', () => {
  assert.deepEqual(
    [legacy.bosId, legacy.eosId, legacy.padId, legacy.unkId, legacy.vocabSize],
    [1, 2, 636, 0, 637],
  )
  assert.deepEqual([byteLevel.bosId, byteLevel.eosId, byteLevel.padId], [1, 2, 2])
  assert.equal(legacy.tokenOf(635), '<image>')
  assert.equal(legacy.idOf('<image>'), 635)
  assert.equal(legacy.idOf('no such token'), undefined)
  assert.equal(legacy.tokenOf(10_000), undefined)
  assert.deepEqual([...legacy.specialIds], [0, 1, 2, 635, 636])
  assert.deepEqual(
    legacy.addedTokens.map(({ content }) => content),
    ['<unk>', '<s>', '</s>', '<image>', '<pad>'],
  )
})

test('a stream that continues a prompt keeps its leading space', () => {
  const ids = legacy.encode('cat sat')
  assert.equal(pieces(legacy, ids).join(''), 'cat sat')
  const stream = legacy.stream({ continuation: true })
  assert.equal(ids.map((id) => stream.push(id)).join('') + stream.end(), ' cat sat')
})

test('unknown options are refused by name', () => {
  const refused = (call: () => unknown, name: string): void =>
    assert.throws(call, (error) => error instanceof InputError && error.message.includes(name))
  refused(() => legacy.encode('a', { addBOS: true } as object), 'addBOS')
  refused(() => legacy.encode('a', { specialTokens: 'ignore' } as object), 'ignore')
  refused(() => legacy.decode([1], { skipSpecials: true } as object), 'skipSpecials')
  refused(() => legacy.stream({ skip: true } as object), 'skip')
})

test('long runs of one kind take no quadratic time', { timeout: 60_000 }, () => {
  for (const char of ['a', ' ', '\n', '!', '1', '漢']) {
    for (const tokenizer of ALL) {
      const text = char.repeat(100_000)
      assert.equal(tokenizer.decode(tokenizer.encode(`x${text}`)), `x${text}`)
    }
  }
})
