/**
 * Pictures and clips from other hosts, safe against requests forged through this server.
 *
 * Only hosts that were allowed by name; only addresses of the public internet, checked on the very address that is dialled
 * (the agent filters inside the lookup, so a name cannot point elsewhere between check and use); every redirect is a new
 * request with the same checks; bytes and time are limited. One parser, `URL`, reads the address for check and request.
 * Sources: OWASP, "Server-Side Request Forgery Prevention"; vllm CVE-2026-24779, LlamaFactory#10646.
 */
import { get, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'
import ipaddr from 'ipaddr.js'
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from 'request-filtering-agent'
import { anySignal } from '../../core/any-signal.ts'
import { ConfigError, InputError } from '../../core/errors.ts'
import type { MediaReader } from './media.ts'

export type RemoteMediaOptions = {
  /** Host names; `*.example.com` stands for all below it, `*` for all. */
  readonly hosts: readonly string[]
  /** Addresses or ranges (10.1.0.0/16) beside the public ones: a store in one's own network, say. */
  readonly addresses?: readonly string[]
  readonly timeoutMs?: number
}

const MOST_REDIRECTS = 3
const TIMEOUT_MS = 10_000

/** Throws ConfigError for what is no address. */
export function remoteMedia(options: RemoteMediaOptions): MediaReader {
  const allowIPAddressList = (options.addresses ?? []).map(checkedRange)
  const filter = { allowIPAddressList, keepAlive: false }
  const agents: Agents = {
    'http:': new RequestFilteringHttpAgent(filter),
    'https:': new RequestFilteringHttpsAgent(filter),
  }
  const { hosts, timeoutMs = TIMEOUT_MS } = options
  return async (url, { maxBytes, signal }) => {
    const late = anySignal(signal, AbortSignal.timeout(timeoutMs))
    try {
      return await fetchBytes(url, { hosts, agents, maxBytes, signal: late })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof InputError) throw error
      throw failed(url, late.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error))
    }
  }
}

type Agents = {
  readonly 'http:': RequestFilteringHttpAgent
  readonly 'https:': RequestFilteringHttpsAgent
}

type Fetching = {
  readonly hosts: readonly string[]
  readonly agents: Agents
  readonly maxBytes: number
  readonly signal: AbortSignal
}

async function fetchBytes(start: URL, fetching: Fetching): Promise<Uint8Array> {
  let url = start
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    checkUrl(url, fetching.hosts)
    const response = await request(url, fetching)
    const { statusCode = 0, headers } = response
    if (statusCode === 200) return readBytes(response, url, fetching.maxBytes)
    response.destroy()
    const isRedirect = [301, 302, 303, 307, 308].includes(statusCode)
    if (!isRedirect || headers.location === undefined) throw failed(url, `status ${statusCode}`)
    if (!URL.canParse(headers.location, url.href)) throw failed(url, 'a redirect to no URL')
    url = new URL(headers.location, url)
  }
  throw failed(start, `more than ${MOST_REDIRECTS} redirects`)
}

function checkUrl(url: URL, hosts: readonly string[]): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw failed(url, `${url.protocol} is neither https: nor http:`)
  }
  if (url.username !== '' || url.password !== '') throw failed(url, 'it has a user name in it')
  if (hosts.some((host) => isHost(url.hostname, host))) return
  throw failed(url, `${url.hostname} is none of the hosts that this server fetches from`)
}

function isHost(hostname: string, allowed: string): boolean {
  if (allowed === '*' || hostname === allowed.toLowerCase()) return true
  return allowed.startsWith('*.') && hostname.endsWith(allowed.slice(1).toLowerCase())
}

function request(url: URL, { agents, signal }: Fetching): Promise<IncomingMessage> {
  const protocol = url.protocol as keyof Agents
  const send = protocol === 'https:' ? getSecure : get
  const headers = { accept: 'image/*, video/*', 'accept-encoding': 'identity' }
  return new Promise((resolve, reject) => {
    send(url, { agent: agents[protocol], headers, signal }, resolve).on('error', reject)
  })
}

async function readBytes(
  response: IncomingMessage,
  url: URL,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    // Leaving the loop closes the connection.
    if (length > maxBytes) throw failed(url, `it has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** What a caller may know: not which addresses a name has inside this network. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  return message.includes('is not allowed') ? 'its address is not a public one' : 'no connection'
}

function failed(url: URL, reason: string): InputError {
  const shown = `${url.protocol}//${url.host}`.slice(0, 120)
  return new InputError('INPUT_MEDIA_FETCH', `media: ${shown} was not fetched: ${reason}.`)
}

function checkedRange(text: string): string {
  if (ipaddr.isValid(text) || ipaddr.isValidCIDR(text)) return text
  throw new ConfigError(
    'CONFIG_MEDIA_ADDRESS',
    `mediaAddresses: expected an address or a range such as 10.1.0.0/16, "${text}" came.`,
  )
}
