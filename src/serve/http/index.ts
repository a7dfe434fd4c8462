/** The HTTP server without a socket: models in, a function from Request to Response out. */
export { createApp, type App, type AppOptions } from './app.ts'
export { parseApiKeys, type ApiKey } from './api-keys.ts'
export type { Log } from './log.ts'
export type { MediaReader, MediaReaders } from './media.ts'
export type { PageFile } from './page.ts'
export type { WorkerControl } from './worker-routes.ts'
export { SERVER_DEFAULTS, type ServerConfig } from './server-config.ts'
export {
  serveModel,
  type LocalModel,
  type ServedModel,
  type ServedRequest,
} from './served-model.ts'
