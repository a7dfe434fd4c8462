/** What went wrong as a response: OpenAI's error envelope, with the library's stable codes in it. */
import { CapacityError, ConfigError, InputError } from '../../core/errors.ts'
import { pathOfMedium } from './media-paths.ts'

/** A failure with a status of its own; `code` is as stable as the library's. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>
  readonly param: string | null

  constructor(
    status: number,
    code: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    param: string | null = null,
  ) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
    this.param = param
  }
}

export const CLIENT_GONE = new HttpError(499, 'CLIENT_GONE', 'client: it left before its answer.')

export type Failure = {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  /** The field of the body that is wrong, where it is one. */
  readonly param?: string | null
}

/** Codes of inputs that are too large in bytes or pixels. */
const TOO_LARGE = /^INPUT_(?:IMAGE|VIDEO|BODY|MEDIA)_TOO_LARGE$/

/** Seconds after which a full server is worth another try, where nobody knows better. */
const RETRY_AFTER_SECONDS = 1

/**
 * How a thrown value is answered. Only what the caller can act on is told: the message of a bug stays in the log, since it
 * may speak of other requests.
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof HttpError) {
    const { status, code, headers, param } = error
    return { status, code, message: shortened(error.message), headers, param: shownParam(param) }
  }
  // Of a loaded model: that it has no template, say, or that its template refuses the conversation.
  if (error instanceof InputError || error instanceof ConfigError) {
    const status = TOO_LARGE.test(error.code) ? 413 : 400
    const param = error instanceof InputError ? pathOfMedium(error.medium) : null
    // The library's word for ids; requests have others.
    const message = param === null ? error.message : error.message.replace(/^inputIds/, param)
    return { status, code: error.code, message: shortened(message), headers: {}, param }
  }
  if (error instanceof CapacityError) {
    const headers = { 'retry-after': String(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS) }
    return { status: 503, code: error.code, message: error.message, headers }
  }
  const message = 'internal: the server failed to answer; its log says why.'
  return { status: 500, code: 'INTERNAL', message, headers: {} }
}

/** Names that a request made up stand in messages, and may be as long as a body. */
function shortened(message: string): string {
  return message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message
}

const LONGEST_MESSAGE = 4000

function shownParam(param: string | null): string | null {
  return param === null ? null : param.slice(0, LONGEST_PARAM)
}

const LONGEST_PARAM = 200

/** The kind of an error in OpenAI's words. */
export function errorType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

export type ErrorEnvelope = {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string
  }
}

export function openAiError({ status, code, message, param = null }: Failure): ErrorEnvelope {
  return { error: { message, type: errorType(status), param, code } }
}

/** The same for `/v1/messages`: Anthropic's names of kinds. */
export function anthropicError({ status, code, message, param = null }: Failure): object {
  // Its envelope has no place for a field's name.
  const told = param === null || message.includes(param) ? message : `${param}: ${message}`
  return { type: 'error', error: { type: anthropicType(status), message: told, code } }
}

function anthropicType(status: number): string {
  if (status === 404) return 'not_found_error'
  if (status === 413) return 'request_too_large'
  if (status === 503) return 'overloaded_error'
  return status >= 500 ? 'api_error' : errorType(status)
}
