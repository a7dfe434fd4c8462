/** `POST /generate`, SGLang's own route: a prompt with `sampling_params`; docs.sglang.ai, "Native API". */
import type { Answer } from '../answer.ts'
import { COUNT, exactly, jsonLogprob, TOKEN_ID } from './chat-response.ts'
import { choiceEvents, choiceRequests, collectChoices, type ChoiceEvent } from './choices.ts'
import { readItems, type SglangRequest } from './generate-items.ts'
import type { JsonSchema } from './json-schema.ts'
import { requestMedia } from './request-media.ts'
import type { Route } from './route.ts'
import { choicesProperty, maxTokensProperty, SAMPLING_PROPERTIES } from './sampling-fields.ts'
import { modelAsked, readRequest } from './server-context.ts'
import type { ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { openAiStream, type ServerEvent } from './sse.ts'
import { stopStringOf } from './stop-string.ts'

const { seed, ...SAMPLING } = SAMPLING_PROPERTIES
const TEXT: JsonSchema = { type: 'string', minLength: 1 }
const URLS: JsonSchema = {
  anyOf: [
    { type: 'string' },
    listOf({ type: 'string' }, 0),
    listOf(listOf({ type: 'string' }, 0), 0),
  ],
  description:
    'data: URLs, or bare base64; of one prompt one for each place, of a list one, or a list, for each prompt.',
}

function listOf(items: JsonSchema, minItems = 1): JsonSchema {
  return { type: 'array', minItems, items }
}

/** For all prompts, or a list with one for each. */
function oneOrEach(one: JsonSchema): JsonSchema {
  return { anyOf: [one, listOf(one)] }
}

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      model: { type: 'string', description: "As in `/v1/completions`; SGLang's has none." },
      text: oneOrEach(TEXT),
      input_ids: { anyOf: [listOf(TOKEN_ID), listOf(listOf(TOKEN_ID))] },
      image_data: URLS,
      video_data: URLS,
      sampling_params: oneOrEach(samplingSchema(config)),
      stream: { type: 'boolean' },
      return_logprob: oneOrEach({ type: 'boolean' }),
      top_logprobs_num: oneOrEach({ type: 'integer', minimum: 0, maximum: 20 }),
      rid: { description: 'Taken, without effect.' },
    },
    additionalProperties: false,
    'x-needs': { oneOf: ['text', 'input_ids'], isOnly: true, code: 'INPUT_PROMPT' },
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

function samplingSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      ...SAMPLING,
      sampling_seed: seed,
      max_new_tokens: maxTokensProperty(config),
      n: choicesProperty(config),
    },
    additionalProperties: false,
    'x-refused': {
      stop_token_ids: { because: 'name the texts in stop', unless: [[]] },
      min_new_tokens: { because: 'an answer ends when the model ends it', unless: [0] },
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
            {
              type: 'object',
              properties: {
                type: { const: 'stop' },
                matched: { type: 'string', description: 'The stop string that ended it.' },
              },
              required: ['type'],
              additionalProperties: false,
            },
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
  about: "Prompts continued, in SGLang's words; streamed texts are whole so far",
  request: requestSchema,
  responses: { json: { anyOf: [ANSWER, { type: 'array', items: ANSWER }] }, event: ANSWER },
  async answer(context, exchange) {
    const { config } = context
    const body = await readRequest<SglangRequest>(context, exchange, requestSchema(config))
    const model = modelAsked(context, body)
    const media = requestMedia(context, exchange, model)
    const { isList, items, n } = await readItems(body, { media, model, config })
    const requests = items.flatMap((item) => choiceRequests(item, n))
    const events = choiceEvents(context, { model, requests, n }, exchange)
    const ids = requests.map(() => context.newId())
    const hasPlaces = isList || n > 1
    const show = (answer: Answer, i: number) =>
      showAnswer(answer, { id: ids[i] as string, request: requests[i] as ServedRequest })
    if (body.stream) return openAiStream(wholeSoFar(events, { ids, hasPlaces, show }), exchange)
    const answers = await collectChoices(events, requests.length)
    const shown = answers.map(show)
    return Response.json(hasPlaces ? shown : shown[0])
  },
}

type Shown = { readonly id: string; readonly request: ServedRequest }

function finishReason(answer: Answer, { request }: Shown) {
  if (answer.finishReason === 'length')
    return { type: 'length', length: answer.usage.completionTokens }
  const matched = stopStringOf(answer, [request.stop ?? []].flat())
  return matched === null ? { type: 'stop' } : { type: 'stop', matched }
}

function showAnswer(answer: Answer, shown: Shown): object {
  const { usage, logprobs } = answer
  return {
    text: answer.text,
    meta_info: {
      id: shown.id,
      finish_reason: finishReason(answer, shown),
      prompt_tokens: usage.promptTokens,
      completion_tokens: usage.completionTokens,
      cached_tokens: usage.cachedTokens,
      image_tokens: usage.imageTokens,
      e2e_latency: answer.timings.totalMs / 1000,
      ...(logprobs && {
        // [log-probability, id, null]: SGLang's triple without the text.
        output_token_logprobs: logprobs.map(triple),
        output_top_logprobs: logprobs.map(({ top }) => top.map(triple)),
      }),
    },
  }
}

function triple({ id, logprob }: { readonly id: number; readonly logprob: number }) {
  return [jsonLogprob(logprob), id, null]
}

type Streaming = {
  readonly ids: readonly string[]
  readonly hasPlaces: boolean
  readonly show: (answer: Answer, i: number) => object
}

async function* wholeSoFar(
  events: AsyncIterable<ChoiceEvent>,
  { ids, hasPlaces, show }: Streaming,
): AsyncGenerator<ServerEvent, void, undefined> {
  const texts: string[] = []
  for await (const { index, event } of events) {
    const id = ids[index] as string
    const place = hasPlaces ? { index } : {}
    if (event.type === 'done') yield { data: { ...show(event, index), ...place } }
    else {
      const text = `${texts[index] ?? ''}${event.text}`
      texts[index] = text
      yield { data: { text, meta_info: { id, finish_reason: null }, ...place } }
    }
  }
}
