/** `fetch` of Node.js may lose its signal after a garbage collection (nodejs/undici#3644): here it never has it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectGarbage } from '../../../test/collect-garbage.ts'
import { patience, withServer, type Handler } from '../../../test/scripted-server.ts'
import { Endpoint } from './endpoint.ts'

/** Also a garbage collection at once, as a busy process has them. */
const deaf: typeof fetch = async (input, init) => {
  collectGarbage()
  return fetch(input, { ...init, signal: null })
}

const silent: Handler = () => {}
const halfSaid: Handler = (_, response) => void response.write('{"choices": [')

for (const [when, handler] of [
  ['before the answer', silent],
  ['in its middle', halfSaid],
] as const) {
  test(
    `a call that takes too long, or is cancelled, ends ${when}`,
    { timeout: 20_000 },
    async () => {
      await withServer([handler], async (url) => {
        const { sleep, now } = patience()
        const late = new Endpoint({ url, sleep, now, attempts: 1, timeoutMs: 20, fetch: deaf })
        await assert.rejects(late.post('/chat/completions', {}), /no answer within 0\.02 s/)
        const stop = new AbortController()
        const asked = new Endpoint({ url, sleep, now, fetch: deaf }).post('/x', {}, stop.signal)
        setTimeout(() => stop.abort(new Error('the user left')), 20)
        await assert.rejects(asked, /the user left/)
      })
    },
  )
}
