/** The HTTP server on a socket of Node's: address, TLS, limits of connections, and the end of it all. */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import pino from 'pino'
import { ConfigError } from '../core/errors.ts'
import { isInTime } from '../core/in-time.ts'
import { LONGEST_SECONDS } from '../core/longest-wait.ts'
import { Connections } from './connections-node.ts'
import type { App, Log } from './http/index.ts'
import { OneATurn } from './one-a-turn.ts'

export type ListenOptions = {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls?:
    | { readonly cert: string | Uint8Array; readonly key: string | Uint8Array }
    | undefined
  readonly limits?: Partial<ConnectionLimits> | undefined
}

export type ConnectionLimits = {
  readonly maxHeaderBytes: number
  readonly maxConnections: number
  /** A client has so long for its headers, for the hello of TLS, and for all of its request. */
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
  /**
   * Lets the app finish its answers and their readers take them, in which time whoever asks is told that it stops, and
   * closes: after the app's `shutdownSeconds` and one more at the latest.
   */
  close(): Promise<void>
}

/** Throws ConfigError where the address cannot be had, or TLS not be spoken. */
export async function listen(app: App, options: ListenOptions): Promise<RunningServer> {
  const server = nodeServer(app, options)
  const connections = new Connections(server)
  await bind(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `${options.tls ? 'https' : 'http'}://${host}:${port}`,
    port,
    close: () => close(server, { app, connections }),
  }
}

type Address = Pick<ListenOptions, 'host' | 'port'>

/** Throws ConfigError where the address cannot be had: to be known before a model is loaded for minutes. */
export async function checkAddress(address: Address): Promise<void> {
  const server = createServer()
  await bind(server, address)
  await new Promise((resolve) => server.close(resolve))
}

async function bind(server: Server, address: Address): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address.port, address.host, resolve)
    })
  } catch (error) {
    throw notBound(error as NodeJS.ErrnoException, address)
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken; stop what listens there, or name another port (0: a free one)',
  EACCES: 'is not for this user; name a port from 1024 on',
  EADDRNOTAVAIL: 'is no address of this machine; leave the host out, or name one that is',
  ENOTFOUND: 'is no address: the name is not known; leave the host out, or name one that is',
  ERR_SOCKET_BAD_PORT: 'is none; a port is from 0 to 65535',
}

function notBound(error: NodeJS.ErrnoException, { host, port }: Address): ConfigError {
  const advice = ADVICE[error.code ?? ''] ?? `cannot be had (${error.message})`
  return new ConfigError('CONFIG_ADDRESS', `server: ${host}, port ${port} ${advice}.`, {
    cause: error,
  })
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
  const handler: RequestListener = (incoming, outgoing) => {
    turns.start(() => {
      // Whoever left while he waited for his turn wants no answer.
      if (!incoming.socket.destroyed) void listener(incoming, outgoing)
    })
  }
  const server = tls ? tlsServer({ ...options, tls }, handler) : createServer(options, handler)
  server.maxConnections = bounds.maxConnections
  return server
}

function tlsServer(
  { tls, ...options }: ServerOptions & { readonly tls: NonNullable<ListenOptions['tls']> },
  handler: RequestListener,
): Server {
  try {
    const pair = { cert: tls.cert as string, key: tls.key as string }
    const handshakeTimeout = options.headersTimeout
    return createTlsServer({ ...options, ...pair, handshakeTimeout }, handler)
  } catch (error) {
    throw new ConfigError(
      'CONFIG_TLS',
      `tls: expected a certificate and its own key in PEM, without a password; they are not (${(error as Error).message}).`,
      { cause: error },
    )
  }
}

/** Milliseconds for answers that are due to begin, and for the last words of those that are stopped. */
const LAST_WORDS_MS = 1000

type Ending = { readonly app: App; readonly connections: Connections }

async function close(server: Server, { app, connections }: Ending): Promise<void> {
  // It listens meanwhile: what sends requests to it has to hear that it stops, not that nobody is there.
  const mostMs = Math.min(app.shutdownSeconds * 1000 + LAST_WORDS_MS, LONGEST_SECONDS * 1000)
  await isInTime(finish({ app, connections }), mostMs)
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  connections.end()
  await closed
}

/** An upload that is still in its middle has no answer that begins: it is given up. */
async function finish({ app, connections }: Ending): Promise<void> {
  await app.drain()
  await isInTime(connections.sent('due'), LAST_WORDS_MS)
  await connections.sent('begun')
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
