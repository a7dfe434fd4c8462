/** Workers behind this server, for whoever runs it: listed, taken out for maintenance, and taken back. */
import { COUNT, exactly } from './chat-response.ts'
import type { JsonSchema } from './json-schema.ts'
import type { Route } from './route.ts'
import { readRequest } from './server-context.ts'
import type { WorkerStats } from './served-model.ts'

/** What an operator may do with them. */
export type WorkerControl = {
  list(): readonly WorkerStats[]
  /** The worker of that address gets nothing new. Throws InputError where there is none. */
  drain(url: string): unknown
  resume(url: string): unknown
}

const WORKER: JsonSchema = {
  type: 'object',
  properties: {
    worker: { type: 'string', description: 'Its address.' },
    state: { enum: ['up', 'draining', 'down'] },
    running: {
      ...COUNT,
      description: 'Answers that it gives now: none are left, it may be stopped.',
    },
  },
  required: ['worker', 'state', 'running'],
  additionalProperties: COUNT,
}

const NAMED: JsonSchema = {
  type: 'object',
  properties: {
    worker: { type: 'string', description: 'As GET /workers or --upstream writes it.' },
  },
  required: ['worker'],
  additionalProperties: false,
}

const LIST = exactly({ workers: { type: 'array', items: WORKER } })

/** With a key of an operator, and only where there are some. */
export function workerRoutes(control: WorkerControl): readonly Route[] {
  const change = (path: string, about: string, act: (url: string) => unknown): Route => ({
    method: 'post',
    path,
    about,
    request: () => NAMED,
    responses: { json: LIST },
    isFree: true,
    isForOperators: true,
    async answer(context, exchange) {
      const { worker } = await readRequest<{ worker: string }>(context, exchange, NAMED)
      act(worker)
      context.log('info', { event: path.slice(1).replace('/', '-'), worker })
      return Response.json({ workers: control.list() })
    },
  })
  return [
    {
      method: 'get',
      path: '/workers',
      about: 'The workers behind this server, their states and counts',
      responses: { json: LIST },
      isFree: true,
      isForOperators: true,
      answer: async () => Response.json({ workers: control.list() }),
    },
    change('/workers/drain', 'A worker finishes what it has and gets nothing new', (url) =>
      control.drain(url),
    ),
    change('/workers/resume', 'It is asked again', (url) => control.resume(url)),
  ]
}
