import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostOf, hostPatternOf, originOf } from './serve-flags.ts'
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

test('a host is taken as URLs write it, and what is more than a host is refused', () => {
  const taken = [
    ['MyServer.Example', 'myserver.example'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['10.0.0.5', '10.0.0.5'],
    ['[::1]', '[::1]'],
  ] as const
  for (const [given, host] of taken) {
    assert.equal(hostOf('allow-host', given), host)
    assert.equal(hostPatternOf('allow-media-host', given), host)
  }
  assert.equal(hostPatternOf('allow-media-host', '*'), '*')
  assert.equal(hostPatternOf('allow-media-host', '*.Example.com'), '*.example.com')
  const refused = ['other.example:18821', 'https://a.example', 'a.example/', 'me@a.example', '']
  for (const given of [
    ...refused,
    '[::1]:80',
    '::1',
    'a b',
    '*a.example',
    '*.a.example:80',
    '*.',
  ]) {
    assert.throws(() => hostOf('allow-host', given), UsageError, given)
    assert.throws(
      () => hostPatternOf('allow-media-host', given),
      /--allow-media-host should/,
      given,
    )
  }
  assert.throws(() => hostOf('allow-host', '*'), UsageError)
})
