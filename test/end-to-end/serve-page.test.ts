/** The web page as the server gives it, and the route that tells it how pictures are cut. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { packageFolder } from '../../src/packaged-model-node.ts'
import { parseApiKeys, type PageFile } from '../../src/serve/http/index.ts'
import { readPage } from '../../src/serve/http-node.ts'
import { PICTURE, PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'

const FOLDER = join(packageFolder() ?? '', 'dist', 'web')
const MODEL = 'fixtures/inference/next-qwen'
const KEY = 'sk-alice-0123456789abcdef'

let model: Model
let page: readonly PageFile[]
let server: TestServer

before(async () => {
  model = await loadModel(MODEL, { precision: 'f32' })
  page = await readPage(FOLDER)
  server = await startServer({ model, app: { page, keys: await parseApiKeys(`alice ${KEY}\n`) } })
})
after(async () => {
  await server.close()
  await model.dispose()
})

test('the page loads without a key, and what it asks for does not', async () => {
  for (const { path, type, bytes } of page) {
    const response = await fetch(`${server.url}${path}`)
    assert.equal(response.status, 200, path)
    assert.equal(response.headers.get('content-type'), type)
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), new Uint8Array(bytes))
  }
  assert.equal((await fetch(`${server.url}/v1/models`)).status, 401)
  assert.equal((await server.post('/v1/media/tokens', {})).status, 401)
})

test('it may load, run and frame nothing but its own, and is not taken for something else', async () => {
  for (const { path } of page) {
    const { headers } = await fetch(`${server.url}${path}`)
    const policy = (headers.get('content-security-policy') ?? '').split('; ')
    assert.ok(policy.includes("default-src 'none'"))
    for (const rule of policy) assert.doesNotMatch(rule, /https?:|\*|unsafe|ws:/)
    assert.ok(policy.includes("connect-src 'self'"))
    assert.ok(policy.includes("img-src 'self' data: blob:"))
    assert.ok(policy.includes("frame-ancestors 'none'"))
    assert.ok(policy.includes("require-trusted-types-for 'script'"))
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
    assert.equal(headers.get('x-dns-prefetch-control'), 'off')
  }
})

test('assets are kept for ever by the hash in their names, the page is asked for each time', async () => {
  const first = await fetch(`${server.url}/`)
  assert.equal(first.headers.get('cache-control'), 'no-cache')
  const etag = first.headers.get('etag') ?? ''
  const again = await fetch(`${server.url}/`, { headers: { 'if-none-match': etag } })
  assert.equal(again.status, 304)
  assert.equal(await again.text(), '')
  const assets = page.filter(({ path }) => path !== '/')
  assert.ok(assets.length >= 3)
  for (const { path } of assets) {
    assert.match(path, /^\/assets\/[\w-]+-[\w-]{8}\.(?:js|css|svg)$/)
    const { headers } = await fetch(`${server.url}${path}`)
    assert.match(headers.get('cache-control') ?? '', /immutable/)
  }
})

test('nothing in it names a place outside of the server', () => {
  // Names of XML's kinds, and where an error of marked's would be told to its makers: texts that nobody fetches.
  const names =
    /https?:\/\/(?:www\.w3\.org\/(?:1999\/xhtml|2000\/svg|1998\/Math\/MathML|1999\/xlink|XML\/1998\/namespace)|github\.com\/markedjs\/marked\b)/g
  for (const { path, bytes } of page) {
    const text = new TextDecoder().decode(bytes).replace(names, '')
    const places = text.match(/(?:https?|wss?):\/\/[\w.-]+|["'(=]\/\/[\w-]+\.[\w.-]+/g) ?? []
    assert.deepEqual(places, [], path)
    assert.doesNotMatch(
      text,
      /\beval\(|new Function\(|\.innerHTML\s*=(?!=)\s*[^;]*\+|document\.write/,
    )
  }
})

test('the guards of every route are before the page too', async () => {
  const response = await new Promise<IncomingMessage>((resolve) => {
    get(
      { port: server.port, host: '127.0.0.1', path: '/', headers: { host: 'evil.example' } },
      resolve,
    )
  })
  response.resume()
  assert.equal(response.statusCode, 403)
  const foreign = await fetch(`${server.url}/`, { headers: { origin: 'https://evil.example' } })
  assert.equal(foreign.status, 403)
  for (const path of [
    '/index.html',
    '/assets/',
    '/assets/..%2f..%2fpackage.json',
    '/..%2findex.js',
  ]) {
    const { status } = await fetch(`${server.url}${path}`, { headers: { 'x-api-key': KEY } })
    assert.equal(status, 404, path)
  }
})

test('a folder without a page says what to do', async () => {
  await assert.rejects(readPage('fixtures'), { code: 'CONFIG_PAGE', message: /npm run build/ })
})

const GIF = readFileSync('fixtures/pictures/animated-160x160.gif')
const GIF_URL = `data:image/gif;base64,${GIF.toString('base64')}`

function content(...urls: readonly string[]) {
  return urls.map((url) =>
    url === GIF_URL
      ? { type: 'video_url', video_url: { url } }
      : { type: 'image_url', image_url: { url } },
  )
}

async function measure(messages: readonly object[]) {
  const { status, body } = await server.post('/v1/media/tokens', { messages }, { 'x-api-key': KEY })
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

test('what pictures and clips cost is what the prompt has of them', async () => {
  const messages = [
    { role: 'user', content: [...content(PICTURE_URL), { type: 'text', text: 'What?' }] },
    { role: 'assistant', content: 'That.' },
    { role: 'user', content: [...content(GIF_URL, PICTURE_URL), { type: 'text', text: 'And?' }] },
  ]
  const { media, ...sums } = await measure(messages)
  const image = { type: 'image', image: PICTURE } as const
  const prepared = await model.prepare({
    messages: [
      { role: 'user', content: [image, { type: 'text', text: 'What?' }] },
      { role: 'assistant', content: 'That.' },
      {
        role: 'user',
        content: [{ type: 'video', video: GIF }, image, { type: 'text', text: 'And?' }],
      },
    ],
  })
  assert.equal(sums.prompt_tokens, prepared.inputIds.length)
  assert.equal(sums.image_tokens, prepared.imageSlots.length)
  assert.equal(sums.text_tokens, sums.prompt_tokens - sums.image_tokens)
  const kinds = media.map(({ type }: { type: string }) => type)
  assert.deepEqual(kinds, ['image', 'video', 'image'])
  const costs = media.map(({ tokens }: { tokens: number }) => tokens)
  assert.deepEqual(costs, [
    prepared.images[0]?.tokens,
    prepared.videos[0]?.tokens,
    prepared.images[1]?.tokens,
  ])
  assert.equal(media[1].frames, prepared.videos[0]?.frames)
  assert.deepEqual(media[1].times, prepared.videos[0]?.times)
  for (const { tokens, parts } of media) {
    const sum = parts.reduce((all: number, part: { tokens: number }) => all + part.tokens, 0)
    assert.equal(sum, tokens)
  }
})

test('how a picture is cut is told in the pixels of its tiles', async () => {
  const { media } = await measure([{ role: 'user', content: content(PICTURE_URL) }])
  const { cut, width, height } = media[0]
  assert.deepEqual([width, height], [640, 480])
  assert.deepEqual(cut, {
    tile: { width: 336, height: 336 },
    grid: { columns: 2, rows: 2 },
    sheet: { width: 672, height: 672 },
    picture: { left: 0, top: 84, width: 672, height: 504 },
    kept: { left: 0, top: 84, width: 672, height: 504 },
    base: 'squashed',
  })
})

test('what cannot be measured is refused like any request', async () => {
  const refused = async (messages: readonly object[]) => {
    const { status, body } = await server.post(
      '/v1/media/tokens',
      { messages },
      { 'x-api-key': KEY },
    )
    assert.equal(status, 400)
    return body.error.code
  }
  assert.equal(
    await refused([{ role: 'user', content: content('data:image/png;base64,AAAA') }]),
    'INPUT_IMAGE_UNREADABLE',
  )
  assert.equal(
    await refused([{ role: 'user', content: content('http://evil.example/') }]),
    'INPUT_MEDIA_REMOTE',
  )
  assert.equal(
    await refused([{ role: 'user', content: content('/etc/passwd') }]),
    'INPUT_MEDIA_URL',
  )
})
