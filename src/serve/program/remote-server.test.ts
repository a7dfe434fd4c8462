/** A real server plays the protocol: busy, broken, locked, and well. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { InputError } from '../../core/errors.ts'
import { patience, withServer, type Handler } from '../../../test/scripted-server.ts'
import { fork, gen, program, user } from './index.ts'
import { RemoteServer } from './remote-server.ts'

const NEVER = new AbortController().signal
const LIST = { object: 'list', data: [{ id: 'm', object: 'model', owned_by: 'vllm' }] }
const QUESTION = { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 5 } as const

type Play = (response: ServerResponse, call: number) => void

/** What the server does with the calls for answers, by their number from 0; its models it lists. */
function playing(play: Play, list: (response: ServerResponse) => void = listed): Handler {
  let calls = 0
  return (_, response, { url }) => (url === '/v1/models' ? list(response) : play(response, calls++))
}

const listed = (response: ServerResponse) => void response.end(JSON.stringify(LIST))

const refuse =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end('{"error":{"message":"its words","code":1}}')

const reset = (response: ServerResponse) => void response.destroy()

function event(response: ServerResponse, content: string, end: string | null): void {
  const choices = [{ index: 0, delta: { content }, finish_reason: end }]
  const usage = { prompt_tokens: 3, completion_tokens: 1 }
  response.write(`data: ${JSON.stringify({ choices, usage })}\n\n`)
}

function answer(response: ServerResponse): void {
  event(response, 'well', 'length')
  response.end('data: [DONE]\n\n')
}

describe('the server of a program', () => {
  test('is waited for while it is busy, as long as it says, and asked again where it fails at once', async () => {
    const plays = [
      refuse(429, { 'retry-after': '3' }),
      refuse(503),
      refuse(500),
      // A connection that was reset is made once more at once.
      reset,
      reset,
      answer,
    ]
    await withServer([playing((response, call) => plays[call]!(response))], async (url) => {
      const { slept, ...clock } = patience()
      const server = await RemoteServer.connect({ url }, NEVER, clock)
      assert.equal((await server.ask(QUESTION, () => {})).text, 'well')
      assert.deepEqual(slept, [3000, 1000, 2000, 4000])
    })
  })

  test('that fails for good is asked so many times, and its words are told', async () => {
    let calls = 0
    const handler = playing((response) => (calls++, refuse(500)(response)))
    await withServer([handler], async (url) => {
      const server = await RemoteServer.connect({ url }, NEVER, { ...patience(), attempts: 3 })
      await assert.rejects(
        server.ask(QUESTION, () => {}),
        {
          code: 'CAPACITY_ENDPOINT',
          message: /^program: http.* 3 attempts failed \(HTTP 500: its words\)/,
        },
      )
      assert.equal(calls, 3)
    })
  })

  test('that is a front without workers is told as that', async () => {
    // It was told to be running and to fail at this request.
    const error = { message: 'server: no worker can be reached.', code: 'CAPACITY_UPSTREAM' }
    const front = playing((response) => response.writeHead(503).end(JSON.stringify({ error })))
    await withServer([front], async (url) => {
      const server = await RemoteServer.connect({ url }, NEVER, { ...patience(), attempts: 2 })
      await assert.rejects(
        server.ask(QUESTION, () => {}),
        {
          name: 'CapacityError',
          message: /none of its workers answers: start them, its log says why\.$/,
        },
      )
    })
  })

  test('that refuses a request is told by an error of the library, with its code', async () => {
    // It was one that no program could name.
    await withServer([playing(refuse(400))], async (url, calls) => {
      const server = await RemoteServer.connect({ url }, NEVER, patience())
      await assert.rejects(
        server.ask(QUESTION, () => {}),
        (error) => {
          assert.ok(error instanceof InputError)
          assert.deepEqual([error.code, error.message], ['INPUT_UPSTREAM', 'model: its words'])
          return true
        },
      )
      assert.equal(calls(), 2)
    })
  })

  test('that lacks its model, listed or not, is told in its words', async () => {
    // Its models were asked for again by what had ended with the first contact: a bare AbortError came.
    const words = 'The model `m` does not exist.'
    for (const [owner, code, told] of [
      ['vllm', 404, ['INPUT_UPSTREAM', `model: ${words}`]],
      ['openai', null, ['INPUT_UPSTREAM', `model: ${words}`]],
      ['llava-ts', 'INPUT_MODEL', ['INPUT_MODEL', words]],
    ] as const) {
      for (const later of ['m', 'm2']) {
        const names = ['m']
        const handler: Handler = (_, response, { url }) => {
          if (url === '/v1/models') {
            const id = names.shift() ?? later
            return response.end(JSON.stringify({ data: [{ id, owned_by: owner }] }))
          }
          const error = { message: words, type: 'NotFoundError', param: 'model', code }
          return response.writeHead(404).end(JSON.stringify({ error }))
        }
        await withServer([handler], async (url) => {
          const asking = program(async (s) => {
            await s.add(user('Hi'))
            await s.add(gen('a', { maxTokens: 4 }))
          })
          await assert.rejects(asking.run({ url }), (error) => {
            assert.ok(error instanceof InputError, String(error))
            assert.deepEqual([error.code, error.message], told)
            return true
          })
        })
      }
    }
  })

  test('is not asked again once a word was heard', async () => {
    let calls = 0
    const handler = playing((response) => {
      calls++
      event(response, 'half', null)
      setImmediate(() => response.destroy())
    })
    await withServer([handler], async (url) => {
      const server = await RemoteServer.connect({ url }, NEVER, patience())
      const heard: string[] = []
      await assert.rejects(
        server.ask(QUESTION, (text) => heard.push(text)),
        /ended in the middle/,
      )
      assert.deepEqual([calls, heard], [1, ['half']])
    })
  })

  test('lets go at once when its program is stopped, while it waits too', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const handler = playing((response) => {
      refuse(429, { 'retry-after': '300' })(response)
      setImmediate(() => stop.abort(reason))
    })
    await withServer([handler], async (url) => {
      const server = await RemoteServer.connect({ url }, NEVER)
      await assert.rejects(
        server.ask({ ...QUESTION, signal: stop.signal }, () => {}),
        reason,
      )
    })
  })

  test('is met with the same patience; a key that it does not take is told as such', async () => {
    const plays = [refuse(503, { 'retry-after': '2' }), listed]
    const busy = playing(answer, (response) => plays.shift()!(response))
    await withServer([busy], async (url) => {
      const { slept, ...clock } = patience()
      await RemoteServer.connect({ url }, NEVER, clock)
      assert.deepEqual(slept, [2000])
    })
    // One that took the question and was silent ended the program at once, in the words of `serve --upstream`.
    const silent = playing(answer, () => {})
    await withServer([silent], async (url) => {
      const options = { ...patience(), attempts: 2, timeoutSeconds: 0.05 }
      await assert.rejects(RemoteServer.connect({ url }, NEVER, options), {
        code: 'CAPACITY_ENDPOINT',
        message: /^program: http.* 2 attempts failed \(no answer within 0\.05 s\)/,
      })
    })
    await withServer([playing(answer, refuse(401))], async (url) => {
      await assert.rejects(RemoteServer.connect({ url }, NEVER), {
        code: 'INPUT_ENDPOINT_ACCESS',
        message: /wants another key; give it as \{ url, apiKey \}/,
      })
    })
  })

  test('is told by url, model and apiKey; other names are refused', async () => {
    for (const [address, message] of [
      [{ url: 'http://127.0.0.1:1', key: 'k' }, /key is not a known name/],
      [{ url: 'localhost:8080' }, /url should be a URL like http:/],
      [{ url: 'http://127.0.0.1:1', model: 5 }, /model should be a text, 5 came/],
    ] as const) {
      await assert.rejects(RemoteServer.connect(address as never, NEVER), message)
    }
  })

  test('gets so many requests at a time, however wide a program branches', async () => {
    let [running, most] = [0, 0]
    const waiting: ServerResponse[] = []
    const release = () => {
      for (const response of waiting.splice(0)) {
        running--
        answer(response)
      }
    }
    const handler = playing((response) => {
      if (waiting.length === 0) setTimeout(release, 20)
      waiting.push(response)
      most = Math.max(most, ++running)
    })
    await withServer([handler], async (url) => {
      const wide = program(async (s) => {
        await s.add(user('Hello'))
        const branches = await fork(s, 200, (branch) => branch.add(gen('said', { maxTokens: 5 })))
        branches.join()
      })
      assert.equal((await wide.run({ url })).all('said').length, 200)
      assert.ok(most > 1 && most <= 64, String(most))
    })
  })
})
