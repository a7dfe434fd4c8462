/** Serving: a loaded model behind OpenAI's and Anthropic's words, as a function from Request to Response or as a server. */
export * from './http/index.ts'
export { createLog, listen, type ListenOptions, type RunningServer } from './http-node.ts'
