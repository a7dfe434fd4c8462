import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import type { Quirks } from './family.ts'
import { checkQuirks } from './quirks.ts'

test('quirks that exist are taken, numbers as text too', () => {
  checkQuirks({ fit: 'pad', truncate: 'asOriginal', poolStride: 3, clipNewline: undefined })
  checkQuirks({ poolStride: '2' } as unknown as Quirks)
})

test('everything wrong with them is said at once', () => {
  const wrong = { fit: 'padded', poolStride: 0, poolplace: 'after' } as unknown as Quirks
  assert.throws(
    () => checkQuirks(wrong),
    (error) =>
      error instanceof ConfigError &&
      error.code === 'CONFIG_QUIRK' &&
      /fit should be pad, crop, squash; "padded" came/.test(error.message) &&
      /poolStride should be a whole number from 1, 0 came/.test(error.message) &&
      /there is no poolplace; known are fit, tiles/.test(error.message),
  )
})
