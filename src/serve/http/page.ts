/**
 * The web page that the server gives at `/`: files that were read once, each with what a browser may do with it.
 *
 * The page itself is no secret and loads without a key; it asks for one when a route wants it.
 */
import type { Route } from './route.ts'

/** A file of the page by the path under which it is served. */
export type PageFile = {
  readonly path: string
  readonly type: string
  readonly bytes: Uint8Array
  /** SHA-256 of the bytes, in hex. */
  readonly hash: string
}

/**
 * What the page may do: run and style itself from this server, talk to this server, and show pictures and clips that it
 * holds already. Nothing else: no frame, no form, no remote address, and no text that becomes markup or code.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const PAGE_HEADERS = {
  // Links in answers would tell a name server where they lead.
  'x-dns-prefetch-control': 'off',
  'content-security-policy': PAGE_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

/** Routes of the page's files; they stand in no OpenAPI document, because no program asks for them. */
export function pageRoutes(files: readonly PageFile[]): Route[] {
  return files.map((file) => ({
    method: 'get',
    path: file.path,
    about: 'A file of the web page',
    responses: { text: file.type },
    isFree: true,
    answer: async (_, { request }) => respond(file, request),
  }))
}

function respond({ path, type, bytes, hash }: PageFile, { headers }: Request): Response {
  const etag = `"${hash.slice(0, 32)}"`
  const shared = {
    ...PAGE_HEADERS,
    etag,
    // Names of assets hold a hash of what is in them; the page itself is asked for again each time.
    'cache-control': path.startsWith('/assets/')
      ? 'public, max-age=31536000, immutable'
      : 'no-cache',
  }
  if (headers.get('if-none-match') === etag)
    return new Response(null, { status: 304, headers: shared })
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { ...shared, 'content-type': type, 'content-length': String(bytes.length) },
  })
}
