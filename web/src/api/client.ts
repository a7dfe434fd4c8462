/** Requests to the server that gave this page, with the key of this session where it wants one. */
import { keepText, keptText } from '../state/browser-storage.ts'

/** Why a request was not answered: the server's words, or that it cannot be reached. */
export class ApiFailure extends Error {
  /** 0: no answer came. */
  readonly status: number
  readonly code: string
  /** The field of the request that is wrong. */
  readonly param: string | null

  constructor(status: number, code: string, message: string, param: string | null = null) {
    super(message)
    this.status = status
    this.code = code
    this.param = param
  }

  /** The server wants a key, or another one. */
  get isKeyWanted(): boolean {
    return this.status === 401
  }
}

const KEY = 'llava.key'

/** The key lives as long as the tab does, and goes nowhere but to this server. */
export function storedKey(): string | null {
  return keptText('session', KEY)
}

export function storeKey(key: string | null): void {
  keepText('session', KEY, key)
}

/** The JSON of an answer. Throws ApiFailure, or AbortError for a signal. */
export async function getJson<T>(path: string): Promise<T> {
  return (await (await send(path, {})).json()) as T
}

export async function postJson<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
  return (await (await post(path, body, signal)).json()) as T
}

/** The response to a POST, its body not read yet. Throws ApiFailure, or AbortError for a signal. */
export function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  return send(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })
}

async function send(path: string, init: RequestInit): Promise<Response> {
  const key = storedKey()
  const headers = new Headers(init.headers)
  if (key !== null) headers.set('authorization', `Bearer ${key}`)
  const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiFailure(0, 'UNREACHABLE', 'The server cannot be reached. Is it still running?')
  })
  if (response.ok) return response
  throw await failureOf(response)
}

type ErrorBody = {
  readonly error?: {
    readonly message?: string
    readonly code?: string
    readonly param?: string | null
  }
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const body = (await response.json().catch(() => ({}))) as ErrorBody
  const { message = `The server answered with status ${response.status}.`, code = 'UNKNOWN' } =
    body.error ?? {}
  const param = body.error?.param ?? null
  const seconds = response.headers.get('retry-after')
  const later = seconds === null ? '' : ` Try again in ${seconds} s.`
  return new ApiFailure(response.status, code, `${message}${later}`, param)
}
