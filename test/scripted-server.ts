/** A real server that plays an OpenAI-compatible one from a script, and a clock that passes by being slept through. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Handler = (
  body: Record<string, unknown>,
  response: ServerResponse,
  request: IncomingMessage,
) => void

/** The calls are answered by the handlers in turn, and by the last one from then on. */
export async function withServer(
  handlers: readonly Handler[],
  use: (url: string, calls: () => number) => Promise<void>,
): Promise<void> {
  let calls = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const handler = handlers[Math.min(calls++, handlers.length - 1)]!
    const body = Buffer.concat(chunks).toString()
    handler(JSON.parse(body || '{}') as Record<string, unknown>, response, request)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  try {
    await use(url, () => calls)
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
}

export const reply =
  (content: string): Handler =>
  (_, response) =>
    response.end(
      JSON.stringify({
        choices: [{ message: { content }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 7, completion_tokens: 2 },
      }),
    )
export const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(code, headers).end('{"error":"no"}')

/** Time that passes by being slept through. */
export function patience() {
  const slept: number[] = []
  let now = 1000
  const sleep = async (ms: number) => {
    slept.push(ms)
    now += ms
  }
  return { slept, sleep, now: () => now }
}
