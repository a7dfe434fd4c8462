/** What all routes of a server work with. */
import { inTurns } from '../../core/steps.ts'
import { Faults } from '../faults.ts'
import type { Admission } from './admission.ts'
import { noteFields } from './body-fields.ts'
import { HttpError, type Failure } from './http-error.ts'
import { checkSchema, type JsonSchema } from './json-schema.ts'
import { promptForLog, type Log } from './log.ts'
import type { MediaReaders } from './media.ts'
import type { Metrics } from './metrics.ts'
import type { RateLimits } from './rate-limits.ts'
import { readJson } from './read-json.ts'
import type { Route } from './route.ts'
import type { ServedModel } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'

export type ServerContext = {
  readonly config: ServerConfig
  readonly routes: readonly Route[]
  /** At least one; the first answers requests that name none. */
  readonly models: readonly ServedModel[]
  readonly media: MediaReaders
  readonly admission: Admission
  readonly limits: RateLimits
  readonly metrics: Metrics
  /** Requests that are not answered yet. */
  readonly exchanges: Set<OpenExchange>
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newId: () => string
  readonly log: Log
}

/** Who asks: the name of the key, and what keeps its cached prompts apart from those of others. */
export type Caller = { readonly name: string; readonly salt: string }

/** `stop` ends it with a reason; `ended` resolves when nothing of it is to be aborted any more. */
export type OpenExchange = {
  readonly stop: (reason: unknown) => void
  readonly isArriving: boolean
  readonly ended: Promise<void>
}

/** One request on its way through a route. */
export type Exchange = {
  readonly id: string
  readonly request: Request
  readonly caller: Caller
  /** Aborted when the client is gone, the answer takes too long, or the server ends. */
  readonly signal: AbortSignal
  /** Aborts the signal: the reader of a stream has left. */
  readonly leave: () => void
  /** A stream that is silent for so long says that it lives. */
  readonly heartbeatMs: number
  /** Logs what went wrong after the response began, and says how it is told. */
  readonly failed: (error: unknown) => Failure
  /** Tells the client something about its request in a header of the answer. */
  readonly note: (text: string) => void
  /** All of its body is here. */
  readonly arrived: () => void
  /** Nothing is to be aborted any more. */
  readonly end: () => void
}

/** The body, checked against its schema. */
export async function readRequest<T>(
  { config, log }: ServerContext,
  { id, request, arrived }: Exchange,
  schema: JsonSchema,
): Promise<T> {
  const body = await readJson(request, config)
  arrived()
  if (config.logPrompts) log('info', { event: 'prompt', request: id, body: promptForLog(body) })
  const faults = new Faults(new URL(request.url).pathname)
  await inTurns(checkSchema(schema, body, { path: '', faults }))
  const fault = faults.error()
  if (fault) throw new HttpError(400, fault.code, fault.message, {}, faults.path)
  noteFields(request, body)
  return body as T
}

/** The model that answers a request, which wants the answer streamed or whole. */
export function modelAsked(
  context: ServerContext,
  { model: name, stream }: { readonly model?: string | null; readonly stream?: boolean | null },
): ServedModel {
  const model = modelNamed(context, name)
  return stream ? model : (model.whole ?? model)
}

export function modelNamed(
  { models }: ServerContext,
  name: string | null | undefined,
): ServedModel {
  const found =
    name === undefined || name === null ? models[0] : models.find(({ id }) => id === name)
  if (found) return found
  throw new HttpError(
    404,
    'INPUT_MODEL',
    `model ${JSON.stringify(String(name).slice(0, 80))} is not served here; there is ${models.map(({ id }) => id).join(', ')}.`,
    {},
    'model',
  )
}
