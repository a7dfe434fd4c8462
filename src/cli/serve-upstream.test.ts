import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { serve } from './serve.ts'
import { upstreamSettings } from './serve-upstream.ts'
import { UsageError } from './usage-error.ts'

function settings(given: Readonly<Record<string, string>>) {
  const values = Object.entries({ upstream: 'http://10.0.0.5:30000', ...given })
  const map = new Map(values.map(([name, value]) => [name, [value]]))
  return upstreamSettings(new Arguments(serve.options, map, []), { environment: {} })
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
