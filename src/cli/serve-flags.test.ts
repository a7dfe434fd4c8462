import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { hostOf, hostPatternOf, originOf, SERVER_OPTIONS, serverConfig } from './serve-flags.ts'
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

test('times are those that a timer can wait for, other numbers have no end', () => {
  const config = (option: string, value: string) =>
    serverConfig(new Arguments(SERVER_OPTIONS, new Map([[option.slice(2), [value]]]), []))
  assert.equal(config('--answer-seconds', '2147483').answerSeconds, 2_147_483)
  assert.equal(config('--max-body-bytes', '9000000000').maxBodyBytes, 9e9)
  for (const name of ['answer-seconds', 'shutdown-seconds']) {
    // The server's timers took thirty days for a millisecond.
    assert.throws(() => config(`--${name}`, '2592000'), {
      message: new RegExp(`--${name} should be a whole number from [01] to 2147483; 2592000 came`),
    })
  }
  assert.throws(() => config('--max-running', '0'), /a whole number from 1; 0 came/)
})
