/**
 * Which pages may talk to this server.
 *
 * A browser sends a page's requests wherever the page says. Two headers tell them apart from those of programs: Host is a
 * name that somebody pointed at this machine (DNS rebinding) unless it is an address or a name that we know; Origin is the
 * page's, and must be our own or one that was allowed.
 */
import { HttpError } from './http-error.ts'

export type OriginRules = {
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
}

/** Throws a 403 unless the request names this server by an address, as localhost, or by an allowed name. */
export function checkHost({ url }: Request, { allowedHosts }: OriginRules): void {
  const { hostname } = new URL(url)
  if (isAddress(hostname) || hostname === 'localhost' || allowedHosts.includes(hostname)) return
  throw new HttpError(
    403,
    'INPUT_HOST',
    `host: ${hostname.slice(0, 80)} is no name of this server; start it with --allow-host ${hostname.slice(0, 80)} if it is.`,
  )
}

/** URL parsers have made every way of writing an IPv4 address into this one. */
function isAddress(hostname: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || hostname.startsWith('[')
}

/** The origin that may read the response, null where no page asked. Throws a 403 for others. */
export function checkOrigin(request: Request, { allowedOrigins }: OriginRules): string | null {
  const origin = request.headers.get('origin')
  if (origin === null || isSameHost(origin, request.url)) return null
  if (allowedOrigins.includes(origin)) return origin
  const shown = origin.slice(0, 80)
  // Files and sandboxed frames all have the origin null: nobody knows whom that would let in.
  const advice = /^https?:/.test(origin)
    ? `start it with --allow-origin ${shown} if they may`
    : 'only pages of http: and https: addresses can be allowed, load it from one'
  throw new HttpError(
    403,
    'INPUT_ORIGIN',
    `origin: pages of ${shown} may not use this server; ${advice}.`,
  )
}

/** Behind a proxy that ends TLS the scheme differs; host and port are what the page was loaded from. */
function isSameHost(origin: string, url: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host
}

/** What a server tells about a request beside its answer. */
export const NOTE_HEADER = 'llava-note'

/** What lets the pages of `origin` read a response. */
export function corsHeaders(origin: string): Readonly<Record<string, string>> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': `retry-after, x-request-id, request-id, ${NOTE_HEADER}`,
    vary: 'origin',
  }
}

/** Names with commas between, as many as a page's client has. */
const HEADER_NAMES = /^[\w-]{1,64}(?:\s*,\s*[\w-]{1,64}){0,63}$/

/**
 * The answer to a browser that asks before it sends. Clients of OpenAI and Anthropic send headers about themselves, more with
 * each version: a page that is allowed may send what it likes, and what nobody knows is not read.
 */
export function preflight(origin: string, asked: string | null): Response {
  const headers = {
    ...corsHeaders(origin),
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers':
      asked !== null && HEADER_NAMES.test(asked) ? asked : 'authorization, content-type, x-api-key',
    'access-control-max-age': '600',
  }
  return new Response(null, { status: 204, headers })
}
