/** A real server on a free port of this machine, for tests that talk to it as clients do. */
import {
  createApp,
  serveModel,
  type AppOptions,
  type LocalModel,
} from '../../src/serve/http/index.ts'
import { listen, type ListenOptions } from '../../src/serve/http-node.ts'

export type TestServer = {
  readonly url: string
  readonly port: number
  readonly id: string
  close(): Promise<void>
}

export async function startServer({
  model,
  id = 'tiny',
  app: options = {},
  listen: place = {},
}: {
  readonly model: LocalModel
  readonly id?: string
  readonly app?: Partial<AppOptions>
  readonly listen?: Partial<ListenOptions>
}): Promise<TestServer> {
  const app = createApp({ models: [serveModel(model, id, Date.now())], ...options })
  const server = await listen(app, { host: '127.0.0.1', port: 0, ...place })
  return { ...server, id }
}
