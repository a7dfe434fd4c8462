/** The OpenAPI document of the server: the very schemas by which requests are checked and answers are described. */
import { exactly } from './chat-response.ts'
import type { JsonSchema, JsonType } from './json-schema.ts'
import { NOTE_HEADER } from './origin-guard.ts'
import type { Route } from './route.ts'
import type { ServerConfig } from './server-config.ts'

const ERROR = exactly({
  error: exactly({
    message: { type: 'string' },
    type: { type: 'string' },
    param: { type: ['string', 'null'], description: 'The first field that is wrong.' },
    code: { type: 'string', description: 'Stable; programs may test for it.' },
  }),
})

const ANTHROPIC_ERROR = exactly({
  type: { const: 'error' },
  error: exactly({
    type: { type: 'string' },
    message: { type: 'string' },
    code: { type: 'string' },
  }),
})

const FAILURES: Readonly<Record<string, string>> = {
  400: 'The request cannot be answered',
  401: 'No key, or a wrong one',
  403: 'A host or origin that is not allowed',
  404: 'No such route or model',
  413: 'Too large: more bytes, or more values, than are read',
  415: 'Not JSON',
  429: 'The key has had its share; Retry-After says when it has more',
  500: 'A fault of the server',
  503: 'The queue is full or the server stops; Retry-After says when to ask again',
  504: 'The answer took too long',
}

export function openApiDocument(routes: readonly Route[], config: ServerConfig): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route, config) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'llava-ts',
      version: '1',
      description: `Bodies are JSON in UTF-8 of at most ${config.maxBodyBytes} bytes, ${config.maxJsonValues} values and ${config.maxJsonDepth} levels.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        header: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      schemas: { Error: ERROR, AnthropicError: ANTHROPIC_ERROR },
    },
    // Servers without keys ask for none.
    security: [{}, { bearer: [] }, { header: [] }],
  }
}

function operation(route: Route, config: ServerConfig): object {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  const body = route.request?.(config)
  return {
    summary: route.about,
    operationId: `${route.method}${route.path.replace(/\W+(\w)?/g, (_, letter: string = '') => letter.toUpperCase())}`,
    ...(names.length > 0 && {
      parameters: names.map((name) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
    }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: shown(body) } } },
    }),
    responses: { 200: success(route), ...failures(route) },
  }
}

function success({ isAnthropic, request, responses }: Route): object {
  const { json, event, failure, text } = responses
  const last = failure ? shown(failure) : errorOf(isAnthropic)
  return {
    description: 'The answer',
    ...(request && { headers: { [NOTE_HEADER]: NOTE } }),
    content: {
      ...(json && { 'application/json': { schema: shown(json) } }),
      // Each event's data has this schema; OpenAI's streams end with the text [DONE].
      ...(event && { 'text/event-stream': { schema: { anyOf: [shown(event), last] } } }),
      ...(text !== undefined && { [text]: { schema: { type: 'string' } } }),
    },
  }
}

const NOTE = {
  description: 'Pictures of the request whose orientation (Exif, XMP) the model does not see.',
  schema: { type: 'string' },
}

function failures({ isAnthropic, responses }: Route): object {
  const { unready } = responses
  return Object.fromEntries(
    Object.entries(FAILURES).map(([status, description]) => {
      const schema = status === '503' && unready ? shown(unready) : errorOf(isAnthropic)
      return [status, { description, content: { 'application/json': { schema } } }]
    }),
  )
}

function errorOf(isAnthropic = false): object {
  return { $ref: `#/components/schemas/${isAnthropic ? 'AnthropicError' : 'Error'}` }
}

/** As clients may write it: a property that need not be there may be null. */
function shown(schema: JsonSchema): object {
  const { properties, items, anyOf, additionalProperties, ...other } = schema
  const { 'x-refused': refused, 'x-needs': needs, ...rest } = other
  const required = schema.required ?? []
  return {
    ...rest,
    ...(needs && { [needs.isOnly ? 'oneOf' : 'anyOf']: needs.oneOf.map(given) }),
    ...(items && { items: shown(items) }),
    ...(anyOf && { anyOf: anyOf.map(shown) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === 'object'
          ? shown(additionalProperties)
          : additionalProperties,
    }),
    ...((properties || refused) && {
      properties: {
        ...Object.fromEntries(
          Object.entries(properties ?? {}).map(([name, property]) => [
            name,
            required.includes(name) ? shown(property) : nullable(property),
          ]),
        ),
        ...(refused && neutralOf(refused)),
      },
    }),
  }
}

/** What is not supported may be there as long as it asks for nothing. */
function neutralOf(refused: NonNullable<JsonSchema['x-refused']>): object {
  return Object.fromEntries(
    Object.entries(refused).map(([name, { because, unless = [] }]) => [
      name,
      { enum: [null, ...unless], description: `Not supported: ${because}.` },
    ]),
  )
}

/** That a property is there: null is its absence. */
function given(name: string): object {
  return { required: [name], properties: { [name]: { not: { type: 'null' } } } }
}

function nullable(schema: JsonSchema): object {
  if (schema.anyOf) return shown({ ...schema, anyOf: [...schema.anyOf, { type: 'null' }] })
  if (schema.type === undefined && schema.const === undefined && !schema.enum) return shown(schema)
  if (schema.const !== undefined || schema.enum) return { anyOf: [shown(schema), { type: 'null' }] }
  const types = new Set<JsonType>([...[schema.type ?? []].flat(), 'null'])
  return shown({ ...schema, type: [...types] })
}
