/** Attacks on a real server: each expectation of safety is attacked, and a friend's request beside it is still answered right. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { get as plainGet, type IncomingMessage } from 'node:http'
import { get as secureGet } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { loadModel, type Model } from '../../src/index.ts'
import { parseApiKeys, type AppOptions } from '../../src/serve/http/index.ts'
import { fileMedia } from '../../src/serve/http-node.ts'
import { PICTURE, PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'

let model: Model
let server: TestServer

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  server = await startServer({ model })
})
after(async () => {
  await server.close()
  await model.dispose()
})

const CHAT = '/v1/chat/completions'

function chat(fields: object = {}) {
  return { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 3, ...fields }
}

function withPicture(url: string, fields: object = {}) {
  const content = [{ type: 'image_url', image_url: { url } }]
  return chat({ messages: [{ role: 'user', content }], ...fields })
}

/** Runs with a server of its own. */
async function using(
  options: {
    readonly app?: Partial<AppOptions>
    readonly listen?: Parameters<typeof startServer>[0]['listen']
  },
  use: (server: TestServer) => Promise<void>,
): Promise<void> {
  const own = await startServer({ model, ...options })
  try {
    await use(own)
  } finally {
    await own.close()
  }
}

async function assertStillAnswers(): Promise<void> {
  const { text: expected } = await model.generate({
    messages: [{ role: 'user', content: [{ type: 'image', image: PICTURE }] }],
    maxTokens: 6,
  })
  const { body } = await server.post(CHAT, withPicture(PICTURE_URL, { max_tokens: 6 }))
  assert.equal(body.choices[0].message.content, expected)
}

test('a server listens to this machine only, unless told', async () => {
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:/)
})

test('every route wants the key when there is one', async () => {
  const keys = await parseApiKeys('alice sk-alice-0123456789abcdef\n')
  await using({ app: { keys } }, async (own) => {
    const authorization = 'Bearer sk-alice-0123456789abcdef'
    const document = (await (
      await fetch(`${own.url}/openapi.json`, { headers: { authorization } })
    ).json()) as { paths: Record<string, Record<string, unknown>> }
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ path: path.replace('{model}', 'tiny'), method })),
    )
    assert.ok(routes.length > 12)
    for (const { path, method } of [...routes, { path: '/nothing', method: 'get' }]) {
      const options = { method: method.toUpperCase() }
      const wrong: Record<string, string>[] = [
        {},
        { authorization: 'Bearer sk-alice-0123456789abcdeX' },
        { 'x-api-key': '' },
      ]
      for (const headers of wrong) {
        const { status } = await fetch(own.url + path, { ...options, headers })
        assert.equal(status, 401, `${method} ${path}`)
      }
      const { status } = await fetch(own.url + path, { ...options, headers: { authorization } })
      assert.notEqual(status, 401, `${method} ${path}`)
    }
    const anthropic = await own.post(CHAT, chat(), { 'x-api-key': 'sk-alice-0123456789abcdef' })
    assert.equal(anthropic.status, 200)
  })
})

test('keys are kept as digests, and a digest is no key', async () => {
  const digest = '6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090' // of abc123
  const keys = await parseApiKeys(`# ours\n\nbob sha256:${digest}`)
  assert.ok(!JSON.stringify(keys).includes('abc123'))
  await using({ app: { keys } }, async (own) => {
    const asked = (key: string) => own.post(CHAT, chat(), { authorization: `Bearer ${key}` })
    assert.equal((await asked('abc123')).status, 200)
    assert.equal((await asked(digest)).status, 401)
    assert.equal((await asked(`sha256:${digest}`)).status, 401)
  })
  await assert.rejects(parseApiKeys('short'), { code: 'CONFIG_API_KEYS' })
})

/** A GET with headers that fetch would not send. */
async function rawGet(port: number, path: string, headers: Record<string, string>) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    plainGet({ host: '127.0.0.1', port, path, headers }, resolve).on('error', reject)
  })
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

test('a name that somebody pointed at this machine is no name of the server (DNS rebinding)', async () => {
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io:80']) {
    const { status, body } = await rawGet(server.port, '/v1/models', { host })
    assert.equal(status, 403, host)
    assert.match(body, /INPUT_HOST/)
  }
  for (const host of [`localhost:${server.port}`, '[::1]', '10.0.0.7:80']) {
    assert.equal((await rawGet(server.port, '/v1/models', { host })).status, 200, host)
  }
  await using({ app: { config: { allowedHosts: ['llava.example'] } } }, async (own) => {
    const { status } = await rawGet(own.port, '/health', { host: 'llava.example' })
    assert.equal(status, 200)
  })
})

test('pages of other origins may neither read nor send', async () => {
  const config = { allowedOrigins: ['https://app.example'] }
  await using({ app: { config } }, async (own) => {
    for (const origin of ['https://evil.example', 'null', 'https://app.example.evil.example']) {
      const { status, headers, body } = await own.post(CHAT, chat(), { origin })
      assert.equal(status, 403, origin)
      // It told to allow what no option takes.
      const isPage = origin.startsWith('https:')
      assert.equal(body.error.message.includes(`--allow-origin ${origin}`), isPage)
      assert.equal(headers.get('access-control-allow-origin'), null)
      const asked = await fetch(own.url + CHAT, { method: 'OPTIONS', headers: { origin } })
      assert.equal(asked.status, 403)
    }
    const origin = 'https://app.example'
    const asked = await fetch(own.url + CHAT, { method: 'OPTIONS', headers: { origin } })
    assert.equal(asked.status, 204)
    assert.equal(asked.headers.get('access-control-allow-origin'), origin)
    const ofClient = 'authorization,content-type,x-stainless-lang,x-stainless-retry-count'
    const headersFor = async (wanted: string) => {
      const headers = { origin, 'access-control-request-headers': wanted }
      const answered = await fetch(own.url + CHAT, { method: 'OPTIONS', headers })
      return answered.headers.get('access-control-allow-headers')
    }
    assert.equal(await headersFor(ofClient), ofClient)
    assert.equal(await headersFor('a b; c'), 'authorization, content-type, x-api-key')
    const { status, headers } = await own.post(CHAT, chat(), { origin })
    assert.equal(status, 200)
    assert.equal(headers.get('access-control-allow-origin'), origin)
    const self = await own.post(CHAT, chat(), { origin: own.url })
    assert.equal(self.status, 200)
  })
})

test('a form of another page cannot post: only JSON is read', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
    const { status } = await server.post(CHAT, chat(), { 'content-type': type })
    assert.equal(status, 415, type)
  }
})

test('a packed body is refused by the header that says so', async () => {
  const packed = { 'content-encoding': 'gzip' }
  const { status, body } = await server.post(CHAT, chat(), packed)
  assert.equal(status, 415)
  assert.match(body.error.message, /content-encoding should be identity, "gzip" came/)
  const plain = await server.post(CHAT, chat(), { 'content-encoding': 'identity' })
  assert.equal(plain.status, 200)
})

test('nothing is fetched and no file is read unless allowed; a text is never a path', async () => {
  const refused: readonly [string, string][] = [
    ['http://169.254.169.254/latest/meta-data', 'INPUT_MEDIA_REMOTE'],
    ['https://example.com/a.png', 'INPUT_MEDIA_REMOTE'],
    ['file:///etc/passwd', 'INPUT_MEDIA_FILE'],
    ['/etc/passwd', 'INPUT_MEDIA_URL'],
    ['fixtures/pictures/photo-640x480.jpg', 'INPUT_MEDIA_URL'],
    ['C:\\pictures\\a.png', 'INPUT_MEDIA_URL'],
    ['ftp://example.com/a.png', 'INPUT_MEDIA_URL'],
    ['data:image/png,hello', 'INPUT_MEDIA_URL'],
    ['data:image/png;base64,@@@@', 'INPUT_MEDIA_URL'],
  ]
  for (const [url, code] of refused) {
    const { status, body } = await server.post(CHAT, withPicture(url))
    assert.deepEqual([status, body.error.code], [400, code], url)
  }
})

test('files are read below their folder only, links followed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-media-'))
  try {
    writeFileSync(join(folder, 'in.jpg'), PICTURE)
    writeFileSync(`${folder}-secret.jpg`, PICTURE)
    execFileSync('mkfifo', [join(folder, 'pipe.jpg')])
    symlinkSync(`${folder}-secret.jpg`, join(folder, 'link.jpg'))
    const file = await fileMedia(folder)
    await using({ app: { media: { file } } }, async (own) => {
      const base = pathToFileURL(folder).href
      const status = async (url: string) => (await own.post(CHAT, withPicture(url))).status
      assert.equal(await status(`${base}/in.jpg`), 200)
      for (const path of [
        '/link.jpg',
        // Nobody writes into it: opened as a file is, it was waited for without an end.
        '/pipe.jpg',
        '/../x',
        '/%2e%2e/x',
        '-secret.jpg',
        '/none.jpg',
        '',
        '/in.jpg%00',
        '/..%2fx',
      ]) {
        const { status: refused, body } = await own.post(CHAT, withPicture(base + path))
        assert.deepEqual([refused, body.error.code], [400, 'INPUT_MEDIA_FILE'], path)
      }
      assert.equal(await status('file://evil.example/in.jpg'), 400)
    })
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(`${folder}-secret.jpg`)
  }
})

/** A PNG that says it is so large and holds nothing. */
function bomb(width: number, height: number): string {
  const png = Buffer.from(readFileSync('fixtures/pictures/photo-100x100.png'))
  png.writeUInt32BE(width, 16)
  png.writeUInt32BE(height, 20)
  return `data:image/png;base64,${png.toString('base64')}`
}

test('bombs are refused by their headers', async () => {
  const before = process.memoryUsage.rss()
  for (const [width, height] of [
    [60_000, 60_000],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [0, 10],
    [40_000, 3000],
  ] as const) {
    const { status } = await server.post(CHAT, withPicture(bomb(width, height)))
    assert.ok(status === 400 || status === 413, String(status))
  }
  assert.ok(process.memoryUsage.rss() - before < 100 << 20)
  // Each is small enough, all together are not.
  const picture = { type: 'image_url', image_url: { url: PICTURE_URL } }
  const many = { messages: [{ role: 'user', content: Array.from({ length: 17 }, () => picture) }] }
  assert.equal((await server.post(CHAT, chat(many))).body.error.code, 'INPUT_MEDIA_COUNT')
  await using(
    { app: { config: { maxPixels: 640 * 480 * 2, maxMediaBytes: 200_000 } } },
    async (own) => {
      const three = { messages: [{ role: 'user', content: [picture, picture, picture] }] }
      const { status, body } = await own.post(CHAT, chat(three))
      assert.deepEqual([status, body.error.code], [413, 'INPUT_IMAGE_TOO_LARGE'])
      const large = `data:image/png;base64,${'A'.repeat(400_000)}`
      const { body: refused } = await own.post(CHAT, withPicture(large))
      assert.equal(refused.error.code, 'INPUT_MEDIA_TOO_LARGE')
    },
  )
})

test('odd pictures are answered, broken ones refused, and neither hurts anybody else', async () => {
  const odd = [
    'photo-1x1.png',
    'photo-1x37.png',
    'photo-53x1.png',
    'cmyk-240x240.jpg',
    'grey16-160x120.png',
    'palette-240x180.png',
    'rgba-200x150.png',
    'animated-160x160.gif',
    'photo-300x200.webp',
  ]
  const url = (bytes: Uint8Array) =>
    `data:image/any;base64,${Buffer.from(bytes).toString('base64')}`
  const files = odd.map((name) => readFileSync(`fixtures/pictures/${name}`))
  const answers = files.map(async (bytes, i) => {
    const { status } = await server.post(CHAT, withPicture(url(bytes)))
    assert.equal(status, 200, odd[i])
  })
  const broken = [
    PICTURE.subarray(0, 20_000),
    PICTURE.subarray(0, 10),
    new Uint8Array(64),
    new TextEncoder().encode('<svg/>'),
  ]
  const refusals = broken.map(async (bytes) => {
    const { status } = await server.post(CHAT, withPicture(url(bytes)))
    assert.equal(status, 400)
  })
  await Promise.all([...answers, ...refusals, assertStillAnswers()])
})

test('what is wrong with a picture or clip is said of its place, in every way of asking', async () => {
  const cut = Buffer.from(PICTURE.subarray(0, PICTURE.length >> 1)).toString('base64')
  const picture = { type: 'image_url', image_url: { url: PICTURE_URL } }
  const broken = { type: 'image_url', image_url: `data:image/jpeg;base64,${cut}` }
  const film = (url: string) => ({ type: 'video_url', video_url: { url } })
  const bytes = (text: string) => Buffer.from(text).toString('base64')
  const user = (...content: object[]) => ({ messages: [{ role: 'user', content }], max_tokens: 2 })
  const file = { type: 'file', file: { file_data: `data:application/pdf;base64,${cut}` } }
  const cases: readonly [path: string, body: object, param: string][] = [
    [CHAT, user(picture, broken), 'messages[0].content[1].image_url'],
    [CHAT, { ...user(picture, broken), stream: true }, 'messages[0].content[1].image_url'],
    [CHAT, user(broken, broken), 'messages[0].content[0].image_url'],
    [
      CHAT,
      user(film(`data:video/mp4;base64,${bytes('no film')}`)),
      'messages[0].content[0].video_url',
    ],
    [
      CHAT,
      user(film(`data:image/gif;base64,${bytes('GIF89a, cut')}`)),
      'messages[0].content[0].video_url',
    ],
    [CHAT, user(picture, film('https://example.com/a.mp4')), 'messages[0].content[1].video_url'],
    [CHAT, user(picture, file), 'messages[0].content[1].file.file_data'],
    [
      '/v1/media/tokens',
      { messages: user(film('data:,x')).messages },
      'messages[0].content[0].video_url',
    ],
    [
      '/v1/responses',
      { input: [{ role: 'user', content: [{ ...broken, type: 'input_image' }] }] },
      'input[0].content[0].image_url',
    ],
    ['/generate', { text: '<image>', image_data: [cut] }, 'image_data[0]'],
  ]
  // All at once: equal pictures are decoded once, and each request hears of its own.
  await Promise.all(
    cases.map(async ([path, body, param]) => {
      const { status, body: told } = await server.post(path, body)
      assert.equal(status, 400, JSON.stringify(told))
      assert.equal(told.error.param, param, told.error.message)
    }),
  )
  const source = { type: 'base64', media_type: 'image/jpeg', data: cut }
  const { body } = await server.post('/v1/messages', user({ type: 'image', source }))
  assert.match(body.error.message, /^messages\[0\]\.content\[0\]\.source: /)
})

test('bodies that are too large, too deep, no JSON, or full of strange names are refused at once', async () => {
  const config = { maxBodyBytes: 1 << 20 }
  await using({ app: { config } }, async (own) => {
    const { status, body } = await own.post(CHAT, chat({ user: 'x'.repeat(1 << 20) }))
    assert.deepEqual([status, body.error.code], [413, 'INPUT_BODY_TOO_LARGE'])
    // Without a length in front.
    const chunk = new Uint8Array(1 << 16).fill(0x20)
    let sent = 0
    const endless = new ReadableStream({
      pull(controller) {
        sent += chunk.length
        controller.enqueue(chunk)
      },
    })
    const headers = { 'content-type': 'application/json' }
    const options = { method: 'POST', headers, body: endless, duplex: 'half' } as RequestInit
    const refused = await fetch(own.url + CHAT, options).then(
      (one) => one.status,
      () => 413,
    )
    assert.equal(refused, 413)
    assert.ok(sent < 64 << 20, String(sent))
  })
  const codeOf = async (body: string) => (await server.post(CHAT, body)).body.error.code
  assert.equal(await codeOf('['.repeat(200_000)), 'INPUT_BODY_DEPTH')
  assert.equal(await codeOf(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`), 'INPUT_BODY_DEPTH')
  assert.equal(await codeOf('{"messages":'), 'INPUT_BODY_JSON')
  assert.equal(await codeOf(''), 'INPUT_BODY_JSON')
  assert.equal(await codeOf('"[[[[[[\\"[[[["'), 'INPUT_OPTION')
  const strange = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`name${i}`, i]))
  // Processor time: others may have the machine meanwhile.
  const start = process.cpuUsage()
  const { status, body } = await server.post(CHAT, chat(strange))
  assert.equal(status, 400)
  assert.ok(body.error.message.length < 20_000)
  assert.ok(process.cpuUsage(start).user < 2_000_000)
  assert.equal(
    (await server.post(CHAT, '{"messages":[{"role":"user","content":"a"}],"__proto__":{"n":2}}'))
      .status,
    400,
  )
})

test('a form that is a bomb is refused or ended, and nobody waits for it', async () => {
  const nested = (levels: number): object =>
    levels === 0 ? { type: 'null' } : { type: 'array', items: nested(levels - 1) }
  const refused: readonly [string, object][] = [
    ['a schema too deep', { json_schema: nested(40) }],
    ['a schema of too many values', { json_schema: { enum: [...Array(2000).keys()] } }],
    ['a keyword that is not enforced', { json_schema: { type: 'array', uniqueItems: true } }],
    ['a schema from elsewhere', { json_schema: { $ref: 'https://evil.example/schema' } }],
    ['a pattern too long', { regex: 'a'.repeat(5000) }],
    ['too many choices', { choice: Array.from({ length: 1500 }, (_, i) => `choice ${i}`) }],
    ['a grammar too long', { ebnf: `root ::= "${'a'.repeat(70_000)}"` }],
    ['a grammar without a rule', { ebnf: 'root ::= nothing' }],
  ]
  for (const [name, fields] of refused) {
    const { status, body } = await server.post(CHAT, chat(fields))
    assert.deepEqual([status, body.error.code], [400, 'INPUT_FORMAT'], name)
  }
  // Compiling this one takes longer than anybody should wait: it is done beside, and given up when its client leaves.
  const left = new AbortController()
  const bomb = fetch(server.url + CHAT, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chat({ regex: '.*a.{12}', max_tokens: 1 })),
    signal: left.signal,
  })
  await assertStillAnswers()
  left.abort()
  await assert.rejects(bomb)
  await assertStillAnswers()
})

test('no answer is longer than the server allows, where a request says nothing too', async () => {
  await using({ app: { config: { maxTokens: 4 } } }, async (own) => {
    const params = { sampling_params: { ignore_eos: true } }
    const generated = await own.post('/generate', { text: 'Hello', ...params })
    assert.equal(generated.body.meta_info.completion_tokens, 4)
    for (const [path, fields] of [
      ['/v1/completions', { prompt: 'Hello', ignore_eos: true }],
      [CHAT, { ...chat({ ignore_eos: true }), max_tokens: null }],
    ] as const) {
      const { body } = await own.post(path, fields)
      assert.equal(body.usage.completion_tokens, 4, path)
    }
  })
})

test('a template comes from the checkpoint and never from a request', async () => {
  const template = '{% for i in range(1000000000) %}x{% endfor %}'
  for (const name of ['chat_template', 'template', 'chat_template_kwargs']) {
    const { status, body } = await server.post(CHAT, chat({ [name]: template }))
    assert.deepEqual([status, body.error.code], [400, 'INPUT_UNKNOWN_OPTION'], name)
  }
  const content = `${template}{{ 7 * 7 }}`
  const { body } = await server.post('/tokenize', { messages: [{ role: 'user', content }] })
  const { body: text } = await server.post('/detokenize', { tokens: body.tokens })
  assert.ok(text.prompt.includes(content))
})

test('a name with half an escape is the name of nothing', async () => {
  const { status } = await rawGet(server.port, '/v1/models/%E0%A4%A', {})
  assert.equal(status, 404)
})

test('headers that are too large are refused, and a client that sends slowly is cut off', async () => {
  const limits = { headersSeconds: 0.3, requestSeconds: 0.6, maxHeaderBytes: 4096 }
  await using({ listen: { limits } }, async (own) => {
    const { status } = await rawGet(own.port, '/health', { 'x-long': 'x'.repeat(8192) })
    assert.equal(status, 431)
    const cutOff = async (first: string) => {
      const socket = connect(own.port, '127.0.0.1')
      socket.write(first)
      const drip = setInterval(() => socket.write('a'), 50)
      // Nothing but the server ends it.
      await new Promise<void>((resolve) => socket.on('error', resolve).on('close', () => resolve()))
      clearInterval(drip)
    }
    await cutOff('GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ')
    await cutOff(
      `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`,
    )
  })
})

test('a full queue says so and when to come again; who waits is answered', async () => {
  const config = { maxRunning: 1, maxQueued: 1 }
  await using({ app: { config } }, async (own) => {
    const long = chat({ max_tokens: 60, ignore_eos: true })
    const asked = await Promise.all([1, 2, 3, 4].map(() => own.post(CHAT, long)))
    const statuses = asked.map(({ status }) => status).sort()
    assert.deepEqual(statuses, [200, 200, 503, 503])
    const full = asked.find(({ status }) => status === 503)
    assert.equal(full?.headers.get('retry-after'), '1')
    assert.equal(full?.body.error.code, 'CAPACITY_QUEUE')
  })
})

test('a key has its share of requests and tokens, and others have theirs', async () => {
  const keys = await parseApiKeys('a key-of-a-0123456789\nb key-of-b-0123456789')
  let now = 0
  const config = { requestsPerMinute: 2, tokensPerMinute: 1000 }
  await using({ app: { keys, config, now: () => now } }, async (own) => {
    const ask = (key: string) => own.post(CHAT, chat(), { authorization: `Bearer ${key}` })
    const [a, b] = ['key-of-a-0123456789', 'key-of-b-0123456789'] as const
    assert.equal((await ask(a)).status, 200)
    assert.equal((await ask(a)).status, 200)
    const refused = await ask(a)
    assert.deepEqual([refused.status, refused.body.error.code], [429, 'CAPACITY_RATE'])
    assert.equal(refused.headers.get('retry-after'), '30')
    assert.equal((await ask(b)).status, 200)
    now += 30_000
    assert.equal((await ask(a)).status, 200)
  })
  await using({ app: { config: { tokensPerMinute: 20 }, now: () => now } }, async (own) => {
    assert.equal((await own.post(CHAT, chat())).status, 200)
    const refused = await own.post(CHAT, chat())
    assert.equal(refused.status, 429)
    now += 60_000 * 5
    assert.equal((await own.post(CHAT, chat())).status, 200)
  })
  // As usage has it, a prompt counts once however many answers it gets.
  const { body } = await server.post(CHAT, chat({ n: 4 }))
  const tokensPerMinute = body.usage.total_tokens + 1
  await using({ app: { config: { tokensPerMinute }, now: () => now } }, async (own) => {
    assert.equal((await own.post(CHAT, chat({ n: 4 }))).status, 200)
    assert.equal((await own.post(CHAT, chat())).status, 200)
    assert.equal((await own.post(CHAT, chat())).status, 429)
  })
})

test('what one key asked is not found in the cache by another', async () => {
  const keys = await parseApiKeys('c key-of-a-0123456789\nd key-of-b-0123456789')
  await using({ app: { keys } }, async (own) => {
    const content =
      'A secret that is long enough to be kept: nobody else has ever asked this before.'
    const body = chat({ messages: [{ role: 'user', content }] })
    const cached = async (key: string, salt?: string) => {
      const asked = salt === undefined ? body : { ...body, cache_salt: salt }
      const { body: answer } = await own.post(CHAT, asked, { authorization: `Bearer ${key}` })
      return answer.usage.prompt_tokens_details.cached_tokens as number
    }
    assert.equal(await cached('key-of-a-0123456789'), 0)
    assert.ok((await cached('key-of-a-0123456789')) > 0)
    assert.equal(await cached('key-of-b-0123456789'), 0)
    assert.equal(await cached('key-of-a-0123456789', 'other'), 0)
  })
})

test('an answer whose client has left stops, streamed or not', async () => {
  const metric = async (line: RegExp) => {
    const shown = await (await fetch(`${server.url}/metrics`)).text()
    return Number(line.exec(shown)?.[1] ?? 0)
  }
  const aborted = () => metric(/^llava_answers_total\{finish_reason="abort"\} (\d+)/m)
  for (const stream of [true, false]) {
    const before = await aborted()
    const left = new AbortController()
    const body = JSON.stringify(chat({ stream, max_tokens: 4096, ignore_eos: true }))
    const headers = { 'content-type': 'application/json' }
    const options = { method: 'POST', headers, body, signal: left.signal }
    const asked = fetch(server.url + CHAT, options).then((response) => response.text())
    while ((await metric(/^llava_answers_running (\d+)/m)) === 0) await soon()
    left.abort()
    await assert.rejects(asked)
    while ((await metric(/^llava_answers_running (\d+)/m)) > 0) await soon()
    // It was stopped, and did not come to its end.
    assert.equal(await aborted(), before + 1)
  }
  await assertStillAnswers()
})

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}

/** A connection on which half of a request has come to the server. */
async function halfAsked({ port }: TestServer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  // The server asks for the body: it has the headers.
  socket.write(
    `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n`,
  )
  await once(socket, 'data')
  await new Promise<void>((resolve) => socket.write('{"messages":', () => resolve()))
  return socket
}

test('a client that leaves in the middle of its body is no fault of the server', async () => {
  const lines: Record<string, unknown>[] = []
  const log = (level: string, fields: object) => lines.push({ level, ...fields })
  await using({ app: { log } }, async (own) => {
    lines.length = 0
    const socket = await halfAsked(own)
    socket.destroy()
    while (!lines.some(({ event }) => event === 'request')) await soon()
    const told = lines.map(({ level, status, code }) => [level, status, code])
    assert.deepEqual(told, [['info', 499, 'CLIENT_GONE']])
  })
})

test('a client that does not read what it asked for holds nobody up', async () => {
  await using({ app: { config: { maxRunning: 1, maxQueued: 1 } } }, async (own) => {
    const body = JSON.stringify(
      chat({ stream: true, max_tokens: 1500, ignore_eos: true, logprobs: true, top_logprobs: 20 }),
    )
    const socket = connect(own.port, '127.0.0.1')
    socket.pause()
    const head = `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    await new Promise<void>((resolve) => socket.write(head + body, () => resolve()))
    await soon()
    assert.equal((await own.post(CHAT, chat())).status, 200)
    socket.destroy()
  })
})

test('an answer that takes too long is given up', async () => {
  await using({ app: { config: { answerSeconds: 0.05 } } }, async (own) => {
    const { status, body } = await own.post(CHAT, chat({ max_tokens: 4096, ignore_eos: true }))
    assert.deepEqual([status, body.error.code], [504, 'CAPACITY_TIME'])
  })
  // A stream that has begun ends with an error, which its schema in the document has (`own.fetch` looks).
  await using({ app: { config: { answerSeconds: 0.4 } } }, async (own) => {
    const endless = { max_tokens: 4096, ignore_eos: true, stream: true }
    const bodies: Readonly<Record<string, object>> = {
      [CHAT]: chat(endless),
      '/v1/completions': { prompt: 'Once', ...endless },
      '/v1/responses': { input: 'Once', ignore_eos: true, max_output_tokens: 4096, stream: true },
      '/v1/messages': { ...chat({ max_tokens: 4096, stream: true }), output_config: ENDLESS },
      '/generate': {
        text: 'Once',
        sampling_params: { ignore_eos: true, max_new_tokens: 4096 },
        stream: true,
      },
    }
    for (const [path, body] of Object.entries(bodies)) {
      const response = await own.fetch(`${own.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const last = (await response.text()).trim().split('\n\n').at(-1) ?? ''
      assert.match(last, /CAPACITY_TIME/, path)
    }
  })
})

/** A form that takes thousands of tokens. */
const ENDLESS = {
  format: {
    type: 'json_schema',
    schema: { type: 'array', items: { type: 'string', pattern: '^[a-z ]{60}$' }, minItems: 300 },
  },
} as const

test('the log holds nothing that people ask or get, unless they want it', async () => {
  const lines: string[] = []
  const log = (level: string, fields: object) => lines.push(JSON.stringify({ level, ...fields }))
  const secret = 'Xylophone-4711'
  const content = [
    { type: 'text', text: secret },
    { type: 'image_url', image_url: { url: PICTURE_URL } },
  ]
  const body = chat({ messages: [{ role: 'user', content }] })
  await using({ app: { log } }, async (own) => {
    await own.post(`${CHAT}?q=${secret}`, body)
    await own.post(CHAT, chat({ [secret]: secret }))
    await own.post(CHAT, withPicture(secret))
    await own.post(`/v1/${secret}`, body)
    assert.ok(lines.length >= 4)
    assert.ok(lines.every((line) => !line.includes(secret)))
  })
  await using({ app: { log, config: { logPrompts: true } } }, async (own) => {
    lines.length = 0
    await own.post(CHAT, body)
    assert.ok(lines.some((line) => line.includes(secret)))
    assert.ok(lines.every((line) => line.length < 3000))
  })
})

test('a fault of the server tells its log, not its caller', async () => {
  const lines: string[] = []
  const log = (level: string, fields: object) => lines.push(JSON.stringify({ level, ...fields }))
  const broken = {
    config: model.config,
    autoOrient: false,
    generation: model.generation,
    tokenizer: model.tokenizer,
    countTokens: () => ({ text: 0, image: 0 }),
    prepare: () => Promise.reject(new Error('the database password is hunter2')),
    // oxlint-disable-next-line require-yield
    async *stream(): AsyncGenerator<never> {
      throw new Error('the database password is hunter2')
    },
  }
  const own = await startServer({ model: broken, app: { log } })
  try {
    for (const stream of [true, false]) {
      const { status, body } = await own.post(CHAT, chat({ stream }))
      assert.equal(status, 500)
      assert.ok(!JSON.stringify(body).includes('hunter2'))
    }
    assert.ok(lines.some((line) => line.includes('hunter2') && line.includes('"error"')))
  } finally {
    await own.close()
  }
})

test('a server that stops finishes what it began and takes nothing new', async () => {
  const own = await startServer({ model })
  const body = JSON.stringify(chat({ stream: true, max_tokens: 200, ignore_eos: true }))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(own.url + CHAT, { method: 'POST', headers, body })
  const closed = own.close()
  const events = (await response.text()).trim().split('\n\n')
  assert.equal(events.at(-1), 'data: [DONE]')
  const expected = await model.generate({
    messages: [{ role: 'user', content: 'Hello' }],
    maxTokens: 200,
    ignoreEos: true,
  })
  const pieces = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)))
  assert.equal(pieces.map((one) => one.choices[0].delta.content ?? '').join(''), expected.text)
  await closed
  await assert.rejects(fetch(`${own.url}/health`))
})

test('a server that stops says so to whoever asks, on connections that end, until its last answer is given', async () => {
  // It took no connection any more: what sends requests to it never saw that it stops.
  const own = await startServer({ model })
  const body = JSON.stringify(chat({ stream: true, max_tokens: 4096, ignore_eos: true }))
  const headers = { 'content-type': 'application/json' }
  const stop = new AbortController()
  const { signal } = stop
  await fetch(own.url + CHAT, { method: 'POST', headers, body, signal })
  const closed = own.close()
  const ready = await own.fetch(`${own.url}/ready`)
  assert.deepEqual([ready.status, await ready.json()], [503, { status: 'stopping' }])
  const health = await own.fetch(`${own.url}/health`)
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }])
  const refused = await own.post(CHAT, chat())
  assert.deepEqual([refused.status, refused.body.error.code], [503, 'CAPACITY_STOPPING'])
  assert.equal(refused.headers.get('retry-after'), '1')
  for (const one of [ready, health, refused]) assert.equal(one.headers.get('connection'), 'close')
  stop.abort()
  await closed
  await assert.rejects(fetch(`${own.url}/health`))
})

test('a request that is still arriving does not hold a server that stops', async () => {
  const own = await startServer({ model, app: { config: { shutdownSeconds: 600 } } })
  const socket = await halfAsked(own)
  const cut = once(socket, 'close')
  socket.on('error', () => {})
  await own.close()
  await cut
})

test('an answer that does not end in time is stopped and says so', async () => {
  const own = await startServer({ model, app: { config: { shutdownSeconds: 0 } } })
  const body = JSON.stringify(chat({ stream: true, max_tokens: 4096, ignore_eos: true }))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(own.url + CHAT, { method: 'POST', headers, body })
  const closed = own.close()
  assert.match(await response.text(), /CAPACITY_STOPPING/)
  await closed
})

test('TLS is spoken by file, and plain text is not answered then', async () => {
  const [cert, key] = ['cert', 'key'].map((name) => readFileSync(`fixtures/tls/${name}.pem`))
  await using({ listen: { tls: { cert: cert!, key: key! } } }, async (own) => {
    assert.match(own.url, /^https:/)
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      secureGet(`${own.url}/health`, { ca: cert! }, resolve).on('error', reject)
    })
    assert.deepEqual(JSON.parse(await text(response)), { status: 'ok' })
    await assert.rejects(rawGet(own.port, '/health', {}))
  })
})
