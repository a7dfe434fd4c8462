import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeError } from './report-error.ts'

function errorOf(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

test('what the system refuses is told with its path, and is no bug of this program', () => {
  for (const error of [
    errorOf(() => writeFileSync(tmpdir(), '')),
    errorOf(() => mkdirSync(tmpdir())),
    errorOf(() => mkdirSync(join(tmpdir(), 'llava-ts-none', 'below'))),
  ]) {
    const { code, message } = describeError(error)
    assert.equal(code, 'SYSTEM')
    assert.ok(message.includes(tmpdir()), message)
  }
  const ours = [
    errorOf(() => readFileSync(join(tmpdir(), 'llava-ts-none'))),
    new Error('internal: x'),
  ]
  for (const error of ours) assert.equal(describeError(error).code, 'INTERNAL')
})

test('a disk that is full is no bug either, where the system does not say for which file', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
  })
  const { code, message } = describeError(full)
  assert.equal(code, 'SYSTEM')
  assert.match(message, /\(ENOSPC\); free some space/)
})
