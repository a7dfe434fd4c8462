/** How a server ends: answers made up here, connections as clients, balancers and attackers have them. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as secureConnect } from 'node:tls'
import { listen, type ListenOptions, type RunningServer } from './http-node.ts'

const [cert, key] = ['cert', 'key'].map((name) => readFileSync(`fixtures/tls/${name}.pem`))
const TLS = { cert: cert!, key: key! }
/** More than the buffers of the system hold, so that the reader's pace is the writer's. */
const LONG = 'x'.repeat(16 << 20)
/** What the end takes where nothing is to be waited for, on a slow machine. */
const SOON_MS = 5000

type Started = RunningServer & {
  open(request?: string): Promise<Socket>
  /** Milliseconds. */
  closing(): Promise<number>
}

async function start(
  answer: (request: Request) => Promise<Response>,
  {
    shutdownSeconds = 30,
    drain = async () => {},
    ...options
  }: Partial<ListenOptions> & { shutdownSeconds?: number; drain?: () => Promise<void> } = {},
): Promise<Started> {
  const app = { fetch: answer, drain, shutdownSeconds }
  const server = await listen(app, { host: '127.0.0.1', port: 0, ...options })
  return {
    ...server,
    async open(request = '') {
      const socket = connect(server.port, '127.0.0.1')
      await once(socket, 'connect')
      socket.write(request)
      return socket
    },
    async closing() {
      const start = performance.now()
      await server.close()
      return performance.now() - start
    },
  }
}

const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'

function closedByServer(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve())
    socket.resume()
  })
}

/** Reads to the end at a pace at which it takes seconds. */
async function readSlowly(socket: Socket): Promise<number> {
  let read = 0
  for await (const bytes of socket) {
    read += (bytes as Buffer).length
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return read
}

for (const [kind, respond] of [
  ['a whole answer', () => new Response(LONG)],
  ['a stream', () => new Response(new Blob([LONG]).stream())],
] as const) {
  test(`${kind} that its reader takes slowly is written out while the time lasts`, async () => {
    // It was cut off after a second.
    const server = await start(async () => respond())
    const socket = await server.open(get)
    await once(socket, 'readable')
    const [read] = await Promise.all([readSlowly(socket), server.closing()])
    assert.ok(read > LONG.length, `${read} bytes came`)
  })
}

test('a reader who does not read is waited for as long as the time lasts, an answer that does not stop too', async () => {
  const deaf = await start(async () => new Response(LONG), { shutdownSeconds: 0.2 })
  const socket = await deaf.open(get)
  await once(socket, 'readable')
  assert.ok((await deaf.closing()) < SOON_MS)
  socket.destroy()
  const drain = () => new Promise<void>(() => {})
  const endless = await start(async () => new Response(''), { shutdownSeconds: 0.2, drain })
  assert.ok((await endless.closing()) < SOON_MS)
})

test('connections without an answer are closed soon: silent, idle, in the middle of their head or body', async () => {
  const asked = new EventEmitter()
  const server = await start(async (request) => {
    asked.emit(request.method)
    return new Response(await request.text().catch(() => ''))
  })
  const idle = await server.open(get)
  await once(idle, 'readable')
  const uploading = once(asked, 'POST')
  const sockets = [
    idle,
    await server.open(),
    await server.open('GET / HTTP/1.1\r\nho'),
    await server.open('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{'),
  ]
  await uploading
  const closed = sockets.map(closedByServer)
  assert.ok((await server.closing()) < SOON_MS)
  await Promise.all(closed)
})

test('over TLS too, also before they have said hello', async () => {
  // They held the server for two minutes, which is how long Node.js waits for a hello.
  const server = await start(async () => new Response(''), { tls: TLS })
  const silent = await server.open()
  const idle = secureConnect({ port: server.port, host: '127.0.0.1', ca: cert! })
  await once(idle, 'secureConnect')
  const closed = [silent, idle].map((socket) =>
    once(socket.on('error', () => {}).resume(), 'close'),
  )
  assert.ok((await server.closing()) < SOON_MS)
  await Promise.all(closed)
})

test('a client has as long to say hello as for its headers', async () => {
  const limits = { headersSeconds: 0.2 }
  const server = await start(async () => new Response(''), { tls: TLS, limits })
  const silent = await server.open()
  const opened = performance.now()
  await closedByServer(silent)
  assert.ok(performance.now() - opened < SOON_MS)
  await server.close()
})
