/** Models behind other servers: ours, vLLM, SGLang, any that speaks OpenAI's words. */
export { connectUpstreams, type UpstreamOptions, type Upstreams } from './connect.ts'
export type { PromptSide } from './prompt-side.ts'
export { ROUTING_DEFAULTS, type RoutingConfig } from './choose-worker.ts'
export { HEALTH_DEFAULTS, type HealthConfig, type WorkerState } from './worker.ts'
