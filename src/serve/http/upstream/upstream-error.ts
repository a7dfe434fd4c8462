/** What goes wrong between this server and a worker, and how it is told to whoever asked. */
import { CapacityError } from '../../../core/errors.ts'
import { isRecord } from '../../faults.ts'
import { HttpError } from '../http-error.ts'

/** A worker that could not be asked, or did not answer to the end: another one may be asked, if nobody heard a word yet. */
export class WorkerFailure extends Error {
  override readonly name = 'WorkerFailure'
  /** `gone`: it cannot be reached, or broke off; `busy`: it says that it has no place; `failed`: it says that it failed. */
  readonly kind: 'gone' | 'busy' | 'failed'

  constructor(kind: WorkerFailure['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** The failure as the client is told it: its message names no address of ours. */
export function toldFailure({ kind }: WorkerFailure): CapacityError {
  return kind === 'busy'
    ? new CapacityError('CAPACITY_QUEUE', 'server: all workers are busy; try again later.')
    : new CapacityError(
        'CAPACITY_UPSTREAM',
        'server: no worker gave a whole answer; try again later.',
      )
}

/** Codes of our own servers that say the same here as there. */
const OWN_CODE = /^(?:INPUT|CONFIG|CAPACITY)_[A-Z_]+$/

/**
 * An error that a worker answered with: OpenAI's envelope (ours, vLLM), vLLM's older and SGLang's flat one. What it refuses
 * of the request is told as it says it; a key that it does not take is this server's fault, and nobody else's business.
 */
export function refusalOf(status: number, body: unknown): HttpError | WorkerFailure {
  const inner = isRecord(body) && isRecord(body['error']) ? body['error'] : body
  const { message, code } = isRecord(inner) ? inner : {}
  const text = typeof message === 'string' ? message : `HTTP ${status}`
  if (status === 401 || status === 403) {
    return new WorkerFailure('failed', `it refuses the key of this server (${status})`)
  }
  if (status === 429 || status === 503) return new WorkerFailure('busy', text)
  if (status >= 500 || status < 400) return new WorkerFailure('failed', text)
  const isOwn = typeof code === 'string' && OWN_CODE.test(code)
  const shown = status === 413 || status === 404 ? status : 400
  return new HttpError(shown, isOwn ? code : 'INPUT_UPSTREAM', isOwn ? text : `model: ${text}`)
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
