/** What goes wrong between this server and a worker, and how it is told to whoever asked. */
import { CapacityError } from '../../../core/errors.ts'
import { isRecord } from '../../faults.ts'
import { presenceOf, type Presence } from '../../remote/presence.ts'
import { HttpError } from '../http-error.ts'

export type FailureKind =
  | Presence
  | 'gone'
  | 'untrusted'
  | 'silent'
  | 'denied'
  | 'lacking'
  | 'changed'

/**
 * A worker that could not be asked, or did not answer to the end: another one may be asked, if nobody heard a word yet. The
 * message holds none of the worker's words, which may quote a prompt.
 */
export class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure'
  /**
   * `gone`: it cannot be reached; `untrusted`: its certificate does not hold; `silent`: it says nothing in time; `failed`: it
   * says that it failed, or its answer broke off, which may be this answer's fault alone; `denied`: it does not take our key;
   * `lacking`: it has no such route or model (404); `changed`: it serves others than it did.
   */
  readonly kind: FailureKind
  /** The worker's words; null: it has none. */
  readonly said: string | null
  readonly retryAfterMs: number | null
  /** As it is told where nobody does better: what is `lacking` is refused, and no failure. */
  readonly refusal: HttpError | null

  constructor(kind: FailureKind, message: string, options: FailureOptions = {}) {
    super(message, options)
    this.kind = kind
    this.said = options.said ?? null
    this.retryAfterMs = options.retryAfterMs ?? null
    this.refusal = options.refusal ?? null
  }
}

type FailureOptions = ErrorOptions & {
  readonly said?: string
  readonly retryAfterMs?: number | null
  readonly refusal?: HttpError
}

/** The failure as the client is told it: its message names no address of ours. */
export function toldFailure(cause: WorkerFailure): CapacityError | HttpError {
  const { kind, retryAfterMs, refusal } = cause
  if (refusal) return refusal
  const [code, message] = TOLD[kind] ?? ['CAPACITY_UPSTREAM', 'no worker gave a whole answer']
  return new CapacityError(code, `server: ${message}; try again later.`, {
    cause,
    retryAfterSeconds: retryAfterMs === null ? null : Math.max(1, Math.ceil(retryAfterMs / 1000)),
  })
}

const TOLD: { readonly [K in FailureKind]?: readonly [code: string, message: string] } = {
  busy: ['CAPACITY_QUEUE', 'all workers are busy'],
  stopping: ['CAPACITY_UPSTREAM', 'the worker that was asked stops and gave no whole answer'],
  full: [
    'CAPACITY_DISK',
    'no worker that was asked could store the clip among its temporary files',
  ],
}

/** Codes of our own servers that say the same here as there. */
const OWN_CODE = /^(?:INPUT|CONFIG|CAPACITY)_[A-Z_]+$/

/**
 * An error that a worker answered with: OpenAI's envelope (ours, vLLM), vLLM's older and SGLang's flat one. What it refuses
 * of the request is told as it says it; a key that it does not take is this server's fault, and nobody else's business.
 */
export function refusalOf(
  status: number,
  body: unknown,
  retryAfterMs: number | null = null,
): HttpError | WorkerFailure {
  const inner = isRecord(body) && isRecord(body['error']) ? body['error'] : body
  const { message, code, param } = isRecord(inner) ? inner : {}
  const isOwn = typeof code === 'string' && OWN_CODE.test(code)
  const said = typeof message === 'string' ? message : `HTTP ${status}`
  if (status === 401 || status === 403) {
    return new WorkerFailure('denied', `it refuses the key of this server (${status})`)
  }
  const why = isOwn ? `HTTP ${status}, ${code}` : `HTTP ${status}`
  const isCapacity = isOwn && code.startsWith('CAPACITY_')
  if (isCapacity || status === 429 || status >= 500 || status < 400) {
    const kind = presenceOf(status, isOwn ? code : null)
    return new WorkerFailure(kind, why, { said, retryAfterMs })
  }
  const shown = status === 404 || status === 413 ? status : 400
  const refusal = isOwn
    ? new HttpError(shown, code, said, {}, typeof param === 'string' ? param : null)
    : new HttpError(shown, 'INPUT_UPSTREAM', `model: ${said}`)
  // What it is asked for is what it listed, by routes that no client names: it may be another by now.
  return status === 404 ? new WorkerFailure('lacking', why, { said, refusal }) : refusal
}

/** The error that stands as an event in a stream, which has a status in `code` at the most. */
export function streamedError(event: Record<string, unknown>): HttpError | WorkerFailure {
  const error = isRecord(event['error']) ? event['error'] : event
  const { code, type } = error
  if (typeof code === 'number') return refusalOf(code, event)
  if (typeof code === 'string' && code.startsWith('CAPACITY_')) return refusalOf(503, event)
  const isRequests = typeof code === 'string' ? code.startsWith('INPUT_') : false
  return refusalOf(isRequests || type === 'BadRequestError' ? 400 : 500, event)
}
