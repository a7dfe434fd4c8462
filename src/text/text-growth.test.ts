import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atOnce } from '../core/steps.ts'
import { CheckpointError } from '../core/errors.ts'
import { compileDecoder } from './detokenizer.ts'
import { compileNormalizer } from './normalizer.ts'
import { compilePreTokenizer } from './pre-tokenizer.ts'

const many = (count: number, step: object) => Array.from({ length: count }, () => step)
const double = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' }

function refused(where: string, run: () => unknown): void {
  assert.throws(
    run,
    (error) =>
      error instanceof CheckpointError &&
      error.code === 'CHECKPOINT_TOKENIZER' &&
      error.message.includes(where),
  )
}

test('normalizers that double a text again and again are refused before it is long', () => {
  const normalize = compileNormalizer({ type: 'Sequence', normalizers: many(60, double) })
  refused('normalizer', () => normalize('a'.repeat(100)))
  assert.equal(normalize('b'.repeat(100)), 'b'.repeat(100))
  const nested = many(8, { type: 'Sequence', normalizers: many(8, double) })
  refused('normalizer', () => compileNormalizer({ type: 'Sequence', normalizers: nested })('aaa'))
})

test('one replacement that is long is refused as well', () => {
  const content = 'b'.repeat(100_000)
  for (const pattern of [{ String: 'a' }, { Regex: 'a' }, { Regex: 'a?' }]) {
    const normalize = compileNormalizer({ type: 'Replace', pattern, content })
    refused('normalizer', () => normalize('a'.repeat(100_000)))
  }
})

test('growth that compatibility forms and bytes of published tokenizers need is not', () => {
  const longest = '\ufdfa'.repeat(1000)
  const normalizers = [{ type: 'NFKC' }, { type: 'ByteLevel' }]
  const normal = compileNormalizer({ type: 'Sequence', normalizers })(longest)
  assert.ok(normal.length > 30 * longest.length)
})

test('pre-tokenizers and decoders are held to the same', () => {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false }
  const pretokenizers = many(40, byteLevel)
  const { split } = compilePreTokenizer({ type: 'Sequence', pretokenizers })
  refused('pre_tokenizer', () => split('é'.repeat(100), true))
  const mark = { type: 'Metaspace', replacement: '▁'.repeat(100_000) }
  refused('pre_tokenizer', () => compilePreTokenizer(mark).split(' '.repeat(10_000), true))
  const decoder = compileDecoder({ type: 'Sequence', decoders: many(60, double) })
  refused('decoder', () => atOnce(decoder.decode(['a', 'b'])))
  refused('decoder', () => decoder.bytes('a'))
})
