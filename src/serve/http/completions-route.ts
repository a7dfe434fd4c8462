/** `POST /v1/completions`: texts or ids to be continued, without a template; platform.openai.com/docs/api-reference/completions. */
import type { Answer, AnswerLogprob } from '../answer.ts'
import { COUNT, exactly, jsonLogprob, openAiUsage, TOKEN_ID, USAGE } from './chat-response.ts'
import { finishedAs } from './chat-route.ts'
import {
  checkCount,
  choiceEvents,
  choiceRequests,
  collectChoices,
  totalUsage,
  type ChoiceEvent,
} from './choices.ts'
import type { JsonSchema } from './json-schema.ts'
import { idsAt } from './media-paths.ts'
import type { Route } from './route.ts'
import {
  choicesProperty,
  ignoredProperties,
  maxTokensProperty,
  continuedTokens,
  REFUSED_SAMPLING,
  SAMPLING_PROPERTIES,
  samplingOptions,
  STREAM_OPTIONS,
  type SamplingFields,
} from './sampling-fields.ts'
import { modelAsked, readRequest } from './server-context.ts'
import type { ServedModel, ServedRequest } from './served-model.ts'
import type { ServerConfig } from './server-config.ts'
import { openAiStream, type ServerEvent } from './sse.ts'

type CompletionRequest = SamplingFields & {
  readonly model?: string | null
  readonly prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[]
  readonly max_tokens?: number | null
  readonly n?: number | null
  readonly stream?: boolean | null
  readonly stream_options?: { readonly include_usage?: boolean | null } | null
  readonly logprobs?: number | null
}

const ID: JsonSchema = TOKEN_ID
const TEXT: JsonSchema = { type: 'string', minLength: 1 }

function requestSchema(config: ServerConfig): JsonSchema {
  return {
    type: 'object',
    properties: {
      model: { type: 'string' },
      prompt: {
        anyOf: [
          TEXT,
          { type: 'array', minItems: 1, items: TEXT },
          { type: 'array', minItems: 1, items: ID },
          { type: 'array', minItems: 1, items: { type: 'array', minItems: 1, items: ID } },
        ],
        description: 'A text, token ids, or several of either.',
      },
      max_tokens: maxTokensProperty(config),
      n: choicesProperty(config),
      stream: { type: 'boolean' },
      stream_options: STREAM_OPTIONS,
      logprobs: { type: 'integer', minimum: 0, maximum: 20 },
      ...SAMPLING_PROPERTIES,
      ...ignoredProperties(['user']),
    },
    required: ['prompt'],
    additionalProperties: false,
    'x-refused': {
      ...REFUSED_SAMPLING,
      echo: { because: 'answers do not repeat their prompt', unless: [false] },
      suffix: { because: 'these models write forward only', unless: [''] },
      best_of: { because: 'all answers are given; choose among them by logprobs', unless: [1] },
    },
  }
}

const LOGPROBS: JsonSchema = {
  anyOf: [
    { type: 'null' },
    exactly({
      tokens: { type: 'array', items: { type: 'string' } },
      token_logprobs: { type: 'array', items: { type: 'number' } },
      top_logprobs: { type: 'array', items: { type: 'object' } },
      text_offset: { type: 'array', items: COUNT },
    }),
  ],
}

function completionSchema(finish: JsonSchema, usage: JsonSchema): JsonSchema {
  const head = {
    id: { type: 'string' },
    object: { const: 'text_completion' },
    created: COUNT,
    model: { type: 'string' },
    system_fingerprint: { type: 'null' },
    choices: {
      type: 'array',
      items: exactly({
        index: COUNT,
        text: { type: 'string' },
        logprobs: LOGPROBS,
        finish_reason: finish,
      }),
    },
  } as const satisfies Record<string, JsonSchema>
  const { required = [], ...schema } = exactly({ ...head, usage })
  return { ...schema, required: required.filter((name) => name !== 'usage') }
}

const FINISH: JsonSchema = { enum: ['stop', 'length'] }

export const completionsRoute: Route = {
  method: 'post',
  path: '/v1/completions',
  about: 'Texts or ids continued, without a template',
  request: requestSchema,
  responses: {
    json: completionSchema(FINISH, USAGE),
    event: completionSchema(
      { anyOf: [{ type: 'null' }, FINISH] },
      { anyOf: [{ type: 'null' }, USAGE] },
    ),
  },
  async answer(context, exchange) {
    const body = await readRequest<CompletionRequest>(
      context,
      exchange,
      requestSchema(context.config),
    )
    const model = modelAsked(context, body)
    const n = body.n ?? 1
    const prompts = promptsOf(body)
    checkCount(prompts.length * n, '/v1/completions', context.config)
    const requests = prompts.flatMap((prompt) =>
      choiceRequests({ ...prompt, ...optionsOf(body, model, context.config) }, n),
    )
    const events = choiceEvents(context, { model, requests, n }, exchange)
    const head = {
      id: `cmpl-${context.newId()}`,
      object: 'text_completion',
      created: Math.floor(context.now() / 1000),
      model: model.id,
      system_fingerprint: null,
    }
    if (body.stream) {
      const includesUsage = body.stream_options?.include_usage ?? false
      return openAiStream(completionChunks(events, { head, n, includesUsage, model }), exchange)
    }
    const answers = await collectChoices(events, requests.length)
    const choices = answers.map((answer, index) => ({
      index,
      text: answer.text,
      logprobs: legacyLogprobs(answer.logprobs, model),
      finish_reason: finishedAs(answer),
    }))
    return Response.json({ ...head, choices, usage: openAiUsage(totalUsage(answers, n)) })
  },
}

function promptsOf({ prompt }: CompletionRequest): ServedRequest[] {
  if (typeof prompt === 'string') return [{ prompt }]
  if (typeof prompt[0] === 'number') return [idsAt(prompt as readonly number[], 'prompt')]
  return (prompt as readonly (string | readonly number[])[]).map((one, i) =>
    typeof one === 'string' ? { prompt: one } : idsAt(one, `prompt[${i}]`),
  )
}

function optionsOf(body: CompletionRequest, model: ServedModel, config: ServerConfig) {
  const { logprobs } = body
  return {
    ...samplingOptions(body),
    maxTokens: continuedTokens({ max_tokens: body.max_tokens }, model, config),
    ...(typeof logprobs === 'number' && { logprobs: true, topLogprobs: logprobs }),
  }
}

type ChunkOptions = {
  readonly head: object
  readonly n: number
  readonly includesUsage: boolean
  readonly model: ServedModel
}

async function* completionChunks(
  events: AsyncIterable<ChoiceEvent>,
  { head, n, includesUsage, model }: ChunkOptions,
): AsyncGenerator<ServerEvent, void, undefined> {
  const answers: Answer[] = []
  const told = new Map<number, number>()
  /** By choice, where its next token begins. */
  const offsets: number[] = []
  for await (const { index, event } of events) {
    const at = told.get(index) ?? 0
    const logprobs = event.type === 'text' ? event.logprobs : event.logprobs?.slice(at)
    told.set(index, at + (logprobs?.length ?? 0))
    const given = logprobs?.length === 0 ? undefined : logprobs
    const shown = legacyLogprobs(given, model, offsets[index])
    offsets[index] = (offsets[index] ?? 0) + (shown?.tokens.join('').length ?? 0)
    const choice = {
      index,
      text: event.type === 'text' ? event.text : '',
      logprobs: shown,
      finish_reason: event.type === 'text' ? null : finishedAs(event),
    }
    if (event.type === 'done') answers[index] = event
    yield { data: { ...head, choices: [choice], ...(includesUsage && { usage: null }) } }
  }
  if (!includesUsage) return
  yield { data: { ...head, choices: [], usage: openAiUsage(totalUsage(answers, n)) } }
}

/** The shape that this route had before chat. Offsets count characters of the answer's tokens; the first is at `start`. */
function legacyLogprobs(
  logprobs: readonly AnswerLogprob[] | undefined,
  model: ServedModel,
  start = 0,
) {
  if (!logprobs) return null
  const text = (id: number) => new TextDecoder().decode(model.tokenBytes(id))
  const tokens = logprobs.map(({ id }) => text(id))
  let offset = start
  return {
    tokens,
    token_logprobs: logprobs.map(({ logprob }) => jsonLogprob(logprob)),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ id, logprob }) => [text(id), jsonLogprob(logprob)])),
    ),
    text_offset: tokens.map((token) => {
      offset += token.length
      return offset - token.length
    }),
  }
}
