/** What can be set about a server, with every default in one place. Limits are what one request or one key may ask for. */

import { ConfigError } from '../../core/errors.ts'
import { LONGEST_SECONDS } from '../../core/longest-wait.ts'

export type ServerConfig = {
  /** Names beside localhost and addresses that requests may name as their host. */
  readonly allowedHosts: readonly string[]
  /** Origins beside the server's own whose pages may send requests: `https://app.example`. */
  readonly allowedOrigins: readonly string[]
  /** Requests that are answered at a time, and that wait for it. */
  readonly maxRunning: number
  readonly maxQueued: number
  /** Answers to one request, and tokens of one answer. */
  readonly maxChoices: number
  readonly maxTokens: number
  /** Messages of one request, and parts and calls of all of them. */
  readonly maxMessages: number
  readonly maxParts: number
  /** Pictures and clips of one request, bytes of one of them, and pixels of all of them by their headers. */
  readonly maxMedia: number
  readonly maxMediaBytes: number
  readonly maxPixels: number
  readonly maxBodyBytes: number
  readonly maxJsonDepth: number
  /** Numbers, texts, lists, objects and so on of one body: twice the ids of a context of 128k. */
  readonly maxJsonValues: number
  /** Of each key, or of all callers together where there are no keys; null: no limit. */
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  /** Seconds until a request that is not answered is given up. */
  readonly answerSeconds: number
  /** Seconds after which a stream that has nothing to say sends a comment, so that nobody cuts it off. */
  readonly heartbeatSeconds: number
  /** Seconds that running answers have after the server was told to stop. */
  readonly shutdownSeconds: number
  /** Write what people ask into the log, pictures left out. */
  readonly logPrompts: boolean
}

export const SERVER_DEFAULTS: ServerConfig = {
  allowedHosts: [],
  allowedOrigins: [],
  maxRunning: 16,
  maxQueued: 64,
  maxChoices: 8,
  maxTokens: 4096,
  maxMessages: 512,
  maxParts: 2048,
  maxMedia: 16,
  maxMediaBytes: 32 << 20,
  maxPixels: 100_000_000,
  maxBodyBytes: 64 << 20,
  maxJsonDepth: 64,
  maxJsonValues: 1 << 18,
  requestsPerMinute: null,
  tokensPerMinute: null,
  answerSeconds: 600,
  heartbeatSeconds: 15,
  shutdownSeconds: 30,
  logPrompts: false,
}

/** With every default. Throws ConfigError for times that no timer can wait for. */
export function resolveServerConfig(given: Partial<ServerConfig> = {}): ServerConfig {
  const config = { ...SERVER_DEFAULTS, ...given }
  const times = ['answerSeconds', 'heartbeatSeconds', 'shutdownSeconds'] as const
  const wrong = times.find((name) => !(config[name] >= 0 && config[name] <= LONGEST_SECONDS))
  if (wrong === undefined) return config
  throw new ConfigError(
    'CONFIG_SERVER',
    `server: ${wrong} should be a number of seconds from 0 to ${LONGEST_SECONDS}, ${String(config[wrong])} came.`,
  )
}
