/** The HTTP server on a socket of Node's: address, TLS, limits of connections, and the end of it all. */
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import pino from 'pino'
import type { App, Log } from './http/index.ts'
import { OneATurn } from './one-a-turn.ts'

export type ListenOptions = {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls?:
    { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined
  readonly limits?: Partial<ConnectionLimits> | undefined
}

export type ConnectionLimits = {
  readonly maxHeaderBytes: number
  readonly maxConnections: number
  /** A client has so long for its headers, and for all of its request. */
  readonly headersSeconds: number
  readonly requestSeconds: number
  /** How long a connection is kept for the next request. */
  readonly keepAliveSeconds: number
}

export const CONNECTION_DEFAULTS: ConnectionLimits = {
  maxHeaderBytes: 16 << 10,
  maxConnections: 2048,
  headersSeconds: 10,
  requestSeconds: 120,
  // Longer than clients and proxies keep theirs (60 s mostly): who closes first must not be the one who is asked next.
  keepAliveSeconds: 75,
}

export type RunningServer = {
  readonly url: string
  readonly port: number
  /** Takes no connection any more, lets the app finish its answers, and closes. */
  close(): Promise<void>
}

/** Rejects with the system's error where the address cannot be had. */
export async function listen(app: App, options: ListenOptions): Promise<RunningServer> {
  const server = nodeServer(app, options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `${options.tls ? 'https' : 'http'}://${host}:${port}`,
    port,
    close: () => close(server, app),
  }
}

function nodeServer(app: App, { tls, limits }: ListenOptions): Server {
  const bounds = { ...CONNECTION_DEFAULTS, ...limits }
  const listener = getRequestListener((request) => app.fetch(request), {
    overrideGlobalObjects: false,
    // A request line or Host header that makes no URL.
    errorHandler: () => new Response(null, { status: 400 }),
  })
  const options = {
    maxHeaderSize: bounds.maxHeaderBytes,
    headersTimeout: bounds.headersSeconds * 1000,
    requestTimeout: bounds.requestSeconds * 1000,
    keepAliveTimeout: bounds.keepAliveSeconds * 1000,
    // How often the two timeouts are looked after.
    connectionsCheckingInterval: Math.min(1000, bounds.headersSeconds * 250),
  }
  const turns = new OneATurn(setImmediate)
  const handler: Parameters<typeof createServer>[1] = (incoming, outgoing) => {
    turns.start(() => {
      // Whoever left while he waited for his turn wants no answer.
      if (!incoming.socket.destroyed) void listener(incoming, outgoing)
    })
  }
  const server = tls
    ? createTlsServer({ ...options, cert: tls.cert as string, key: tls.key as string }, handler)
    : createServer(options, handler)
  server.maxConnections = bounds.maxConnections
  return server
}

/** Milliseconds for the last bytes of answers to reach their readers. */
const FLUSH_MS = 1000

async function close(server: Server, app: App): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  await app.drain()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), FLUSH_MS)
  await closed
  clearTimeout(timer)
}

/** Log lines as JSON on a stream, by pino. */
export function createLog(stream: { write(line: string): unknown }): Log {
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime },
    stream as pino.DestinationStream,
  )
  return (level, fields) => logger[level](fields)
}

export { readPage } from './http/page-node.ts'
export { fileMedia } from './http/file-media-node.ts'
export { remoteMedia, type RemoteMediaOptions } from './http/remote-media-node.ts'
