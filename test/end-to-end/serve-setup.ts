/** A real server on a free port of this machine, and a fetch that holds every response against the server's own document. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import {
  createApp,
  serveModel,
  type AppOptions,
  type LocalModel,
} from '../../src/serve/http/index.ts'
import { listen, type ListenOptions } from '../../src/serve/http-node.ts'

export const PICTURE = new Uint8Array(readFileSync('fixtures/pictures/photo-640x480.jpg'))
export const PICTURE_URL = `data:image/jpeg;base64,${Buffer.from(PICTURE).toString('base64')}`

/** Asks to be shown turned. */
export const TURNED_URL = `data:image/jpeg;base64,${readFileSync('fixtures/pictures/exif-rotated-320x240.jpg', 'base64')}`

export type TestServer = {
  readonly url: string
  readonly port: number
  readonly id: string
  /** As the platform's, and throws where a response is not what `/openapi.json` says. */
  readonly fetch: typeof fetch
  /** A POST of JSON, with its status and parsed answer. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Posted>
  close(): Promise<void>
}

export type Posted = {
  readonly status: number
  readonly headers: Headers
  // eslint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export async function startServer({
  model,
  id = 'tiny',
  app: options = {},
  listen: place = {},
}: {
  readonly model: LocalModel
  readonly id?: string
  readonly app?: Partial<AppOptions>
  readonly listen?: Partial<ListenOptions>
}): Promise<TestServer> {
  const app = createApp({ models: [serveModel(model, id, Date.now())], ...options })
  const server = await listen(app, { host: '127.0.0.1', port: 0, ...place })
  const document = await app.fetch(new Request('http://localhost/openapi.json'))
  const checked = document.ok ? checkedFetch((await document.json()) as OpenApi) : fetch
  return {
    url: server.url,
    port: server.port,
    id,
    fetch: checked,
    close: () => server.close(),
    async post(path, body, headers = {}) {
      const response = await checked(`${server.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, body: await response.json() }
    },
  }
}

type Media = Readonly<Record<string, { readonly schema: object }>>
type OpenApi = {
  readonly paths: Readonly<
    Record<
      string,
      Record<
        string,
        {
          readonly requestBody?: { readonly content: Media }
          readonly responses: Record<string, { content: Media }>
        }
      >
    >
  >
  readonly components: object
}

const ajv = new Ajv2020({ strict: false, allErrors: true })
/** By the text of schema and components: compiling takes longer than all the rest, and servers have the same documents. */
const compiled = new Map<string, ValidateFunction>()

/** Which schema a response has, by path, method, status and type. */
function checkedFetch(document: OpenApi): typeof fetch {
  const { components } = document
  const componentsText = JSON.stringify(components)
  const own = new Map<object, ValidateFunction>()
  const validatorOf = (schema: object) => {
    const known = own.get(schema)
    if (known) return known
    const key = JSON.stringify(schema) + componentsText
    const isValid = compiled.get(key) ?? ajv.compile({ ...schema, components })
    compiled.set(key, isValid)
    own.set(schema, isValid)
    return isValid
  }
  const check = (where: string, schema: object, value: unknown) => {
    const isValid = validatorOf(schema)
    if (isValid(value)) return
    assert.fail(`${where}: ${ajv.errorsText(isValid.errors)} in ${JSON.stringify(value)}`)
  }
  return async (input, init) => {
    const response = await fetch(input, init)
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const method = (init?.method ?? 'GET').toLowerCase()
    const path = Object.keys(document.paths).find((one) =>
      new RegExp(`^${one.replace(/\{\w+\}/g, '.+')}$`).test(pathname),
    )
    const operation = path === undefined ? undefined : document.paths[path]?.[method]
    if (!operation) return response
    const where = `${method} ${pathname} ${response.status}`
    const asked = operation.requestBody?.content['application/json']?.schema
    if (response.ok && asked && typeof init?.body === 'string') {
      // What is answered is what the document allows.
      check(`${where}, the request`, asked, JSON.parse(init.body))
    }
    const content = operation.responses[response.status]?.content
    const [type] = (response.headers.get('content-type') ?? '').split(';')
    const schema = content?.[type ?? '']?.schema
    assert.ok(schema, `${where} ${type} is not in the document`)
    if (type === 'application/json') check(where, schema, await response.clone().json())
    if (type !== 'text/event-stream') return response
    return new Response(
      response.body?.pipeThrough(eventCheck((data) => check(where, schema, data))),
      {
        status: response.status,
        headers: response.headers,
      },
    )
  }
}

/** Looks at each event that is not the end, and lets everything through. */
function eventCheck(check: (data: unknown) => void): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder()
  let text = ''
  return new TransformStream({
    transform(chunk, controller) {
      text += decoder.decode(chunk, { stream: true })
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1]
        // A comment says only that the stream lives.
        if (data === undefined) continue
        if (data !== '[DONE]') check(JSON.parse(data))
      }
      controller.enqueue(chunk)
    },
  })
}
