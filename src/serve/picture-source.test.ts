import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { InputError } from '../core/errors.ts'
import { resolveLocalPicture, resolvePicture } from './picture-source.ts'

const BYTES = Uint8Array.of(137, 80, 78, 71, 0, 255)
const DATA_URL = `data:image/png;base64,${Buffer.from(BYTES).toString('base64')}`
const LOCAL = { allowRemote: false }

async function codeOf(resolving: Promise<unknown>): Promise<string> {
  return resolving.then(
    () => 'nothing was thrown',
    (error: unknown) => (error instanceof InputError ? error.code : String(error)),
  )
}

describe('pictures that need no network', () => {
  test('paths, bytes and Blobs stay what they are', async () => {
    for (const source of [
      'kitchen.jpg',
      'C:\\photos\\kitchen.jpg',
      'odd:name.png',
      BYTES,
      new Blob([BYTES]),
    ]) {
      assert.equal(await resolvePicture(source, LOCAL), source)
    }
  })

  test('file: URLs stay URLs, as text and as objects', async () => {
    const url = pathToFileURL('kitchen.jpg')
    assert.equal(await resolvePicture(url, LOCAL), url)
    assert.deepEqual(await resolvePicture(url.href, LOCAL), url)
  })

  test('data: URLs become their bytes, as text and as objects', async () => {
    assert.deepEqual(await resolvePicture(DATA_URL, LOCAL), BYTES)
    assert.deepEqual(await resolvePicture(new URL(DATA_URL), LOCAL), BYTES)
    for (const bad of ['data:image/png;base64', 'data:image/png;base64,%%%', 'data:,plain']) {
      assert.equal(await codeOf(resolvePicture(bad, LOCAL)), 'INPUT_IMAGE_SOURCE', bad)
    }
  })

  test('pixels of one to four channels become RGB', async () => {
    const size = { width: 2, height: 1 }
    const rgb = async (...data: number[]) => {
      const image = await resolvePicture({ ...size, data: Uint8Array.from(data) }, LOCAL)
      return [...(image as { data: Uint8Array }).data]
    }
    assert.deepEqual(await rgb(5, 6), [5, 5, 5, 6, 6, 6])
    assert.deepEqual(await rgb(5, 0, 6, 255), [5, 5, 5, 6, 6, 6])
    assert.deepEqual(await rgb(1, 2, 3, 4, 5, 6), [1, 2, 3, 4, 5, 6])
    assert.deepEqual(await rgb(1, 2, 3, 0, 4, 5, 6, 9), [1, 2, 3, 4, 5, 6])
    const wrong = [
      { ...size, data: new Uint8Array(5) },
      { ...size, data: new Uint8Array(10) },
      { ...size, data: new Uint8Array(6), channels: 4 },
      { width: 0, height: 1, data: new Uint8Array(0) },
    ]
    for (const image of wrong) {
      assert.equal(await codeOf(resolvePicture(image, LOCAL)), 'INPUT_IMAGE_SHAPE')
    }
  })

  test('a text that only looks like a URL is told', async () => {
    assert.equal(await codeOf(resolvePicture('http://', LOCAL)), 'INPUT_IMAGE_SOURCE')
  })
})

describe('remote pictures', () => {
  let server: Server
  let url: string
  let requests = 0
  before(async () => {
    server = createServer((request, response) => {
      requests++
      if (request.url === '/missing') response.writeHead(404).end()
      else if (request.url === '/cut') response.write('x', () => response.destroy())
      else if (request.url === '/slow') response.write('x')
      else response.end(BYTES)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  test('are refused unless allowed, without a request', async () => {
    assert.equal(await codeOf(resolvePicture(`${url}/a.png`, LOCAL)), 'INPUT_IMAGE_REMOTE')
    assert.equal(await codeOf(resolvePicture(new URL(url), LOCAL)), 'INPUT_IMAGE_REMOTE')
    assert.equal(requests, 0)
    assert.ok(resolveLocalPicture(`${url}/a.png`) instanceof URL)
  })

  test('are fetched where allowed', async () => {
    const bytes = await resolvePicture(`${url}/a.png`, { allowRemote: true })
    assert.deepEqual(bytes, BYTES)
  })

  test('that cannot be had are told with the reason', async () => {
    await assert.rejects(
      resolvePicture(`${url}/missing`, { allowRemote: true }),
      (error) =>
        error instanceof InputError &&
        error.code === 'INPUT_IMAGE_FETCH' &&
        /status 404/.test(error.message),
    )
    const cut = resolvePicture(`${url}/cut`, { allowRemote: true })
    assert.equal(await codeOf(cut), 'INPUT_IMAGE_FETCH')
    // Port 9 discards; nothing listens there.
    const dead = resolvePicture('http://127.0.0.1:9/a.png', { allowRemote: true })
    assert.equal(await codeOf(dead), 'INPUT_IMAGE_FETCH')
  })

  test('stop coming when the signal says so, with its reason', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const fetching = resolvePicture(`${url}/slow`, {
      allowRemote: true,
      signal: controller.signal,
    })
    controller.abort(reason)
    await assert.rejects(fetching, reason)
    const begun = resolvePicture(`${url}/slow`, {
      allowRemote: true,
      signal: AbortSignal.timeout(50),
    })
    await assert.rejects(begun, { name: 'TimeoutError' })
  })
})
