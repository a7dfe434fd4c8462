/** Routes that answer at once: models, health, metrics, and the document about all of them. */
import { CONTEXT, exactly } from './chat-response.ts'
import type { Route } from './route.ts'
import { mostTokens, usualTokens } from './sampling-fields.ts'
import type { ServerConfig } from './server-config.ts'
import { modelNamed } from './server-context.ts'
import type { ServedModel } from './served-model.ts'

const MODEL = exactly({
  id: { type: 'string' },
  object: { const: 'model' },
  created: { type: 'integer' },
  owned_by: { const: 'llava-ts' },
  max_model_len: CONTEXT,
  default_max_tokens: {
    type: ['integer', 'null'],
    description:
      'Tokens of an answer at most where a request does not say; null: the checkpoint does not say either.',
  },
  max_answer_tokens: {
    type: 'integer',
    description: 'Tokens of an answer that a request may ask for.',
  },
  input_modalities: { type: 'array', items: { enum: ['text', 'image', 'video'] } },
  auto_orient: {
    type: ['boolean', 'null'],
    description: 'Whether pictures are turned as their Exif or XMP says; null: nobody says.',
  },
})

function shown(model: ServedModel, config: ServerConfig) {
  const { id, created, maxContext, takes, autoOrient } = model
  return {
    id,
    object: 'model',
    created,
    owned_by: 'llava-ts',
    max_model_len: maxContext,
    default_max_tokens: usualTokens(model, config),
    max_answer_tokens: mostTokens(model, config),
    input_modalities: [
      'text',
      ...(takes.images ? ['image'] : []),
      ...(takes.videos ? ['video'] : []),
    ],
    auto_orient: autoOrient,
  }
}

const modelsRoute: Route = {
  method: 'get',
  path: '/v1/models',
  about: 'The models that are served',
  responses: {
    json: exactly({ object: { const: 'list' }, data: { type: 'array', items: MODEL } }),
  },
  isFree: true,
  async answer({ models, config }) {
    const data = models.map((model) => shown(model, config))
    return Response.json({ object: 'list', data })
  },
}

const modelRoute: Route = {
  method: 'get',
  path: '/v1/models/{model}',
  about: 'One of them',
  responses: { json: MODEL },
  isFree: true,
  async answer(context, { request }) {
    const { pathname } = new URL(request.url)
    const name = decoded(pathname.slice('/v1/models/'.length))
    return Response.json(shown(modelNamed(context, name), context.config))
  },
}

/** A name with half an escape in it is the name of nothing. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

const healthRoute: Route = {
  method: 'get',
  path: '/health',
  about: 'Whether the process lives',
  responses: { json: exactly({ status: { const: 'ok' } }) },
  isFree: true,
  answer: async () => Response.json({ status: 'ok' }),
}

const readyRoute: Route = {
  method: 'get',
  path: '/ready',
  about: 'Whether it can answer: status 503 while it stops, and while no worker behind it is up',
  responses: {
    json: exactly({ status: { const: 'ok' } }),
    unready: exactly({ status: { enum: ['stopping', 'no-worker'] } }),
  },
  isFree: true,
  async answer({ admission, models }) {
    if (admission.isClosed) return unready('stopping')
    return models.some(canAnswer) ? Response.json({ status: 'ok' }) : unready('no-worker')
  },
}

function unready(status: string): Response {
  return Response.json({ status }, { status: 503 })
}

/** A model of this process always can. */
function canAnswer(model: ServedModel): boolean {
  return model.workers === undefined || model.workers().some(({ state }) => state === 'up')
}

const metricsRoute: Route = {
  method: 'get',
  path: '/metrics',
  about: "Counts and times in Prometheus' text format",
  responses: { text: 'text/plain' },
  isFree: true,
  async answer({ metrics }) {
    const { type, text } = await metrics.text()
    return new Response(text, { headers: { 'content-type': type } })
  },
}

export const PLAIN_ROUTES: readonly Route[] = [
  modelsRoute,
  modelRoute,
  healthRoute,
  readyRoute,
  metricsRoute,
]
