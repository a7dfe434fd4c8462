/**
 * An OpenAI-compatible server, called with patience: waits as it asks, retries what may pass, gives up with a reason.
 *
 * Source: platform.openai.com/docs/api-reference.
 */
import { anySignal } from '../../core/any-signal.ts'
import { InputError } from '../../core/errors.ts'
import { Faults } from '../faults.ts'
import { textOf, unlessAborted } from './aborted-response.ts'
import { certificateAdvice } from './certificate-advice.ts'
import { Patience, retryAfterMs, type PatienceOptions, type Tried } from './patience.ts'
import { presenceOf } from './presence.ts'
import { checkServerAddress } from './server-address.ts'
import { kindOf, type ServerKind } from './server-kind.ts'

export type EndpointOptions = PatienceOptions & {
  /** Up to and with the version, `http://127.0.0.1:8000/v1`; up to the port, `/v1` is tried where nothing is found. */
  readonly url: string
  readonly apiKey?: string | undefined
  /** A call that is not answered within this has failed. */
  readonly timeoutMs?: number | undefined
  readonly fetch?: typeof fetch
}

/** Node.js's own fetch waits no longer for an answer to begin. */
export const LONGEST_CALL_MS = 300_000
const MOST_BYTES = 16 << 20

export class Endpoint {
  /** As given, without slashes at the end. */
  readonly url: string
  #base: string
  readonly #options: EndpointOptions
  readonly #patience: Patience
  #kind: ServerKind | null | undefined
  readonly #refused = new Set<RefusableField>()
  calls = 0

  constructor(options: EndpointOptions) {
    const faults = new Faults('endpoint')
    checkServerAddress(options, { faults, code: 'INPUT_ENDPOINT' })
    faults.throwIfAny()
    this.url = options.url.replace(/\/+$/, '')
    this.#base = this.url
    this.#options = options
    const later = 'run the same command later, it goes on where it ended'
    this.#patience = new Patience({ where: 'endpoint', url: this.url, later }, options)
  }

  /**
   * The JSON that the server answers with. Throws InputError for what it refuses for good, CapacityError where it cannot be
   * reached or stays busy, and the signal's reason when aborted.
   */
  post(path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#call(path, { method: 'POST', body: JSON.stringify(body) }, signal)
  }

  /**
   * A chat's reply, as `post`. A server that refuses `max_tokens` and names `max_completion_tokens` gets the limit by that name, and one
   * that refuses the temperature gets none, from then on: so do OpenAI's models that reason. `isOwnTemperature` says the latter.
   */
  async postChat(body: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown> {
    const refused = new Set(this.#refused)
    try {
      return await this.post('/chat/completions', withoutFields(body, refused), signal)
    } catch (error) {
      const field = error instanceof EndpointRefused ? refusedField(error.message) : null
      // Of calls under way together each is asked again once.
      if (field === null || !(field in body) || refused.has(field)) throw error
      this.#refused.add(field)
      return this.postChat(body, signal)
    }
  }

  /** Whether the server draws by a temperature of its own, whatever is asked. */
  get isOwnTemperature(): boolean {
    return this.#refused.has('temperature')
  }

  /** The same for what has no body. */
  get(path: string, signal?: AbortSignal): Promise<unknown> {
    return this.#call(path, { method: 'GET' }, signal)
  }

  /** Whose words it speaks, asked once; null where it lists no models. Throws as `get`, but for what the server refuses. */
  async kind(signal?: AbortSignal): Promise<ServerKind | null> {
    if (this.#kind !== undefined) return this.#kind
    try {
      this.#kind = kindOf(await this.get('/models', signal))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      this.#kind = null
    }
    return this.#kind
  }

  #call(path: string, request: Call, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#patience.call(() => this.#attempt(path, request, signal), signal)
  }

  async #attempt(path: string, request: Call, signal: AbortSignal | undefined): Promise<Attempt> {
    const { apiKey, timeoutMs = LONGEST_CALL_MS } = this.#options
    const limit = AbortSignal.timeout(timeoutMs)
    const over = anySignal(signal, limit)
    this.calls++
    try {
      const response = await this.#fetch(path, {
        ...request,
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        signal: over,
      })
      return await this.#read(response, over)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof InputError) throw error
      const advice = certificateAdvice(error)
      if (advice !== null) throw this.#untrusted(faultOf(error), advice)
      const fault = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : faultOf(error)
      return { fault, retryAfterMs: null, presence: null }
    }
  }

  async #fetch(
    path: string,
    init: RequestInit & { readonly signal: AbortSignal },
  ): Promise<Response> {
    const fetched = (base: string) =>
      unlessAborted((this.#options.fetch ?? fetch)(`${base}${path}`, init), init.signal)
    const base = this.#base
    const response = await fetched(base)
    if (response.status !== 404 || new URL(base).pathname !== '/') return response
    await response.body?.cancel()
    const versioned = await fetched(`${base}/v1`)
    if (versioned.status !== 404) this.#base = `${base}/v1`
    return versioned
  }

  async #read(response: Response, signal: AbortSignal): Promise<Attempt> {
    const text = await textOf(response, signal, MOST_BYTES)
    if (text === null) return failing('an answer of over 16 MB')
    if (response.ok) {
      if (/^\s*(?:data|event):/.test(text)) throw this.#streams(text)
      try {
        return { value: JSON.parse(text) as unknown }
      } catch {
        return failing(`no JSON: ${text.slice(0, 80)}`)
      }
    }
    const fault = `HTTP ${response.status}: ${text.slice(0, 200)}`
    if (isPassing(response.status)) {
      const asked = retryAfterMs(response.headers.get('retry-after'), this.#patience.now())
      const presence = presenceOf(response.status, codeIn(text))
      return { fault, retryAfterMs: asked, presence }
    }
    if (OF_ALL_REQUESTS.includes(response.status)) {
      throw new InputError(
        'INPUT_ENDPOINT_ACCESS',
        `endpoint: ${this.url} should let requests in, it refused this one (${fault}); check address, key and the model's id.`,
      )
    }
    throw new EndpointRefused(
      `endpoint: ${this.url} should take the request, it refused it (${fault}).`,
      codeIn(text),
    )
  }

  #untrusted(fault: string, advice: string): InputError {
    return new InputError(
      'INPUT_ENDPOINT_CERTIFICATE',
      `endpoint: ${this.url} should have a certificate that holds here, it has not (${fault}); ${advice}.`,
    )
  }

  #streams(text: string): InputError {
    return new InputError(
      'INPUT_ENDPOINT_STREAM',
      `endpoint: ${this.url} should answer with one JSON object, it streams though it was not asked to (${text.slice(0, 80)}); switch that off.`,
    )
  }
}

/** Fields that some models of OpenAI's refuse whatever they hold. */
type RefusableField = 'max_tokens' | 'temperature'

function refusedField(message: string): RefusableField | null {
  if (message.includes('max_completion_tokens')) return 'max_tokens'
  const isOfTemperature = /temperature/i.test(message)
  return isOfTemperature && /unsupported|not support|only the default/i.test(message)
    ? 'temperature'
    : null
}

function withoutFields(
  { max_tokens: limit, temperature, ...body }: Readonly<Record<string, unknown>>,
  refused: ReadonlySet<RefusableField>,
): object {
  const limitName = refused.has('max_tokens') ? 'max_completion_tokens' : 'max_tokens'
  return {
    ...body,
    ...(limit !== undefined && { [limitName]: limit }),
    ...(temperature !== undefined && !refused.has('temperature') && { temperature }),
  }
}

/** A request that the server did not take. */
export class EndpointRefused extends InputError {
  // As what programs know it by.
  override readonly name = 'InputError'
  /** What the server calls it, where that is one of our own codes. */
  readonly serverCode: string | null

  constructor(message: string, serverCode: string | null) {
    super('INPUT_ENDPOINT_REFUSED', message)
    this.serverCode = serverCode
  }
}

function codeIn(text: string): string | null {
  return /"code"\s*:\s*"((?:INPUT|CONFIG|CAPACITY)(?:_[A-Z\d]+)+)"/.exec(text)?.[1] ?? null
}

/** Whether a server would say the same to any request: it, its certificate, its key or its model's id are at fault. */
export function isOfServer(error: unknown): error is InputError {
  return error instanceof InputError && OF_SERVER.includes(error.code)
}

const OF_SERVER = ['INPUT_ENDPOINT_ACCESS', 'INPUT_ENDPOINT_CERTIFICATE', 'INPUT_ENDPOINT_STREAM']

/** The key, the address or the model is at fault, whatever is asked. */
const OF_ALL_REQUESTS = [401, 402, 403, 404, 405]

type Call = { readonly method: string; readonly body?: string }

type Attempt = Tried<unknown>

function failing(fault: string): Attempt {
  return { fault, retryAfterMs: null, presence: 'failed' }
}

function isPassing(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500
}

function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message
}
