import assert from 'node:assert/strict'
import { test } from 'node:test'
import { originOf } from './serve-flags.ts'
import { UsageError } from './usage-error.ts'

test('an origin is taken as browsers write it, and what is none is refused', () => {
  const taken = [
    ['https://app.example', 'https://app.example'],
    ['https://App.Example/', 'https://app.example'],
    ['HTTPS://app.example:443', 'https://app.example'],
    ['http://localhost:5173', 'http://localhost:5173'],
    ['http://[::1]:80', 'http://[::1]'],
  ] as const
  for (const [given, origin] of taken) assert.equal(originOf(given), origin)
  const refused = [
    'foo',
    '*',
    'app.example',
    'https://a.example/b',
    'https://a.example?b',
    'ftp://a',
  ]
  for (const given of [...refused, 'https://me@a.example', 'null', '']) {
    assert.throws(() => originOf(given), UsageError, given)
  }
})
