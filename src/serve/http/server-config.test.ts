import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONGEST_SECONDS } from '../../core/longest-wait.ts'
import { resolveServerConfig, SERVER_DEFAULTS } from './server-config.ts'

test('times that no timer can wait for are refused, by name', () => {
  // A timer of 30 days ended at once: answers took too long before their first word.
  for (const name of ['answerSeconds', 'heartbeatSeconds', 'shutdownSeconds'] as const) {
    assert.equal(resolveServerConfig({ [name]: LONGEST_SECONDS })[name], LONGEST_SECONDS)
    for (const seconds of [2_592_000, Infinity, NaN, -1]) {
      assert.throws(() => resolveServerConfig({ [name]: seconds }), {
        code: 'CONFIG_SERVER',
        message: new RegExp(`${name} should be a number of seconds from 0 to`),
      })
    }
  }
  assert.deepEqual(resolveServerConfig(), SERVER_DEFAULTS)
})
