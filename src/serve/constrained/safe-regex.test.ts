import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ebnfFault, jsonPattern, wholeRegex } from './safe-regex.ts'

const ANY = '[^"\\\\\\x00-\\x1f]'

test('a pattern of a schema is looked for anywhere and cannot break the JSON around it', () => {
  const written: readonly [string, string][] = [
    ['^[a-z]+$', '([a-z]+)'],
    ['^a.b$', `(a${ANY}b)`],
    ['x', `${ANY}*(x)${ANY}*`],
    ['^(a|b)$', '((a|b))'],
    ['^[^x]$', '([^x"\\\\\\x00-\\x1f])'],
    ['^\\S\\s$', '([^ \\t"\\\\\\x00-\\x1f] )'],
    ['^[é\\s]$', '((?:[ ]|é))'],
    ['a\\$', `${ANY}*(a\\$)${ANY}*`],
  ]
  for (const [pattern, expected] of written) {
    assert.deepEqual(jsonPattern(pattern), { pattern: expected })
  }
  for (const pattern of [
    '"',
    '\\n',
    '\\\\',
    '\\"',
    '[ -~]',
    '["]',
    '[\\n]',
    'a^b',
    '^a|b',
    'a|b$',
  ]) {
    assert.ok('fault' in jsonPattern(pattern), pattern)
  }
})

test('what XGrammar would take for bytes is written beside its class, or refused', () => {
  assert.deepEqual(wholeRegex('^[a-cé日]+\\n.$'), { pattern: '(?:[a-c]|é|日)+\\n[^\\n]' })
  assert.deepEqual(wholeRegex('[^x]\\S'), { pattern: '[^x]\\S' })
  for (const pattern of [
    '[à-é]',
    '[^é]',
    '[\\u00e9]',
    '(?=a)',
    '(?i)a',
    '(?<n>a)',
    '\\b',
    '\\1',
    '\\p{L}',
    '[a',
  ]) {
    assert.ok('fault' in wholeRegex(pattern), pattern)
  }
  assert.ok('fault' in wholeRegex('((a{2000}){2000}){2}'))
  assert.equal(ebnfFault('root ::= "é" [a-z] # [é]'), null)
  assert.match(ebnfFault('root ::= "[" [a-é]') ?? '', /classes hold ASCII only/)
})
