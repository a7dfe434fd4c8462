/** `POST /generate`, SGLang's own route: a prompt with `sampling_params`; docs.sglang.ai, "Native API". */
import type { Answer } from '../answer.ts'
import { COUNT, exactly } from './chat-response.ts'
import { choiceEvents, choiceRequests, collectChoices, type ChoiceEvent } from './choices.ts'
import { HttpError } from './http-error.ts'
import type { JsonSchema } from './json-schema.ts'
import { RequestMedia } from './media.ts'
import type { Route } from './route.ts'
import {
  choicesProperty,
  given,
  maxTokensProperty,
  SAMPLING_PROPERTIES,
  samplingOptions,
  type SamplingFields,
} from './sampling-fields.ts'
import { readRequest } from './server-context.ts'
import type { ServedModel, ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { openAiStream, type ServerEvent } from './sse.ts'

type SglangRequest = {
  readonly text?: string | null
  readonly input_ids?: readonly number[] | null
  readonly image_data?: string | readonly string[] | null
  readonly video_data?: string | readonly string[] | null
  readonly sampling_params?: SglangSampling | null
  readonly stream?: boolean | null
  readonly return_logprob?: boolean | null
  readonly top_logprobs_num?: number | null
}

type SglangSampling = SamplingFields & {
  readonly max_new_tokens?: number | null
  readonly n?: number | null
  readonly sampling_seed?: number | null
}

const { seed, ...SAMPLING } = SAMPLING_PROPERTIES
const URLS: JsonSchema = {
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
  description: 'data: URLs, or bare base64; one for each place of the prompt.',
}

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      text: { type: 'string', minLength: 1 },
      input_ids: { type: 'array', minItems: 1, items: { type: 'integer' } },
      image_data: URLS,
      video_data: URLS,
      sampling_params: {
        type: 'object',
        properties: {
          ...SAMPLING,
          sampling_seed: seed,
          max_new_tokens: { ...maxTokensProperty(config), description: 'Default 128.' },
          n: choicesProperty(config),
        },
        additionalProperties: false,
        'x-refused': {
          stop_token_ids: { because: 'name the texts in stop', unless: [[]] },
          min_new_tokens: { because: 'an answer ends when the model ends it', unless: [0] },
        },
      },
      stream: { type: 'boolean' },
      return_logprob: { type: 'boolean' },
      top_logprobs_num: { type: 'integer', minimum: 0, maximum: 20 },
      rid: { description: 'Taken, without effect.' },
    },
    additionalProperties: false,
    'x-refused': {
      logprob_start_len: { because: 'prompts are not scored here', unless: [-1] },
      return_text_in_logprobs: {
        because: 'log-probabilities come with their ids',
        unless: [false],
      },
      lora_path: { because: 'one model is served', unless: [] },
      audio_data: { because: 'this server knows no sound' },
    },
  }
}

const LOGPROBS: JsonSchema = { type: 'array', items: { type: 'array' } }
const ANSWER: JsonSchema = {
  type: 'object',
  properties: {
    text: { type: 'string' },
    index: COUNT,
    meta_info: {
      type: 'object',
      properties: {
        id: { type: 'string' },
        finish_reason: {
          anyOf: [
            { type: 'null' },
            exactly({ type: { const: 'stop' } }),
            exactly({ type: { const: 'length' }, length: COUNT }),
          ],
        },
        prompt_tokens: COUNT,
        completion_tokens: COUNT,
        cached_tokens: COUNT,
        image_tokens: COUNT,
        e2e_latency: { type: 'number', description: 'Seconds.' },
        output_token_logprobs: LOGPROBS,
        output_top_logprobs: { type: 'array', items: LOGPROBS },
      },
      required: ['id', 'finish_reason'],
      additionalProperties: false,
    },
  },
  required: ['text', 'meta_info'],
  additionalProperties: false,
}

export const generateRoute: Route = {
  method: 'post',
  path: '/generate',
  about: "A prompt continued, in SGLang's words; streamed texts are whole so far",
  request: requestSchema,
  responses: { json: { anyOf: [ANSWER, { type: 'array', items: ANSWER }] }, event: ANSWER },
  async answer(context, exchange) {
    const body = await readRequest<SglangRequest>(context, exchange, requestSchema(context.config))
    const model = context.models[0] as ServedModel
    const media = new RequestMedia(context.media, context.config, exchange.signal)
    const n = body.sampling_params?.n ?? 1
    const requests = choiceRequests(await toRequest(body, media), n)
    const events = choiceEvents(context, { model, requests }, exchange)
    const id = context.newId()
    if (body.stream) return openAiStream(wholeSoFar(events, { id, n }), exchange)
    const answers = await collectChoices(events, n)
    const shown = answers.map((answer) => showAnswer(answer, id))
    return Response.json(n === 1 ? shown[0] : shown)
  },
}

async function toRequest(body: SglangRequest, media: RequestMedia): Promise<ServedRequest> {
  const { text, input_ids: inputIds, sampling_params: sampling } = body
  const isText = typeof text === 'string'
  if (isText === Array.isArray(inputIds)) {
    throw new HttpError(400, 'INPUT_PROMPT', '/generate: expected exactly one of text, input_ids.')
  }
  const images: Uint8Array[] = []
  for (const [i, url] of [body.image_data ?? []].flat().entries()) {
    images.push(await media.picture(asUrl(url, 'image/png'), `image_data[${i}]`))
  }
  const videos: Uint8Array[] = []
  for (const [i, url] of [body.video_data ?? []].flat().entries()) {
    videos.push(await media.clip(asUrl(url, 'video/mp4'), `video_data[${i}]`))
  }
  return {
    ...(isText ? { prompt: text } : { inputIds: inputIds ?? [] }),
    images,
    videos,
    ...samplingOptions({ ...sampling, seed: sampling?.sampling_seed ?? null }),
    maxTokens: sampling?.max_new_tokens ?? 128,
    ...(body.return_logprob && {
      logprobs: true,
      ...given({ topLogprobs: body.top_logprobs_num }),
    }),
  }
}

function asUrl(text: string, type: string): string {
  return text.includes(':') ? text : `data:${type};base64,${text}`
}

function showAnswer(answer: Answer, id: string) {
  const { usage, tokens, finishReason, logprobs } = answer
  return {
    text: answer.text,
    meta_info: {
      id,
      finish_reason:
        finishReason === 'length' ? { type: 'length', length: tokens.length } : { type: 'stop' },
      prompt_tokens: usage.promptTokens,
      completion_tokens: usage.completionTokens,
      cached_tokens: usage.cachedTokens,
      image_tokens: usage.imageTokens,
      e2e_latency: answer.timings.totalMs / 1000,
      ...(logprobs && {
        // [log-probability, id, null]: SGLang's triple without the text.
        output_token_logprobs: logprobs.map((one) => [one.logprob, one.id, null]),
        output_top_logprobs: logprobs.map(({ top }) =>
          top.map((one) => [one.logprob, one.id, null]),
        ),
      }),
    },
  }
}

async function* wholeSoFar(
  events: AsyncIterable<ChoiceEvent>,
  { id, n }: { readonly id: string; readonly n: number },
): AsyncGenerator<ServerEvent, void, undefined> {
  const texts: string[] = []
  for await (const { index, event } of events) {
    const place = n > 1 ? { index } : {}
    if (event.type === 'done') yield { data: { ...showAnswer(event, id), ...place } }
    else {
      const text = `${texts[index] ?? ''}${event.text}`
      texts[index] = text
      yield { data: { text, meta_info: { id, finish_reason: null }, ...place } }
    }
  }
}
