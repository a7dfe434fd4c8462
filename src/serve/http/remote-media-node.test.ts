import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { collectGarbage } from '../../../test/collect-garbage.ts'
import { remoteMedia, type RemoteMediaOptions } from './remote-media-node.ts'

/** A server inside the network that an attacker wants to reach. */
let inside: Server
let port: number
let hits: string[]

const ROUTES: Record<string, RequestListener> = {
  '/picture': (_, response) => response.end('picture'),
  '/away': (_, response) => response.writeHead(302, { location: '/picture' }).end(),
  '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/to-name': (_, response) =>
    response.writeHead(307, { location: `http://localhost:${port}/picture` }).end(),
  '/to-metadata': (_, response) =>
    response.writeHead(301, { location: 'http://169.254.169.254/latest' }).end(),
  '/to-file': (_, response) => response.writeHead(301, { location: 'file:///etc/passwd' }).end(),
  '/large': (_, response) => response.end('x'.repeat(5000)),
  '/slow': (_, response) => void response.write('x'),
  '/none': (_, response) => response.writeHead(404).end(),
}

before(async () => {
  inside = createServer((request, response) => {
    hits.push(request.url ?? '')
    ROUTES[request.url ?? '']?.(request, response)
  })
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
  port = (inside.address() as AddressInfo).port
})
after(() => {
  inside.closeAllConnections()
  inside.close()
})
beforeEach(() => {
  hits = []
})

function read(url: string, options: RemoteMediaOptions, maxBytes = 1000): Promise<Uint8Array> {
  return remoteMedia(options)(new URL(url), { maxBytes, signal: new AbortController().signal })
}

const FRIEND = { hosts: ['127.0.0.1'], addresses: ['127.0.0.1'] }
const REFUSED = { code: 'INPUT_MEDIA_FETCH' }

test('an allowed host at an allowed address is read, redirects followed', async () => {
  for (const path of ['/picture', '/away']) {
    const bytes = await read(`http://127.0.0.1:${port}${path}`, FRIEND)
    assert.equal(new TextDecoder().decode(bytes), 'picture')
  }
})

test('no way of writing an inner address is dialled', async () => {
  const hosts = [
    '127.0.0.1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '[fd00::1]',
    '[fe80::1]',
    '224.0.0.1',
    '255.255.255.255',
  ]
  for (const host of hosts) {
    await assert.rejects(
      read(`http://${host}:${port}/picture`, { hosts: ['*'] }),
      (error: Error) => {
        assert.match(error.message, /its address is not a public one/, host)
        return true
      },
    )
  }
  assert.deepEqual(hits, [])
})

test('a name counts by the address that is dialled: localhost is allowed by name and still not reached', async () => {
  await assert.rejects(read(`http://localhost:${port}/picture`, { hosts: ['localhost'] }), REFUSED)
  assert.deepEqual(hits, [])
})

test('hosts are compared whole', async () => {
  const hosts = ['good.example', '*.cdn.example']
  for (const host of [
    'evil.example',
    'good.example.evil.example',
    'notgood.example',
    'cdn.example',
  ]) {
    await assert.rejects(read(`http://${host}/a.png`, { hosts }), /none of the hosts/)
  }
  // One parser for check and request: what the check read is what would be dialled.
  const confusing = `http://127.0.0.1:${port}\\@good.example/picture`
  await assert.rejects(read(confusing, { hosts }), /127\.0\.0\.1 is none of the hosts/)
  await assert.rejects(read(`http://good.example@127.0.0.1:${port}/picture`, FRIEND), /user name/)
  assert.deepEqual(hits, [])
})

test('every redirect is checked as the first address was', async () => {
  const base = `http://127.0.0.1:${port}`
  await assert.rejects(read(`${base}/to-name`, FRIEND), /localhost is none of the hosts/)
  const all = { hosts: ['*'], addresses: ['127.0.0.1/32'] }
  await assert.rejects(read(`${base}/to-metadata`, all), /not a public one/)
  await assert.rejects(read(`${base}/to-file`, all), /file: is neither/)
  await assert.rejects(read(`${base}/loop`, all), /more than 3 redirects/)
  assert.deepEqual(hits, [
    '/to-name',
    '/to-metadata',
    '/to-file',
    '/loop',
    '/loop',
    '/loop',
    '/loop',
  ])
})

test('size and time are limited, failures told', async () => {
  const base = `http://127.0.0.1:${port}`
  await assert.rejects(read(`${base}/large`, FRIEND), /more than 1000 bytes/)
  await assert.rejects(read(`${base}/none`, FRIEND), /status 404/)
  await assert.rejects(read(`${base}/slow`, { ...FRIEND, timeoutMs: 100 }), /within 100 ms/)
  await assert.rejects(read('http://127.0.0.1:1/x', FRIEND), /no connection/)
})

test('the time is limited though garbage is collected meanwhile', { timeout: 10_000 }, async () => {
  // The limit was garbage too: a host that sends one byte and no more held its requests for ever.
  const collecting = setInterval(collectGarbage, 50)
  try {
    const slow = read(`http://127.0.0.1:${port}/slow`, { ...FRIEND, timeoutMs: 300 })
    await assert.rejects(slow, /within 300 ms/)
  } finally {
    clearInterval(collecting)
  }
})

test('a range that is none is refused when the server starts', () => {
  assert.throws(() => remoteMedia({ hosts: ['*'], addresses: ['here'] }), {
    code: 'CONFIG_MEDIA_ADDRESS',
  })
})
