/** Pictures that carry an orientation, over HTTP: who sends one hears whether the model sees it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { PICTURE_URL, startServer, TURNED_URL, type TestServer } from './serve-setup.ts'
import { startFront } from './upstream-setup.ts'

const CHECKPOINT = 'fixtures/inference/mini-vit-crop'
const ORIGIN = 'https://pages.example'

let model: Model
let server: TestServer
const logged: Record<string, unknown>[] = []

before(async () => {
  model = await loadModel(CHECKPOINT, { precision: 'f32' })
  const log = (_: string, fields: object) => void logged.push({ ...fields })
  server = await startServer({
    model,
    app: { log, config: { allowedOrigins: [ORIGIN], maxMedia: 20 } },
  })
})
after(async () => {
  await server.close()
  await model.dispose()
})

const text = { type: 'text', text: 'What is it?' }
const picture = (url: string) => ({ type: 'image_url', image_url: { url } })
const chat = (...urls: readonly string[]) => ({
  messages: [{ role: 'user', content: [...urls.map(picture), text] }],
})
const source = { type: 'base64', media_type: 'image/jpeg', data: TURNED_URL.split(',')[1] }
const anthropic = { messages: [{ role: 'user', content: [{ type: 'image', source }, text] }] }
const responses = {
  input: [{ role: 'user', content: [{ type: 'input_image', image_url: TURNED_URL }] }],
}
const generate = { text: '<image> Hi', image_data: [TURNED_URL] }

/** Each route that takes pictures: a body, and where its picture stands. */
const ROUTES: readonly [path: string, body: object, place: string][] = [
  [
    '/v1/chat/completions',
    { ...chat(TURNED_URL), max_tokens: 2 },
    'messages[0].content[0].image_url',
  ],
  ['/v1/responses', { ...responses, max_output_tokens: 2 }, 'input[0].content[0].image_url'],
  ['/v1/messages', { ...anthropic, max_tokens: 2 }, 'messages[0].content[0].source'],
  ['/generate', { ...generate, sampling_params: { max_new_tokens: 2 } }, 'image_data[0]'],
  ['/v1/messages/count_tokens', anthropic, 'messages[0].content[0].source'],
  ['/tokenize', chat(TURNED_URL), 'messages[0].content[0].image_url'],
  ['/v1/media/tokens', chat(TURNED_URL), 'messages[0].content[0].image_url'],
]
const STREAMING = ROUTES.slice(0, 4)

const noteAt = (place: string) => `${place}: orientation 6 is not applied (--auto-orient)`

test('every route that takes pictures says which orientation is not applied, in a header and in the log', async () => {
  for (const [path, body, place] of ROUTES) {
    logged.length = 0
    const { status, headers, body: told } = await server.post(path, body)
    assert.equal(status, 200, `${path} ${JSON.stringify(told)}`)
    assert.equal(headers.get('llava-note'), noteAt(place), path)
    const [line, ...others] = logged.filter(({ event }) => event === 'orientation')
    const request = headers.get('x-request-id')
    const fields = { event: 'orientation', request, media: place, orientation: 6, isIgnored: true }
    assert.deepEqual(line, fields)
    assert.deepEqual(others, [])
  }
})

test('a stream says it before its first word', async () => {
  for (const [path, body, place] of STREAMING) {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const asked = JSON.stringify({ ...body, stream: true })
    const response = await server.fetch(`${server.url}${path}`, { ...init, body: asked })
    assert.equal(response.headers.get('llava-note'), noteAt(place), path)
    await response.text()
  }
})

test('each picture is named by its place, and of many some', async () => {
  const place = (i: number) => `messages[0].content[${i}].image_url`
  const two = await server.post('/v1/media/tokens', chat(TURNED_URL, PICTURE_URL, TURNED_URL))
  assert.equal(two.headers.get('llava-note'), `${noteAt(place(0))}, ${noteAt(place(2))}`)
  const ignored = two.body.media.map((one: Record<string, unknown>) => one['orientation_ignored'])
  assert.deepEqual(ignored, [true, false, true])
  const many = await server.post('/v1/media/tokens', chat(...Array<string>(20).fill(TURNED_URL)))
  assert.match(many.headers.get('llava-note') ?? '', /content\[15\][^,]*, and 4 more$/)
})

test('pages of other origins may read it', async () => {
  const { headers } = await server.post('/tokenize', chat(TURNED_URL), { origin: ORIGIN })
  assert.match(headers.get('access-control-expose-headers') ?? '', /\bllava-note\b/)
})

test('nothing is said where the picture has none, or where it is applied', async () => {
  const upright = await server.post('/tokenize', chat(PICTURE_URL))
  assert.equal(upright.headers.get('llava-note'), null)
  const turning = await loadModel(CHECKPOINT, { precision: 'f32', autoOrient: true })
  const own = await startServer({ model: turning })
  try {
    const { headers, body } = await own.post('/v1/media/tokens', chat(TURNED_URL))
    assert.equal(headers.get('llava-note'), null)
    assert.equal(body.media[0].orientation_ignored, false)
  } finally {
    await own.close()
    await turning.dispose()
  }
})

test('a server in front says what its workers do', async () => {
  const front = await startFront([server.url])
  try {
    const { headers } = await front.post('/v1/chat/completions', {
      ...chat(TURNED_URL),
      max_tokens: 2,
    })
    assert.equal(headers.get('llava-note'), noteAt('messages[0].content[0].image_url'))
  } finally {
    await front.close()
  }
})
