/** What a route is: where it stands, what it takes and gives, and how it answers. */
import type { JsonSchema } from './json-schema.ts'
import type { Exchange, ServerContext } from './server-context.ts'
import type { ServerConfig } from './server-config.ts'

export type Route = {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly about: string
  /** The body that it takes; limits of the server stand in it. */
  readonly request?: (config: ServerConfig) => JsonSchema
  /**
   * `json`: the body of an answer; `event`: the data of each event of a streamed one, and `failure` of the last where it
   * failed, by default the body of an error; `text`: its type.
   */
  readonly responses: {
    readonly json?: JsonSchema
    readonly event?: JsonSchema
    readonly failure?: JsonSchema
    readonly text?: string
    /** The body of status 503, where that is an answer and no error. */
    readonly unready?: JsonSchema
  }
  /** Errors in Anthropic's envelope instead of OpenAI's. */
  readonly isAnthropic?: boolean
  /** Costs nothing: not counted against a key's limits. */
  readonly isFree?: boolean
  /** Wants a key of an operator, not of a client. */
  readonly isForOperators?: boolean
  answer(context: ServerContext, exchange: Exchange): Promise<Response>
}
