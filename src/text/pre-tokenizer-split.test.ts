import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../core/errors.ts'
import { splitText } from './pre-tokenizer-split.ts'

const cases: [Parameters<typeof splitText>[2], boolean, string[]][] = [
  ['Removed', false, ['a', 'b', 'c']],
  ['Removed', true, ['-', '-', '-', '-']],
  ['Isolated', false, ['-', 'a', '-', '-', 'b', '-', 'c']],
  ['MergedWithPrevious', false, ['-', 'a-', '-', 'b-', 'c']],
  ['MergedWithNext', false, ['-a', '-', '-b', '-c']],
  ['Contiguous', false, ['-', 'a', '--', 'b', '-', 'c']],
]

for (const [behavior, invert, expected] of cases) {
  test(`${behavior}${invert ? ', inverted' : ''}: ${expected.join(' ')}`, () => {
    assert.deepEqual(splitText('-a--b-c', '-', behavior, invert), expected)
    assert.deepEqual(splitText('-a--b-c', /-/gu, behavior, invert), expected)
  })
}

test('pieces of every behaviour that keeps matches are the whole text', () => {
  const behaviors = ['Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
  const patterns = fc.constantFrom(/a/gu, /a*/gu, /ab?/gu, /(?=b)/gu, /🙂?/gu)
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '🙂'), maxLength: 12 })
  fc.assert(
    fc.property(texts, patterns, fc.constantFrom(...behaviors), fc.boolean(), (text, ...rest) => {
      const pieces = splitText(text, ...rest)
      assert.equal(pieces.join(''), text)
      assert.equal(pieces.includes(''), false)
    }),
  )
})

test('a run that the engine cannot hold is an InputError', () => {
  const pattern = new RegExp('[^\\s\\p{L}\\p{N}]+', 'gv')
  assert.throws(() => splitText('!'.repeat(8_000_000), pattern, 'Isolated', false), InputError)
})
