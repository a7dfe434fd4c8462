/**
 * The server of a program: asked for few answers at a time, waited for while it is busy, and asked again where it failed
 * before it said a word.
 */
import { CapacityError, ConfigError, InputError } from '../../core/errors.ts'
import type { Answer, StreamEvent } from '../answer.ts'
import { Faults } from '../faults.ts'
import { Admission } from '../http/admission.ts'
import { HttpError } from '../http/http-error.ts'
import { connectUpstreams } from '../http/upstream/index.ts'
import { WorkerFailure } from '../http/upstream/upstream-error.ts'
import { HEALTH_DEFAULTS } from '../http/upstream/worker.ts'
import type { ServedModel } from '../http/served-model.ts'
import { certificateAdvice } from '../remote/certificate-advice.ts'
import { Patience, type PatienceOptions, type Tried } from '../remote/patience.ts'
import { isPresence } from '../remote/presence.ts'
import { checkServerAddress } from '../remote/server-address.ts'
import type { ServerKind } from '../remote/server-kind.ts'
import type { GenerateRequest } from '../request.ts'
import { collect } from './program-engine.ts'

export type RemoteAddress = {
  /** With or without `/v1`: `http://127.0.0.1:8080`. */
  readonly url: string
  /** The id that the server knows its model by. Default: its first. */
  readonly model?: string | undefined
  readonly apiKey?: string | undefined
}

export type RemoteServerOptions = PatienceOptions & {
  /** In which it says what it serves, or is asked again. */
  readonly timeoutSeconds?: number | undefined
}

/** Answers at a time; our own server runs and queues 80 unless told otherwise. */
const AT_A_TIME = 64

export class RemoteServer {
  readonly kind: ServerKind
  readonly #model: ServedModel
  readonly #url: string
  readonly #patience: Patience
  readonly #places = new Admission({ maxRunning: AT_A_TIME, maxQueued: Number.MAX_SAFE_INTEGER })

  private constructor(model: ServedModel, kind: ServerKind, { url, patience }: Met) {
    this.kind = kind
    this.#model = model
    this.#url = url
    this.#patience = patience
  }

  /** Throws CapacityError where nobody answers, InputError for a wrong address, key or model. */
  static async connect(
    address: RemoteAddress,
    signal: AbortSignal,
    options: RemoteServerOptions = {},
  ): Promise<RemoteServer> {
    checkAddress(address)
    const { timeoutSeconds = HEALTH_DEFAULTS.timeoutSeconds } = options
    const { url, model } = address
    const later = 'run the program later'
    const patience = new Patience({ where: 'program', url, later }, options)
    const { models, kind } = await patience.call(
      () => meet(address, { timeoutSeconds, signal }),
      signal,
    )
    const served = model === undefined ? models[0] : models.find(({ id }) => id === model)
    if (served) return new RemoteServer(served, kind, { url, patience })
    throw new InputError(
      'INPUT_MODEL',
      `program: ${url} serves ${models.map(({ id }) => id).join(', ')}, not ${model}; name one of them.`,
    )
  }

  /** Tokens that an answer may be asked for; undefined: it does not say. */
  get mostTokens(): number | undefined {
    return this.#model.mostTokens
  }

  /** The answer, whose pieces `onText` hears. Throws the signal's reason when aborted, waiting or not. */
  async ask(request: GenerateRequest, onText: (text: string) => void): Promise<Answer> {
    const { signal = new AbortController().signal } = request
    const free = await this.#places.enter({ answers: 1, priority: 0 }, signal)
    try {
      const attempt = () => this.#attempt(this.#model.stream(request), onText)
      const answer = await this.#patience.call(attempt, signal)
      signal.throwIfAborted()
      return answer
    } finally {
      free()
    }
  }

  async #attempt(
    events: AsyncIterable<StreamEvent>,
    onText: (text: string) => void,
  ): Promise<Tried<Answer>> {
    let isHeard = false
    try {
      const value = await collect(events, (text) => {
        isHeard = true
        onText(text)
      })
      return { value }
    } catch (error) {
      if (error instanceof HttpError) throw refusal(error)
      const failure = failureIn(error)
      if (!failure) throw error
      throwIfCertain(this.#url, failure)
      if (isHeard) throw brokenOff(this.#url, failure)
      return passing(failure)
    }
  }
}

type Met = { readonly url: string; readonly patience: Patience }

type Introduced = { readonly models: readonly ServedModel[]; readonly kind: ServerKind }

/** Throws InputError for a field that is none, or is not as it should be. */
function checkAddress(address: RemoteAddress): void {
  const faults = new Faults('program: the engine')
  faults.unknownKeys('CONFIG_PROGRAM_ENGINE', '', address, ['url', 'model', 'apiKey'])
  const { url, model, apiKey } = address as Readonly<Record<string, unknown>>
  checkServerAddress({ url, apiKey }, { faults, code: 'INPUT_ENDPOINT' })
  if (model !== undefined && typeof model !== 'string') {
    faults.mismatch('INPUT_ENDPOINT', 'model', 'a text', model)
  }
  faults.throwIfAny()
}

async function meet(
  { url, apiKey }: RemoteAddress,
  { timeoutSeconds, signal }: { readonly timeoutSeconds: number; readonly signal: AbortSignal },
) {
  try {
    const { models, pool, close } = await connectUpstreams({
      workers: [{ url, apiKey }],
      // A program asks when it asks: nobody watches the server between, and here is who asks it again.
      attempts: 1,
      health: { failures: Infinity, timeoutSeconds },
      now: Date.now(),
      signal,
    })
    close()
    const value: Introduced = { models, kind: pool.workers[0]?.kind ?? 'openai' }
    return { value }
  } catch (error) {
    const failure = failureIn(error)
    if (!failure) throw error
    throwIfCertain(url, failure)
    if (failure.kind === 'busy' || failure.kind === 'silent') return passing(failure)
    throw new CapacityError(
      'CAPACITY_UPSTREAM',
      `program: ${url} should answer GET /v1/models, it did not (${shown(failure)}); is it running?`,
      { cause: error },
    )
  }
}

/** What the server did, behind what a client of ours would be told of it. */
function failureIn(error: unknown): WorkerFailure | null {
  const cause = error instanceof CapacityError ? error.cause : null
  return cause instanceof WorkerFailure ? cause : null
}

function passing(failure: WorkerFailure) {
  const { kind, retryAfterMs } = failure
  return { fault: shown(failure), retryAfterMs, presence: isPresence(kind) ? kind : null }
}

function shown({ message, said }: WorkerFailure): string {
  return said === null ? message : `${message}: ${said.slice(0, 200)}`
}

/** What a server refuses, as the library would have. */
function refusal(cause: HttpError): InputError | ConfigError {
  const { code, message } = cause
  const Refused = code.startsWith('CONFIG_') ? ConfigError : InputError
  return new Refused(code, message, { cause })
}

/** Throws InputError for what it says to whatever it is asked, until somebody does something about it. */
function throwIfCertain(url: string, failure: WorkerFailure): void {
  if (failure.kind === 'denied') {
    throw new InputError(
      'INPUT_ENDPOINT_ACCESS',
      `program: ${url} should let requests in, it wants another key; give it as { url, apiKey }.`,
    )
  }
  const advice = certificateAdvice(failure)
  if (advice === null) return
  throw new InputError(
    'INPUT_ENDPOINT_CERTIFICATE',
    `program: ${url} should have a certificate that holds here, ${shown(failure)}; ${advice}.`,
  )
}

function brokenOff(url: string, failure: WorkerFailure): CapacityError {
  return new CapacityError(
    'CAPACITY_UPSTREAM',
    `program: ${url} should give whole answers, one ended in the middle (${shown(failure)}); run the program again.`,
    { cause: failure },
  )
}
