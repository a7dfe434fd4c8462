import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { decodeUtf8, parseStrictJson, type StrictJson } from './strict-json.ts'

const limits = { maxDepth: 5, maxValues: 100 }

function parse(text: string): unknown {
  return plain(parseStrictJson('test', text, limits))
}

function plain(value: StrictJson): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]))
  return Array.isArray(value) ? value.map(plain) : value
}

test('what JSON.parse reads is read the same', () => {
  for (const text of [
    '{}',
    ' [ ] ',
    '{"a":[1,-2.5e3,0.1,true,false,null,"\\u00fc\\n\\"\\\\"],"b":{"c":{}}}',
    '"x"',
    '-0',
    '1E2',
  ]) {
    assert.deepEqual(parse(text), JSON.parse(text), text)
  }
})

test('what JSON.parse refuses is refused', () => {
  for (const text of [
    '',
    '{',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    "'a'",
    '01',
    '1.',
    '+1',
    'NaN',
    'nul',
    '"\u0001"',
    '"\\x"',
    '"',
    '"\\',
    '1 2',
    '{"a"}',
    '[1}',
    '\ufeff1',
  ]) {
    assert.throws(() => parse(text), CheckpointError, text)
  }
})

test('equal keys are refused, also when they are spelt differently', () => {
  assert.throws(() => parse('{"a":1,"a":1}'), /not "a" twice/)
  assert.throws(() => parse('{"a":1,"\\u0061":2}'), /not "a" twice/)
})

test('keys that mean something to JavaScript are ordinary keys', () => {
  const value = parseStrictJson('test', '{"__proto__":{"x":1},"constructor":2}', limits)
  assert.deepEqual(value instanceof Map && [...value.keys()], ['__proto__', 'constructor'])
})

test('depth and number of values are limited', () => {
  assert.deepEqual(parse('[[[[[1]]]]]'), [[[[[1]]]]])
  assert.throws(() => parse('[[[[[[1]]]]]]'), /at most 5 levels/)
  assert.throws(() => parse('['.repeat(1_000_000)), /at most 5 levels/)
  assert.throws(() => parse(`[${'0,'.repeat(100)}0]`), /at most 100 values/)
})

test('bytes that are not UTF-8 are refused', () => {
  assert.throws(() => decodeUtf8('test', Uint8Array.of(0x22, 0xff, 0x22)), CheckpointError)
})
