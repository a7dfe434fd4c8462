/** One worker over HTTP: JSON, and streams of server-sent events. It is configured, not named by a request, and trusted so far. */
import { isRecord } from '../../faults.ts'
import { streamChunks } from '../../../core/stream-chunks.ts'
import { textOf, unlessAborted } from '../../remote/aborted-response.ts'
import { certificateAdvice } from '../../remote/certificate-advice.ts'
import { retryAfterMs } from '../../remote/patience.ts'
import { refusalOf, WorkerFailure, type FailureKind } from './upstream-error.ts'

export type WorkerAddress = {
  /** Up to the host and port, or up to and with `/v1`. */
  readonly url: string
  readonly apiKey?: string | undefined
  readonly fetch?: typeof fetch | undefined
}

/** Of an answer that is no stream: models, tokens, errors. */
const MOST_BYTES = 64 << 20

export class WorkerApi {
  /** Without a slash or `/v1` at the end. */
  readonly url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #fetch: typeof fetch

  constructor({ url, apiKey, fetch: own = fetch }: WorkerAddress) {
    this.url = addressOf(url)
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
    this.#fetch = own
  }

  /** Throws WorkerFailure where there is no answer of status 200. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.#call(path, { signal })
    const text = await this.#text(response, signal)
    if (!response.ok) throw refused(response, text)
    return parse(text)
  }

  /** Throws HttpError for what the worker refuses, WorkerFailure for everything that another one may do better. */
  async post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    const response = await this.#post(path, body, signal)
    const value = parse(await this.#text(response, signal))
    if (value !== undefined) return value
    throw new WorkerFailure('failed', `${path} should answer with JSON`)
  }

  /** The data of each event up to `[DONE]`; a stream that ends without it broke off. Throws as `post`. */
  async *events(
    path: string,
    body: object,
    signal: AbortSignal,
  ): AsyncGenerator<Record<string, unknown>, void, undefined> {
    const response = await this.#post(path, body, signal)
    try {
      for await (const data of serverEvents(streamChunks(response.body, signal))) {
        if (data === '[DONE]') return
        const event = parse(data)
        if (isRecord(event)) yield event
        else throw new WorkerFailure('failed', `${path} should send objects`)
      }
    } catch (error) {
      throw brokenBy(error, signal, BROKE_OFF)
    }
    throw new WorkerFailure(...BROKE_OFF)
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<Response> {
    const response = await this.#call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    })
    if (response.ok && response.body) return response
    throw refused(response, await this.#text(response, signal))
  }

  async #call(path: string, init: RequestInit & { readonly signal: AbortSignal }) {
    const headers = { ...init.headers, ...this.#headers }
    const call = () => {
      // Whoever is asked is configured: it may send us nowhere else.
      const asked = { ...init, headers, redirect: 'manual' as const }
      return unlessAborted(this.#fetch(`${this.url}${path}`, asked), init.signal)
    }
    try {
      // A connection that was kept may have been closed just then: RFC 9112 §9.3.1 lets such a call be made once more.
      return await call().catch((error: unknown) => {
        if (init.signal.aborted || !wasReset(error)) throw error
        return call()
      })
    } catch (error) {
      throw brokenBy(error, init.signal, UNREACHABLE)
    }
  }

  async #text(response: Response, signal: AbortSignal): Promise<string> {
    let text: string | null
    try {
      text = await textOf(response, signal, MOST_BYTES)
    } catch (error) {
      throw brokenBy(error, signal, BROKE_OFF)
    }
    if (text !== null) return text
    throw new WorkerFailure('failed', 'its answer is too long')
  }
}

/** A worker's address however it is written: as URLs are, without a slash or `/v1` at the end. */
export function addressOf(url: string): string {
  const written = URL.canParse(url) ? new URL(url).href : url
  return written.replace(/\/+$/, '').replace(/\/v1$/, '')
}

const UNREACHABLE = ['gone', 'it cannot be reached'] as const
const BROKE_OFF = ['failed', 'its answer broke off'] as const

/** What a call was ended by: the caller's own reason, or a failure of the worker, which is `kind` where its connection ended. */
function brokenBy(
  error: unknown,
  signal: AbortSignal,
  [kind, what]: readonly [FailureKind, string],
): unknown {
  if (signal.aborted) return signal.reason
  if (!(error instanceof TypeError || isSystemError(error))) return error
  const { cause } = error
  const why = cause instanceof Error ? cause.message : error.message
  const isTrusted = certificateAdvice(error) === null
  return new WorkerFailure(isTrusted ? kind : 'untrusted', `${what} (${why})`, { cause: error })
}

function refused({ status, headers }: Response, text: string): Error {
  return refusalOf(status, parse(text), retryAfterMs(headers.get('retry-after'), Date.now()))
}

/** Whether a connection was closed before its answer, other than one that could not be opened. */
function wasReset(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : null
  const code = isRecord(cause) || cause instanceof Error ? (cause as { code?: unknown }).code : null
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** What Node.js' own network errors have; `fetch` wraps most of them into a TypeError. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.name === 'Error'
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The `data` of each event of a stream; names and comments are passed over (WHATWG HTML §9.2). */
export async function* serverEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      else if (line === '' && data.length > 0) {
        yield data.join('\n')
        data = []
      }
    }
  }
}
