import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectGarbage } from '../../test/collect-garbage.ts'
import { anySignal } from './any-signal.ts'

async function collectAll(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await new Promise((done) => setTimeout(done, 5))
  }
}

test('a time limit that nobody else holds ends what waits for it, garbage collected or not', async () => {
  // Node.js' own `any` lost it: a silent host held requests for ever.
  const limited = () => anySignal(new AbortController().signal, AbortSignal.timeout(100))
  const nested = anySignal(limited(), undefined)
  const aborted = new Promise<void>((done) => nested.addEventListener('abort', () => done()))
  await collectAll()
  const given = setTimeout(() => assert.fail('the limit was lost'), 5000)
  await aborted
  clearTimeout(given)
  assert.equal((nested.reason as Error).name, 'TimeoutError')
})

test('the first source that aborts gives the reason, also one that has', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const any = anySignal(first.signal, undefined, second.signal)
  second.abort('second')
  first.abort('first')
  assert.equal(any.reason, 'second')
  assert.equal(anySignal(undefined, first.signal).reason, 'first')
})
