import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { serve } from './serve.ts'
import { upstreamSettings } from './serve-upstream.ts'
import { UsageError } from './usage-error.ts'

function settings(
  given: Readonly<Record<string, string>>,
  upstream: readonly string[] = ['http://10.0.0.5:30000'],
  environment: Readonly<Record<string, string>> = {},
) {
  const values = Object.entries(given).map(([name, value]) => [name, [value]] as const)
  const map = new Map<string, readonly string[]>([...values, ['upstream', upstream]])
  return upstreamSettings(new Arguments(serve.options, map, []), { environment })
}

test('options of an engine that is elsewhere are refused, not passed over', () => {
  for (const [name, value] of [
    ['precision', 'int8'],
    ['kv-bytes', '1000'],
    ['max-rows', '4'],
  ] as const) {
    for (const model of [{}, { model: 'folder' }] as Readonly<Record<string, string>>[]) {
      assert.throws(
        () => settings({ [name]: value, ...model }),
        (error) => error instanceof UsageError && error.message.startsWith(`--${name} would do`),
      )
    }
  }
  assert.throws(() => settings({ frames: '4' }), /name the checkpoint with --model/)
  assert.equal(settings({ frames: '4', model: 'folder' })?.urls.length, 1)
})

test('options of workers that are not there are refused', () => {
  for (const name of ['upstream-attempts', 'upstream-health-seconds', 'operator-key-file']) {
    assert.throws(() => settings({ [name]: '3' }, []), {
      message: `--${name} would do nothing without --upstream.`,
    })
  }
  assert.equal(settings({}, []), null)
})

test('time between checks is what a timer can wait for', () => {
  assert.equal(settings({ 'upstream-health-seconds': '2147483' })?.everySeconds, 2_147_483)
  assert.throws(() => settings({ 'upstream-health-seconds': '2592000' }), /from 1 to 2147483/)
})

test('a worker is named once, by an address and a key that can be used', () => {
  for (const urls of [
    ['http://h:1/v1', 'http://h:1'],
    ['http://a', 'http://H:1/', 'HTTP://h:1'],
    ['http://h:80', 'http://h/v1/'],
  ]) {
    assert.throws(() => settings({}, urls), /--upstream should name each worker once/)
  }
  assert.equal(settings({}, ['http://h:1', 'http://h:2'])?.urls.length, 2)
  assert.throws(
    () => settings({}, ['http://me:secret@h']),
    /^UsageError: --upstream should be a URL like .*; "http:\/\/…@h" came\.$/,
  )
  assert.throws(() => settings({}, undefined, { LLAVA_UPSTREAM_API_KEY: 'ключ' }), UsageError)
})
