/**
 * The HTTP server as a function from Request to Response; `http-node.ts` puts a socket under it.
 *
 *   host ─ origin ─ key ─ limits ─ route ─ queue ─ model ─▶ JSON or events
 *
 * Every request passes the same guards in this order, whatever its route: there is no route without them.
 */
import { Hono } from 'hono'
import { Admission } from './admission.ts'
import { findApiKey, presentedKey, type ApiKey } from './api-keys.ts'
import { chatRoute } from './chat-route.ts'
import { inFields, PromptFailure } from './body-fields.ts'
import { completionsRoute } from './completions-route.ts'
import { generateRoute } from './generate-route.ts'
import {
  anthropicError,
  CLIENT_GONE,
  failureOf,
  HttpError,
  openAiError,
  type Failure,
} from './http-error.ts'
import type { Log } from './log.ts'
import { mediaRoute } from './media-route.ts'
import type { MediaReaders } from './media.ts'
import { MESSAGES_ROUTES } from './messages-route.ts'
import { Metrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { checkHost, checkOrigin, corsHeaders, NOTE_HEADER, preflight } from './origin-guard.ts'
import { pageRoutes, type PageFile } from './page.ts'
import { PLAIN_ROUTES } from './plain-routes.ts'
import { RateLimits } from './rate-limits.ts'
import { responsesRoute } from './responses-route.ts'
import type { Route } from './route.ts'
import type { Caller, Exchange, ServerContext } from './server-context.ts'
import { resolveServerConfig, type ServerConfig } from './server-config.ts'
import type { ServedModel } from './served-model.ts'
import { EVENT_STREAM } from './sse.ts'
import { TOKENIZE_ROUTES } from './tokenize-routes.ts'
import { workerRoutes, type WorkerControl } from './worker-routes.ts'

export type AppOptions = {
  readonly models: readonly ServedModel[]
  readonly config?: Partial<ServerConfig> | undefined
  /** Where there are none, everybody who reaches the server may use it. */
  readonly keys?: readonly ApiKey[] | undefined
  /** Workers that somebody with one of these keys may take out and back; no keys: nobody may. */
  readonly workers?: WorkerControl | undefined
  readonly operatorKeys?: readonly ApiKey[] | undefined
  readonly media?: Partial<MediaReaders> | undefined
  /** The web page; none: `/` is no route. */
  readonly page?: readonly PageFile[] | undefined
  readonly log?: Log | undefined
  /** What memory the process has, in bytes by kind, for `/metrics`. */
  readonly memory?: (() => object) | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
}

export type App = {
  fetch(request: Request): Promise<Response>
  /** Lets nobody in any more, and resolves when all answers are given, or stopped after `shutdownSeconds`. */
  drain(): Promise<void>
  /** How long the end may take. */
  readonly shutdownSeconds: number
}

const openApiRoute: Route = {
  method: 'get',
  path: '/openapi.json',
  about: 'This document',
  responses: { json: { type: 'object' } },
  isFree: true,
  answer: async ({ config, routes }) => Response.json(openApiDocument(routes, config)),
}

const ROUTES: readonly Route[] = [
  chatRoute,
  completionsRoute,
  responsesRoute,
  ...MESSAGES_ROUTES,
  generateRoute,
  ...TOKENIZE_ROUTES,
  mediaRoute,
  ...PLAIN_ROUTES,
  openApiRoute,
]

export function createApp(options: AppOptions): App {
  const { now = Date.now, log = () => {}, models, keys = [], workers, operatorKeys = [] } = options
  const routes = workers && operatorKeys.length > 0 ? [...ROUTES, ...workerRoutes(workers)] : ROUTES
  const config = resolveServerConfig(options.config)
  const admission = new Admission(config)
  const exchanges: ServerContext['exchanges'] = new Set()
  const context: ServerContext = {
    config,
    routes,
    models,
    media: { remote: null, file: null, ...options.media },
    admission,
    limits: new RateLimits(config, now),
    metrics: new Metrics(admission, models, options.memory),
    exchanges,
    now,
    newId: () => crypto.randomUUID().replaceAll('-', ''),
    log,
  }
  const hono = new Hono()
  for (const route of routes) {
    const handling = { route, keys: route.isForOperators ? operatorKeys : keys }
    hono.on(route.method.toUpperCase(), honoPath(route.path), ({ req }) =>
      handle(context, { request: req.raw, ...handling }),
    )
  }
  for (const [path, methods] of methodsByPath(routes)) {
    const route = otherMethods(path, methods)
    hono.all(honoPath(path), ({ req }) => handle(context, { request: req.raw, route, keys }))
  }
  for (const route of pageRoutes(options.page ?? [])) {
    // Loads without a key, through every other guard.
    hono.get(route.path, ({ req }) => handle(context, { request: req.raw, route, keys: [] }))
  }
  hono.notFound(({ req }) => handle(context, { request: req.raw, route: UNKNOWN, keys }))
  return {
    fetch: async (request) => hono.fetch(request),
    drain: () => drain(context),
    shutdownSeconds: config.shutdownSeconds,
  }
}

function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1{.+}')
}

function methodsByPath(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  const byPath = new Map<string, Route[]>()
  for (const route of routes) byPath.set(route.path, [...(byPath.get(route.path) ?? []), route])
  return byPath
}

/** What is said to every other method of a path, and to whoever asks which there are. */
function otherMethods(path: string, routes: readonly Route[]): Route {
  const methods = routes.map(({ method }) => method.toUpperCase())
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  return {
    ...UNKNOWN,
    path,
    isAnthropic: routes.some((route) => route.isAnthropic),
    async answer(_, { request }) {
      if (request.method === 'OPTIONS')
        return new Response(null, { status: 204, headers: { allow } })
      throw new HttpError(
        405,
        'INPUT_METHOD',
        `server: ${path} takes ${methods.join(' and ')}, ${request.method.slice(0, 20)} came.`,
        { allow },
      )
    },
  }
}

async function drain({ admission, exchanges, config }: ServerContext): Promise<void> {
  admission.close()
  const reason = new HttpError(503, 'CAPACITY_STOPPING', 'server: it is stopping; ask another one.')
  // What is still arriving would be refused when it is there.
  const begun = [...exchanges].filter(({ isArriving }) => !isArriving)
  let timer: ReturnType<typeof setTimeout> | undefined
  const isOver = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      for (const { stop } of exchanges) stop(reason)
      resolve()
    }, config.shutdownSeconds * 1000)
  })
  await Promise.race([Promise.all(begun.map(({ ended }) => ended)), isOver])
  await admission.idle()
  clearTimeout(timer)
}

const UNKNOWN: Route = {
  method: 'get',
  path: 'unknown',
  about: '',
  responses: {},
  isFree: true,
  async answer(_, { request }) {
    const { pathname } = new URL(request.url)
    throw new HttpError(
      404,
      'INPUT_ROUTE',
      `server: there is no ${request.method} ${pathname.slice(0, 80)}; /openapi.json lists what there is.`,
    )
  },
}

type Handling = {
  readonly request: Request
  readonly route: Route
  readonly keys: readonly ApiKey[]
}

/** One request from its arrival to its response; whatever is thrown on the way becomes one. */
async function handle(context: ServerContext, handling: Handling): Promise<Response> {
  const { request, route } = handling
  const start = performance.now()
  const id = context.newId()
  let origin: string | null = null
  let response: Response
  let failure: Failure | null = null
  try {
    checkHost(request, context.config)
    origin = checkOrigin(request, context.config)
    response =
      request.method === 'OPTIONS' && origin !== null
        ? preflight(origin, request.headers.get('access-control-request-headers'))
        : await answer(context, handling, id)
  } catch (error) {
    failure = noteFailure(context, { id, request }, error)
    response = errorResponse(failure, route)
  }
  const { status } = response
  context.metrics.countRequest(route.path, status)
  context.log('info', {
    event: 'request',
    request: id,
    method: request.method,
    route: route.path,
    status,
    ms: Math.round(performance.now() - start),
    ...(failure && { code: failure.code }),
  })
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries({
    ...SAFE_HEADERS,
    ...(origin !== null && corsHeaders(origin)),
    'x-request-id': id,
    // As Anthropic calls it.
    ...(route.isAnthropic && { 'request-id': id }),
    ...(isLast(context, { request, failure }) && { connection: 'close' }),
  })) {
    if (!headers.has(name)) headers.set(name, value)
  }
  return new Response(response.body, { status, headers })
}

type Answered = { readonly request: Request; readonly failure: Failure | null }

/** Whether a connection is of no use to another request: the server stops, or the rest of a refused body may be on its way. */
function isLast({ admission }: ServerContext, { request, failure }: Answered): boolean {
  return admission.isClosed || (failure !== null && mayBeUnread(request))
}

/** Bodies of so many bytes come in one piece with their headers, mostly. */
const SHORT_BODY = 16 << 10

function mayBeUnread({ headers }: Request): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length')) > SHORT_BODY
}

const SAFE_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

async function answer(
  context: ServerContext,
  { request, route, keys }: Handling,
  id: string,
): Promise<Response> {
  const caller = await callerOf(request, keys)
  if (!route.isFree) context.limits.admit(caller)
  const notes: string[] = []
  const note = (text: string) => void notes.push(text)
  const exchange = openExchange(context, { id, request, caller, note })
  try {
    const response = await route.answer(context, exchange)
    addNotes(response.headers, notes)
    // A stream goes on, and ends its exchange itself.
    if (response.headers.get('content-type')?.startsWith(EVENT_STREAM) !== true) exchange.end()
    return response
  } catch (error) {
    exchange.end()
    throw error
  }
}

/** Of a list of pictures, say: more would be too much for clients and proxies, which bound what headers hold together. */
const MOST_NOTES = 16

function addNotes(headers: Headers, notes: readonly string[]): void {
  for (const note of notes.slice(0, MOST_NOTES)) headers.append(NOTE_HEADER, note)
  const more = notes.length - MOST_NOTES
  if (more > 0) headers.append(NOTE_HEADER, `and ${more} more`)
}

/** An exchange that is aborted when its client leaves, its time is over, or the server ends; `end` stops the watching. */
function openExchange(
  context: ServerContext,
  { id, request, caller, note }: Pick<Exchange, 'id' | 'request' | 'caller' | 'note'>,
): Exchange {
  const over = new AbortController()
  const late = new HttpError(504, 'CAPACITY_TIME', 'server: the answer took too long.')
  const timer = setTimeout(() => over.abort(late), context.config.answerSeconds * 1000)
  const leave = () => over.abort(CLIENT_GONE)
  let noteEnd = () => {}
  const ended = new Promise<void>((resolve) => (noteEnd = resolve))
  const open = {
    stop: (reason: unknown) => over.abort(reason),
    isArriving: request.body !== null,
    ended,
  }
  request.signal.addEventListener('abort', leave, { once: true })
  context.exchanges.add(open)
  if (request.signal.aborted) leave()
  return {
    id,
    request,
    caller,
    signal: over.signal,
    leave,
    heartbeatMs: context.config.heartbeatSeconds * 1000,
    failed: (error) => noteFailure(context, { id, request }, error),
    note,
    arrived() {
      open.isArriving = false
    },
    end() {
      clearTimeout(timer)
      request.signal.removeEventListener('abort', leave)
      context.exchanges.delete(open)
      noteEnd()
    },
  }
}

async function callerOf(request: Request, keys: readonly ApiKey[]): Promise<Caller> {
  if (keys.length === 0) return { name: 'anyone', salt: '' }
  const presented = presentedKey(request)
  const key = presented === null ? null : await findApiKey(keys, presented)
  if (key) return { name: key.name, salt: key.name }
  throw new HttpError(
    401,
    'INPUT_API_KEY',
    presented === null
      ? 'key: this server wants one; send it as Authorization: Bearer KEY.'
      : 'key: it is none of this server.',
    { 'www-authenticate': 'Bearer' },
  )
}

function noteFailure(
  context: ServerContext,
  { id, request }: Pick<Exchange, 'id' | 'request'>,
  thrown: unknown,
): Failure {
  const { error, prompt } = thrown instanceof PromptFailure ? thrown : new PromptFailure(thrown, 0)
  const failure = failureOf(error)
  if (failure.status === 500) {
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error)
    context.log('error', { event: 'failure', request: id, error: shown })
  }
  return inFields(failure, request, prompt)
}

function errorResponse(failure: Failure, route: Route): Response {
  const body = route.isAnthropic ? anthropicError(failure) : openAiError(failure)
  return Response.json(body, { status: failure.status, headers: failure.headers })
}
