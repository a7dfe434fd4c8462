/** What the serving worker is asked. */
export { promptIds, serveOperations } from './protocol.ts'

export type StreamsQuestion = {
  readonly streams: number
  readonly promptTokens: number
  readonly newTokens: number
  readonly seed: number
}

export type StreamsTimings = {
  /** From the first request to the last token. */
  readonly ms: number
  /** By stream, from the request to its first text. */
  readonly firstMs: readonly number[]
  readonly betweenMs: readonly number[]
}

export type SharedQuestion = {
  readonly streams: number
  readonly beginning: number
  readonly own: number
  readonly seed: number
  readonly isShared: boolean
}
