/** Workers behind wires that can be cut, and a server in front of them. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { AppOptions, LocalModel } from '../../src/serve/http/index.ts'
import {
  connectUpstreams,
  type UpstreamOptions,
  type Upstreams,
} from '../../src/serve/http/upstream/index.ts'
import { startServer, type TestServer } from './serve-setup.ts'

/** A TCP connection in the middle: cut while bytes flow, refused, or held up. */
export type Wire = {
  readonly url: string
  /** Destroys every connection, and lets none in until `mend`. */
  cut(): void
  mend(): void
  /** Lets connections in and passes nothing on until `mend`. */
  hold(): void
  /** Called with each piece that the worker sends. */
  onReply: (text: string) => void
  close(): Promise<void>
}

export async function startWire(port: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let state: 'open' | 'cut' | 'held' = 'open'
  const server = createServer((client) => {
    if (state === 'cut') return client.destroy()
    const worker = connect(port, '127.0.0.1')
    for (const socket of [client, worker]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        worker.destroy()
      })
    }
    client.on('data', (data) => void (state === 'open' && worker.write(data)))
    worker.on('data', (data) => {
      if (state !== 'open') return
      client.write(data)
      wire.onReply(data.toString('latin1'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dropAll = () => sockets.forEach((socket) => socket.destroy())
  const wire: Wire = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      state = 'cut'
      dropAll()
    },
    mend: () => void (state = 'open'),
    hold: () => void (state = 'held'),
    onReply: () => {},
    async close() {
      dropAll()
      server.close()
      await once(server, 'close')
    },
  }
  return wire
}

export type Front = TestServer & {
  readonly upstreams: Upstreams
  readonly logged: Record<string, unknown>[]
}

/** A server whose models are behind `urls`. */
export async function startFront(
  urls: readonly string[],
  { app = {}, ...options }: Partial<UpstreamOptions> & { readonly app?: Partial<AppOptions> } = {},
): Promise<Front> {
  const logged: Record<string, unknown>[] = []
  const upstreams = await connectUpstreams({
    workers: urls.map((url) => ({ url })),
    now: Date.now(),
    // Checks come when a test asks for them.
    health: { everySeconds: 3600, ...options.health },
    log: (_, fields) => logged.push(fields),
    ...options,
  })
  const { models } = upstreams
  const server = await startServer({ model: NO_MODEL, app: { models, ...app }, listen: PATIENT })
  return {
    ...server,
    upstreams,
    logged,
    async close() {
      upstreams.close()
      await server.close()
    },
  }
}

/** Connections are kept through pauses of a busy machine: nobody here tests how they end. */
export const PATIENT = { limits: { keepAliveSeconds: 120 } } as const

/** `startServer` wants a model, which the ones behind workers take the place of. */
const NO_MODEL = {
  config: { maxContext: 0, image: null, video: null },
  generation: {},
  tokenizer: {},
} as unknown as LocalModel
