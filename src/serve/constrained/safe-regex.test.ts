import assert from 'node:assert/strict'
import { test } from 'node:test'
import { grammarOf } from './response-format.ts'
import { ebnfFault, jsonPattern, wholeRegex } from './safe-regex.ts'

const ANY = '[^"\\\\\\x00-\\x1f]'

test('a pattern of a schema is looked for anywhere and cannot break the JSON around it', () => {
  const written: readonly [string, string][] = [
    ['^[a-z]+$', '([a-z]+)'],
    ['^a.b$', `(a${ANY}b)`],
    ['x', `${ANY}*(x)${ANY}*`],
    ['^(a|b)$', '((?:a|b))'],
    ['^[^x]$', '([^"\\\\x\\x00-\\x1f])'],
    ['^[^0-9]\\s$', '([^"0-9\\\\\\x00-\\x1f] )'],
    ['^[é\\s]$', '((?:[ ]|é))'],
    ['^[\\^a]$', '([a^])'],
    ['^(|a)$', '((?:(?:a)?))'],
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
  assert.deepEqual(wholeRegex('^[a-cé日]+\\n.$'), { pattern: '(?:[a-c]|é|日)+[\\x0a][^\\x0a]' })
  assert.deepEqual(wholeRegex('[^x][^0-9A-Z_a-z]'), { pattern: '[^x][^0-9A-Z_a-z]' })
  for (const pattern of [
    '[é-à]',
    '[\\ud800]',
    '\\ud800',
    '\ud800',
    '\\U00110000',
    '\\X41',
    '[\\X41]',
    '[\\S]',
    'a{,3}',
    'x{2}{3}',
    '*a',
    'a)',
    '(a',
    '(?=a)',
    '(?i)a',
    '(?P=n)',
    '(?<=a)b',
    '(?P<1>a)',
    '(?P<$a>a)',
    '(?P<a>x)(?P<a>y)',
    '(?<a>x)(?<a>y)',
    '\\k<n>',
    '\\b',
    '\\1',
    '\\p{L}',
    '[a',
  ]) {
    assert.ok('fault' in wholeRegex(pattern), pattern)
  }
  assert.equal(ebnfFault('root ::= "é" [a-z] # [é]'), null)
  assert.match(ebnfFault('root ::= "[" [a-é]') ?? '', /classes hold ASCII only/)
})

// What Python's re.escape writes of all printable ASCII and white space was refused for its spaces.
test('a backslash leaves white space and punctuation what they are, in a class as well', () => {
  const escaped = ['\\ ', '\\\t', '\\\n', '\\#', '\\&', '\\~', '\\-', '\\.']
  for (const one of escaped) {
    const plain = wholeRegex(`[${one[1] === '-' ? one : one[1]}]`)
    assert.deepEqual(wholeRegex(one), wholeRegex(`(?:${one})`))
    assert.ok('pattern' in plain)
    assert.deepEqual(wholeRegex(`[${one}]`), plain)
  }
  assert.deepEqual(wholeRegex('a\\ b'), wholeRegex('a b'))
  assert.deepEqual(jsonPattern('^a\\ [\\ b]$'), jsonPattern('^a [ b]$'))
  for (const broken of ['\\\t', '[\\\t]']) assert.ok('fault' in jsonPattern(broken))
})

test('a group with a name, in words of ECMAScript or Python, is a group', () => {
  for (const named of [
    '(?P<year>[0-9]{4})-(?P<m_1>x|y)',
    '(?<year>[0-9]{4})-(?<m_1>x|y)',
    '(?P<größe>[0-9]{4})-(?P<年>x|y)',
    '(?<größe>[0-9]{4})-(?<$年>x|y)',
  ]) {
    assert.deepEqual(wholeRegex(named), wholeRegex('([0-9]{4})-(x|y)'))
  }
})

test('what is not enforced of groups is called by its name', () => {
  for (const [pattern, said] of [
    ['(?i)a', /sets a flag.*write what it stands for/],
    ['(?i:a)', /sets a flag/],
    ['(?!a)', /looks ahead or back/],
    ['(?<!a)b', /looks ahead or back/],
    ['(a)(?P=n)', /refers back/],
    ['(?#note)a', /has \(\?#note\), which begins no group/],
  ] as const) {
    const { fault } = wholeRegex(pattern) as { fault: string }
    assert.match(fault, said)
  }
})

test('an expression of the empty text alone says what to write', () => {
  for (const pattern of ['^$', '|', '()']) {
    const format = { type: 'regex', pattern } as const
    assert.throws(() => grammarOf(format), /matches the empty text alone; write what/, pattern)
  }
  assert.throws(() => grammarOf({ type: 'regex', pattern: '' }), /leave it out for any text/)
})

test('repetitions side by side add up, nested ones multiply, and what is too large is said with its size', () => {
  for (const pattern of [
    '[A-Z]{1,64}@[a-z]{1,64}\\.[a-z]{1,64}\\.[a-z]{2,64}',
    'a{1000}(b{100}){100}[{9}]\\{9}',
  ]) {
    assert.ok('pattern' in wholeRegex(pattern), pattern)
  }
  const { fault } = wholeRegex('((a{2000}){2000}){2}') as { fault: string }
  assert.match(fault, /has 8000000 parts, and 1000000 may be; make the counts in \{ \} smaller/)
  assert.equal(ebnfFault('root ::= "a"{1,100} "b"{1,100} "c"{1,100} [{9}]{ 100 } "{9}"'), null)
  assert.match(ebnfFault('root ::= (("a" b {1, 2000}){2000}){2} # {9}') ?? '', /8004001 parts/)
})
