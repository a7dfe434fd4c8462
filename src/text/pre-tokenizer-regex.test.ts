import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConfigError } from '../core/errors.ts'
import { compilePattern, translateRegex } from './pre-tokenizer-regex.ts'

function matches(pattern: string, text: string): string[] {
  return text.match(translateRegex(pattern, 'pattern')) ?? []
}

test('\\s is White_Space: it has U+0085 and lacks U+FEFF', () => {
  assert.deepEqual(matches('\\s', 'a\x85b\ufeffc\u3000'), ['\x85', '\u3000'])
  assert.deepEqual(matches('[^\\S\\n]', 'a \n\tb'), [' ', '\t'])
})

test('case is ignored within its group only, ſ and the Kelvin sign included', () => {
  assert.deepEqual(matches("(?i:'s|'ll)|b", "'S'ſ'lL Bb"), ["'S", "'ſ", "'lL", 'b'])
  assert.deepEqual(matches('(?i)k[x-z]', 'KY\u212az'), ['KY', '\u212az'])
  assert.deepEqual(matches('(?i:a(?-i:b))', 'AbABab'), ['Ab', 'ab'])
})

test('possessive quantifiers and atomic groups give nothing back', () => {
  assert.deepEqual(matches('a++a', 'aaa'), [])
  assert.deepEqual(matches('a+a', 'aaa'), ['aaa'])
  assert.deepEqual(matches('(?>a|ab)c', 'abc ac'), ['ac'])
  assert.deepEqual(matches('x?+x', 'x xx'), ['xx'])
  // In this syntax a + behind an interval repeats it.
  assert.deepEqual(matches('a{2}+', 'aaaaa'), ['aaaa'])
})

test('quantifiers: lazy ones, open intervals, braces that are none', () => {
  assert.deepEqual(matches('a+?', 'aa'), ['a', 'a'])
  assert.deepEqual(matches('a{,2}b', 'aaab'), ['aab'])
  assert.deepEqual(matches('a{x}', 'a{x}'), ['a{x}'])
})

test('classes nest, intersect, negate and know POSIX names', () => {
  assert.deepEqual(matches('[a-f&&[^c]]+', 'abcdefg'), ['ab', 'def'])
  assert.deepEqual(matches('[[:digit:]x[yz]]+', '1xyz٣a'), ['1xyz٣'])
  assert.deepEqual(matches('[^[:space:]\\d]+', 'ab 1c'), ['ab', 'c'])
  assert.deepEqual(matches('[]a-]+', 'a]-b'), ['a]-'])
})

test('scripts, negated properties and code points', () => {
  assert.deepEqual(matches('\\p{Han}+|\\p{^L}', 'a漢字1'), ['漢字', '1'])
  assert.deepEqual(matches('\\x{1F642}|\\u00e9|\\x41', '🙂éA'), ['🙂', 'é', 'A'])
})

test('anchors of lines and of the text', () => {
  assert.deepEqual(matches('^.|.$', 'ab\ncd'), ['a', 'b', 'c', 'd'])
  assert.deepEqual(matches('\\A.|.\\z', 'ab\ncd'), ['a', 'd'])
})

test('an empty string matches nowhere', () => {
  const pattern = compilePattern({ String: '' }, 'pattern')
  assert.ok(pattern instanceof RegExp && !pattern.test('abc'))
})

test('what has no counterpart is refused by name', () => {
  for (const pattern of [
    '(a)\\1',
    '\\X',
    '(?<!a',
    '[a',
    'a)',
    '*a',
    '\\p{Nonsense}',
    '(?R)',
    '\\',
  ]) {
    assert.throws(
      () => translateRegex(pattern, 'pre_tokenizer.Split.pattern'),
      (error) => error instanceof ConfigError && error.message.includes('pre_tokenizer.Split'),
      pattern,
    )
  }
})

test('any string is an expression or a ConfigError', () => {
  const unit = fc.constantFrom(...'ab()[]{}|*+?\\^$.-&:!<>=ipsd19,'.split(''))
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 24 }), (pattern) => {
      try {
        translateRegex(pattern, 'pattern')
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error))
      }
    }),
    { numRuns: 3000 },
  )
  assert.throws(() => translateRegex('('.repeat(10_000), 'pattern'), ConfigError)
  assert.throws(() => translateRegex('['.repeat(10_000), 'pattern'), ConfigError)
})
