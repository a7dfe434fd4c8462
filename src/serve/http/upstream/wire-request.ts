/**
 * A request for an answer in the words of each kind of worker.
 *
 * Sources: platform.openai.com/docs/api-reference; docs.vllm.ai, "OpenAI-Compatible Server", extra parameters of chat and
 * completions (vllm/entrypoints/openai/*\/protocol.py at 002032e); docs.sglang.io, "Sampling parameters" and "SGLang Native
 * APIs" (python/sglang/srt/entrypoints/openai/protocol.py at 004c82e).
 */
import { InputError } from '../../../core/errors.ts'
import { grammarOf, type Grammar, type ResponseFormat } from '../../constrained/response-format.ts'
import type { GenerateOptions, ResolvedGenerateOptions } from '../../generate-options.ts'
import type { PlainMessage, PlainPart, VideoPart } from '../../messages.ts'
import type { Prompt } from '../../request.ts'
import { wireFields } from '../../remote/sampled-frames.ts'
import type { ToolUse } from '../../tools/tool-use.ts'
import { imageUrl, videoUrl } from './wire-media.ts'
import type { WorkerKind } from './worker.ts'

/** Where a request goes, and in which form its answer comes. */
export type WireRequest = {
  readonly path: '/v1/chat/completions' | '/v1/completions' | '/generate'
  readonly body: Record<string, unknown>
}

export type ToSend = {
  readonly kind: WorkerKind
  /** What the worker calls the model. */
  readonly model: string
  readonly prompt: Prompt
  /** What the request says, and that with every default. */
  readonly asked: GenerateOptions
  readonly options: ResolvedGenerateOptions
}

/** Throws InputError for what this kind of worker does not offer. */
export function wireRequest(send: ToSend): WireRequest {
  const { kind, prompt } = send
  if (prompt.kind === 'messages') return { path: '/v1/chat/completions', body: chatBody(send) }
  if (kind === 'llava-ts' || kind === 'sglang') {
    return { path: '/generate', body: generateBody(send) }
  }
  if (prompt.media.length > 0) {
    throw notOffered(kind, 'pictures and clips beside a raw prompt', 'send them in messages')
  }
  return { path: '/v1/completions', body: completionBody(send) }
}

function chatBody(send: ToSend): Record<string, unknown> {
  const { kind, prompt, options } = send
  const messages = prompt.kind === 'messages' ? prompt.messages : []
  const continues = messages.at(-1)?.role === 'assistant'
  if (continues && kind === 'openai') {
    throw notOffered(kind, 'an answer that goes on in the assistant’s words', 'end with a user')
  }
  return {
    ...commonBody(send),
    messages: messages.map((message) => wireMessage(message, kind)),
    ...(prompt.kind === 'messages' && prompt.toolUse && toolFields(prompt.toolUse)),
    max_tokens: options.maxTokens,
    ...(options.logprobs && { logprobs: true, top_logprobs: options.topLogprobs }),
    ...(options.logprobs && kind === 'vllm' && { return_tokens_as_token_ids: true }),
    ...(continues && kind !== 'llava-ts' && { continue_final_message: true }),
    ...(continues && kind === 'vllm' && { add_generation_prompt: false }),
  }
}

function completionBody(send: ToSend): Record<string, unknown> {
  const { prompt, options, kind } = send
  return {
    ...commonBody(send),
    prompt: prompt.kind === 'text' ? prompt.text : prompt.kind === 'ids' ? prompt.ids : '',
    max_tokens: options.maxTokens,
    ...(options.logprobs && { logprobs: options.topLogprobs }),
    ...(options.logprobs && kind === 'vllm' && { return_tokens_as_token_ids: true }),
    ...(kind === 'vllm' && { return_token_ids: true }),
  }
}

/** SGLang's own route, which ours has too: the only one that takes raw prompts with pictures. It answers for one model there. */
function generateBody(send: ToSend): Record<string, unknown> {
  const { prompt, options, kind, model } = send
  return {
    ...(kind === 'llava-ts' && { model }),
    ...(prompt.kind === 'ids' && { input_ids: prompt.ids }),
    ...(prompt.kind === 'text' && { text: prompt.text }),
    ...(prompt.images.length > 0 && { image_data: prompt.images.map(imageUrl) }),
    ...(prompt.videos.length > 0 && {
      video_data: prompt.videos.map((clip) => wholeClipUrl(clip, kind)),
    }),
    stream: true,
    sampling_params: nativeSampling(send),
    // SGLang's name beside the sampling for what keeps tenants apart.
    ...(kind === 'sglang' && options.cacheSalt !== '' && { extra_key: options.cacheSalt }),
    ...(options.logprobs && { return_logprob: true, top_logprobs_num: options.topLogprobs }),
  }
}

/** The same settings under the names of `sampling_params`. */
function nativeSampling(send: ToSend): Record<string, unknown> {
  const { kind, options } = send
  const { model: _model, stream: _stream, stream_options: _options, ...common } = commonBody(send)
  const { seed, min_tokens: minTokens, ...sampling } = common as Record<string, unknown>
  const params = {
    ...sampling,
    max_new_tokens: options.maxTokens,
    ...(seed !== undefined && { sampling_seed: seed }),
    ...(minTokens !== undefined && { min_new_tokens: minTokens }),
  }
  if (kind === 'llava-ts') return params
  const { response_format: _, cache_salt: __, ...rest } = params as Record<string, unknown>
  const grammar = grammarOf(options.responseFormat)
  const isSchema = grammar?.kind === 'schema'
  const schema = isSchema && JSON.stringify(wireSchema(options.responseFormat, grammar))
  return { ...rest, ...(isSchema && { json_schema: schema }) }
}

/** Everything but the prompt and the log-probabilities. */
function commonBody({ kind, model, asked, options }: ToSend) {
  return {
    model,
    stream: true,
    // What an answer cost until its client left is told with each piece.
    stream_options: { include_usage: true, ...(kind !== 'openai' && CONTINUOUS) },
    // One of ours reads the same checkpoint: what the request leaves out, it completes as this server would.
    ...(kind === 'llava-ts' ? askedSampling(asked) : fullSampling(kind, options, asked)),
    ...(options.stop.length > 0 && { stop: options.stop }),
    ...(kind !== 'openai' && extensions(kind, options)),
    ...formatFields(kind, options.responseFormat),
  }
}

const CONTINUOUS = { continuous_usage_stats: true }

function askedSampling(asked: GenerateOptions) {
  return withoutUndefined({
    temperature: asked.temperature,
    top_p: asked.topP,
    top_k: asked.topK,
    min_p: asked.minP,
    seed: asked.seed,
    repetition_penalty: asked.repetitionPenalty,
    presence_penalty: asked.presencePenalty,
    frequency_penalty: asked.frequencyPenalty,
    logit_bias: asked.logitBias,
  })
}

/** Said whole, since what others put for what is not said is their own. */
function fullSampling(
  kind: WorkerKind,
  options: ResolvedGenerateOptions,
  { seed }: GenerateOptions,
) {
  const { temperature, topP, presencePenalty, frequencyPenalty, logitBias } = options
  return {
    temperature,
    ...(temperature > 0 && { top_p: topP, ...withoutUndefined({ seed }) }),
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    ...(logitBias.size > 0 && { logit_bias: Object.fromEntries(logitBias) }),
    ...(kind === 'openai' ? plainWords(options) : moreSampling(options)),
  }
}

function moreSampling({
  temperature,
  topK,
  minP,
  repetitionPenalty,
  minTokens,
}: ResolvedGenerateOptions) {
  return {
    ...(temperature > 0 && { top_k: topK > 0 ? topK : -1, min_p: minP }),
    repetition_penalty: repetitionPenalty,
    ...(minTokens > 0 && { min_tokens: minTokens }),
  }
}

/** Throws InputError for what OpenAI has no word for and would change the answer. */
function plainWords(options: ResolvedGenerateOptions): object {
  const { temperature, topK, minP, repetitionPenalty, minTokens, ignoreEos } = options
  const isDrawn = temperature > 0
  const wanted = [
    ...(isDrawn && topK > 0 ? ['top_k'] : []),
    ...(isDrawn && minP > 0 ? ['min_p'] : []),
    ...(repetitionPenalty === 1 ? [] : ['repetition_penalty']),
    ...(minTokens > 0 ? ['min_new_tokens'] : []),
    ...(ignoreEos ? ['ignore_eos'] : []),
    ...(options.skipSpecialTokens ? [] : ['skip_special_tokens']),
  ]
  if (wanted.length === 0) return {}
  throw notOffered('openai', wanted.join(' and '), 'leave it out')
}

function extensions(kind: WorkerKind, options: ResolvedGenerateOptions) {
  const { ignoreEos, skipSpecialTokens, cacheSalt, priority } = options
  return {
    ...(ignoreEos && { ignore_eos: true }),
    ...(!skipSpecialTokens && { skip_special_tokens: false }),
    ...(cacheSalt !== '' && { cache_salt: cacheSalt }),
    // Others refuse it, or read it otherwise, unless they are started for it; it orders who waits and nothing else.
    ...(kind === 'llava-ts' && priority !== 0 && { priority: -priority }),
  }
}

/** The form of an answer. What would not be enforced, or is too large, is refused here as it is by our own engine. */
function formatFields(kind: WorkerKind, format: ResponseFormat): Record<string, unknown> {
  const grammar = grammarOf(format)
  if (!grammar) return {}
  const { kind: form, text } = grammar
  if (kind === 'llava-ts') return ownFormat(format)
  if (kind === 'openai') {
    if (format.type === 'json_object') return { response_format: { type: 'json_object' } }
    if (form !== 'schema') {
      throw notOffered(kind, 'responseFormat with a form other than JSON', 'ask for JSON')
    }
    return {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'answer', schema: wireSchema(format, grammar), strict: true },
      },
    }
  }
  if (kind === 'vllm') {
    const name = ({ schema: 'json', regex: 'regex', ebnf: 'grammar' } as const)[form]
    if (format.type === 'choice') return { structured_outputs: { choice: format.choices } }
    return {
      structured_outputs: { [name]: form === 'schema' ? wireSchema(format, grammar) : text },
    }
  }
  if (form !== 'schema') return { [form]: text }
  const schema = wireSchema(format, grammar)
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } }
}

/** The schema as it is enforced here; as it came where rules that a worker does not have are a part of that. */
function wireSchema(format: ResponseFormat, { text, rules = [] }: Grammar): unknown {
  return format.type === 'json_schema' && rules.length > 0 ? format.schema : JSON.parse(text)
}

function ownFormat(format: ResponseFormat): Record<string, unknown> {
  switch (format.type) {
    case 'text':
      return {}
    case 'json_object':
      return { response_format: { type: 'json_object' } }
    case 'json_schema':
      return { json_schema: format.schema }
    case 'regex':
      return { regex: format.pattern }
    case 'choice':
      return { choice: format.choices }
    case 'ebnf':
      return { ebnf: format.grammar }
  }
}

function wireMessage(
  { role, content, toolCalls = [], toolCallId }: PlainMessage,
  kind: WorkerKind,
): Record<string, unknown> {
  return {
    role,
    content: typeof content === 'string' ? content : content.map((part) => wirePart(part, kind)),
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map(({ id, ...call }) => ({ id, type: 'function', function: call })),
    }),
    ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
  }
}

/** A call that must be is of any tool, or of the one that is left. */
function toolFields({ tools, required, isParallel }: ToolUse): Record<string, unknown> {
  const [only] = required ?? []
  const choice =
    required?.length === 1 && only
      ? { type: 'function', function: { name: only.name } }
      : required
        ? 'required'
        : 'auto'
  return {
    tools: tools.map((tool) => ({ type: 'function', function: tool })),
    tool_choice: choice,
    ...(!isParallel && { parallel_tool_calls: false }),
  }
}

function wirePart(part: PlainPart, kind: WorkerKind): Record<string, unknown> {
  if (part.type === 'text') return { type: 'text', text: part.text }
  if (part.type === 'image') return { type: 'image_url', image_url: { url: imageUrl(part.image) } }
  const url = wholeClipUrl(part, kind)
  if (kind !== 'llava-ts') return { type: 'video_url', video_url: { url } }
  const { type: _, video: __, ...fields } = part
  return { type: 'video_url', video_url: { url }, ...wireFields(fields) }
}

/** How many frames are taken others say when they are started; `/generate` has no place for it anywhere. */
function wholeClipUrl({ video, ...fields }: VideoPart, kind: WorkerKind): string {
  if (kind === 'sglang' && Array.isArray(video)) {
    throw notOffered(kind, 'a clip made of frames', 'send a film')
  }
  const { frames, fps, start, end, forceSample = false } = fields
  const isPlain = !forceSample && [frames, fps, start, end].every((value) => value === undefined)
  if (isPlain || kind === 'llava-ts') return videoUrl(video)
  const isTimed = start !== undefined || end !== undefined
  const what = isTimed ? 'start and end of a clip' : 'frames, fps and force_sample of a clip'
  throw notOffered(kind, what, 'leave them out, or send the frames')
}

function notOffered(kind: WorkerKind, what: string, instead: string): InputError {
  return new InputError(
    'INPUT_UPSTREAM',
    `model: ${what} came, which a worker of kind ${kind} does not offer; ${instead}.`,
  )
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
