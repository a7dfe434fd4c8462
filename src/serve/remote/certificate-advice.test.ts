/** A server whose certificate nobody here has heard of, and whoever asks it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { connectUpstreams } from '../http/upstream/index.ts'
import { RemoteServer } from '../program/remote-server.ts'
import { certificateAdvice } from './certificate-advice.ts'
import { Endpoint } from './endpoint.ts'

const [CERT, KEY] = ['fixtures/tls/cert.pem', 'fixtures/tls/key.pem']
const NEVER = new AbortController().signal

async function withSecureServer(use: (url: string) => Promise<void>): Promise<void> {
  const pair = { cert: readFileSync(CERT), key: readFileSync(KEY) }
  const server = createServer(pair, (_, response) => response.end('{"data":[{"id":"m"}]}'))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    await use(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
}

test('whoever asks a server whose certificate does not hold is told what helps, at once', async () => {
  // They were told to start it, or asked whether it runs, after all attempts.
  const message =
    /self-signed certificate.*; name its certificate or .*NODE_EXTRA_CA_CERTS=FILE\.pem\.$/
  const code = 'INPUT_ENDPOINT_CERTIFICATE'
  await withSecureServer(async (url) => {
    const endpoint = new Endpoint({ url })
    await assert.rejects(endpoint.get('/v1/models'), { code, message })
    assert.equal(endpoint.calls, 1)
    await assert.rejects(RemoteServer.connect({ url }, NEVER), { code, message })
    const fronting = connectUpstreams({ workers: [{ url }], now: 0 })
    await assert.rejects(fronting, { code: 'CAPACITY_UPSTREAM', message })
  })
})

test('what helps does', async () => {
  await withSecureServer(async (url) => {
    const asking = `fetch('${url}').then((response) => console.log(response.status))`
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: CERT }
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', asking], { env })
    assert.equal(stdout, '200\n')
  })
})

test('another name, a date and an unknown authority have their own advice; other failures none', () => {
  const failure = (code: string) =>
    new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code }) })
  for (const [code, advice] of [
    ['ERR_TLS_CERT_ALTNAME_INVALID', /name the host/],
    ['CERT_HAS_EXPIRED', /renew its certificate/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /NODE_EXTRA_CA_CERTS/],
  ] as const) {
    assert.match(certificateAdvice(failure(code)) ?? '', advice)
  }
  assert.equal(certificateAdvice(failure('ECONNREFUSED')), null)
})
