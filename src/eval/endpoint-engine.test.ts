/** A model behind a server, asked as a benchmark asks. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Endpoint } from '../serve/remote/endpoint.ts'
import { EndpointEngine } from './endpoint-engine.ts'
import { patience, reply, status, withServer, type Handler } from '../../test/scripted-server.ts'

describe('an engine behind an endpoint', () => {
  // A PNG of one pixel, by its header: nobody here decodes what would follow.
  const pixel = new Uint8Array(
    Buffer.from('89504e470d0a1a0a0000000d494844520000000100000001080200000000000000', 'hex'),
  )
  const engineAt = (url: string, attempts = 2) => {
    const { sleep, now } = patience()
    const endpoint = new Endpoint({ url, sleep, now, attempts, apiKey: 'secret' })
    return new EndpointEngine({ endpoint, model: 'm', readPicture: async () => pixel, seed: 3 })
  }
  const ask = {
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'image' as const, image: 'a.png' },
          { type: 'text' as const, text: 'q' },
        ],
      },
    ],
    maxTokens: 8,
  }

  test('sends pictures as data, greedily, and reads text and usage', async () => {
    const check: Handler = (body, response, request) => {
      assert.deepEqual(body, {
        model: 'm',
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'image_url',
                image_url: {
                  url: `data:image/png;base64,${Buffer.from(pixel).toString('base64')}`,
                },
              },
              { type: 'text', text: 'q' },
            ],
          },
        ],
        max_tokens: 8,
        temperature: 0,
        seed: 3,
      })
      assert.equal(request.headers.authorization, 'Bearer secret')
      reply('yes')(body, response, request)
    }
    await withServer([check], async (url) => {
      const answer = await engineAt(url).answer(ask, undefined)
      assert.deepEqual(answer, {
        text: 'yes',
        finishReason: 'stop',
        promptTokens: 7,
        completionTokens: 2,
      })
    })
  })

  test('finds letters without their space, and leaves examples out until the prompt fits', async () => {
    const seen: string[] = []
    const legacy = (tokens: object): Handler => {
      return ({ prompt }, response) => {
        seen.push(String(prompt))
        const isLong = String(prompt).length > 4
        response.writeHead(isLong ? 400 : 200, { 'content-type': 'application/json' })
        response.end(
          JSON.stringify(
            isLong
              ? { error: { message: "This model's maximum context length is 4 tokens." } }
              : { choices: [{ logprobs: { top_logprobs: [tokens] } }] },
          ),
        )
      }
    }
    const request = {
      messages: [{ role: 'user' as const, content: '123456' }],
      maxTokens: 1,
      choices: [' A', ' B'],
      shorter: (dropped: number) => (dropped < 6 ? '123456'.slice(dropped) : null),
    }
    await withServer([legacy({ B: -0.5, A: -1.5, ' C': 0 })], async (url) => {
      const answer = await engineAt(url).answer(request, undefined)
      assert.deepEqual(seen, ['123456', '23456', '3456'])
      assert.deepEqual(answer, { text: ' B', finishReason: 'stop', margin: 1, droppedExamples: 2 })
      const long = await engineAt(url).answer({ ...request, shorter: () => null }, undefined)
      assert.match((long as { error: string }).error, /maximum context/)
    })
    await withServer([legacy({ ' A': -2, A: 0, ' B': -1 })], async (url) => {
      const answer = await engineAt(url).answer({ ...request, shorter: () => '12' }, undefined)
      assert.equal((answer as { text: string }).text, ' B')
    })
  })

  test('holds a server to the letters that are not among its likeliest tokens', async () => {
    const json = (response: Parameters<Handler>[1], value: object, code = 200) => {
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    const seen: unknown[] = []
    const answering =
      (hasTokens: boolean): Handler =>
      (body, response, { url }) => {
        if (url === '/tokenize')
          return hasTokens
            ? json(response, { tokens: [...String(body['prompt'])].map((c) => c.charCodeAt(0)) })
            : json(response, {}, 404)
        const { logit_bias: bias } = body
        seen.push(bias)
        const top = [{ the: -1 }]
        return json(response, {
          choices: [bias === undefined ? { logprobs: { top_logprobs: top } } : { text: 'B' }],
        })
      }
    const request = {
      messages: [{ role: 'user' as const, content: 'Q' }],
      maxTokens: 1,
      choices: ['A', 'B'],
    }
    await withServer([answering(true)], async (url) => {
      const answer = await engineAt(url).answer(request, undefined)
      assert.deepEqual(answer, { text: 'B', finishReason: 'stop' })
      assert.deepEqual(seen, [undefined, { 65: 100, 66: 100 }])
    })
    await withServer([answering(false)], async (url) => {
      const answer = await engineAt(url).answer(request, undefined)
      assert.match((answer as { error: string }).error, /none of A, B is among/)
    })
  })

  test('gives an error for one question and answers for the others', async () => {
    const some: Handler = (body, response, request) =>
      JSON.stringify(body).includes('bad')
        ? status(400)(body, response, request)
        : reply('ok')(body, response, request)
    await withServer([some], async (url) => {
      const bad = { ...ask, messages: [{ role: 'user' as const, content: 'bad' }] }
      const engine = engineAt(url)
      const [first, second] = await Promise.all([
        engine.answer(bad, undefined),
        engine.answer(ask, undefined),
      ])
      assert.ok('error' in first! && /HTTP 400/.test(first.error))
      assert.ok('text' in second!)
    })
  })

  test('tells what is the fault of a question from what may be its own', async () => {
    const part = { type: 'video' as const, video: 'a.mp4', start: 0, end: 1 }
    const clip = { ...ask, messages: [{ role: 'user' as const, content: [part] }] }
    // What it is comes first, since a clip is asked about; it does not say.
    const script = [status(400), status(400), reply('ok'), status(400), status(401)]
    await withServer(script, async (url) => {
      const engine = engineAt(url)
      const faults: (boolean | null)[] = []
      for (const request of [clip, ask, ask, ask, ask]) {
        const answer = await engine.answer(request, undefined)
        faults.push('error' in answer ? answer.isOfQuestion === true : null)
      }
      // Before its first answer it may refuse everything; and a key that runs out is no question's fault.
      assert.deepEqual(faults, [true, false, null, true, false])
    })
  })

  test('a picture that cannot be read is an error of its question, and the server is not asked', async () => {
    // So many in a row were an engine that is gone: the benchmark could not be finished.
    const torn = [new Uint8Array(), new TextEncoder().encode('no picture')]
    await withServer([reply('yes')], async (url, calls) => {
      for (const bytes of torn) {
        const { sleep, now } = patience()
        const endpoint = new Endpoint({ url, sleep, now, attempts: 2 })
        const readPicture = async () => bytes
        const engine = new EndpointEngine({ endpoint, model: 'm', readPicture, seed: 3 })
        const answer = await engine.answer(ask, undefined)
        assert.ok('error' in answer && answer.isOfQuestion)
      }
      assert.equal(calls(), 0)
    })
  })

  test('says so where a reply holds no text', async () => {
    const odd: Handler = (_, response) => response.end('{"choices":[{"message":{"content":null}}]}')
    await withServer([odd], async (url) => {
      const answer = await engineAt(url).answer(ask, undefined)
      assert.ok('error' in answer && /choices/.test(answer.error))
    })
  })

  test('a reply without a text is an error of its question, with the reason that came', async () => {
    // Three in a row at batch 1 were an engine that is gone: the benchmark could not be finished.
    const silent =
      (reason: string, message: object): Handler =>
      (_, response) =>
        response.end(JSON.stringify({ choices: [{ finish_reason: reason, message }] }))
    const script = [
      silent('content_filter', { content: null, refusal: "I can't help with that." }),
      silent('length', { content: null, reasoning_content: 'Let me see' }),
      silent('stop', { content: '', refusal: 'No.' }),
      silent('stop', { content: '' }),
      silent('stop', { content: [] }),
    ]
    await withServer(script, async (url) => {
      const engine = engineAt(url)
      const answers = []
      for (const _ of script) answers.push(await engine.answer(ask, undefined))
      const [refusal, cut, empty, nothing, broken] = answers
      for (const [answer, says] of [
        [refusal, /content_filter.*I can't help/],
        [cut, /"length".*longer/],
        [empty, /No\./],
      ] as const) {
        assert.ok(answer && 'error' in answer && answer.isOfQuestion)
        assert.match(answer.error, says)
      }
      assert.ok(nothing && 'text' in nothing && nothing.text === '')
      assert.ok(broken && 'error' in broken && broken.isOfQuestion !== true)
    })
  })

  test('a server that wants the limit by its newer name gets it so, from then on', async () => {
    const seen: string[][] = []
    const newer: Handler = (body, response, request) => {
      seen.push(Object.keys(body).filter((name) => name.startsWith('max_')))
      if (!('max_tokens' in body)) return reply('ok')(body, response, request)
      const message =
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
      response.writeHead(400).end(JSON.stringify({ error: { message } }))
    }
    await withServer([newer], async (url) => {
      const engine = engineAt(url)
      for (const _ of [1, 2]) assert.ok('text' in (await engine.answer(ask, undefined)))
      const own = 'max_completion_tokens'
      assert.deepEqual(seen, [['max_tokens'], [own], [own]])
    })
    // One that refuses both is asked twice and no more.
    const neither: Handler = (_, response) =>
      response.writeHead(400).end('{"error":"max_completion_tokens is too large"}')
    await withServer([neither], async (url, calls) => {
      assert.ok('error' in (await engineAt(url).answer(ask, undefined)))
      assert.equal(calls(), 2)
    })
  })

  test('a server that takes no temperature gets none, from then on, and the answers say so', async () => {
    const seen: boolean[] = []
    const reasoning: Handler = (body, response, request) => {
      seen.push('temperature' in body)
      if (!('temperature' in body)) return reply('ok')(body, response, request)
      const message =
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
      response.writeHead(400).end(JSON.stringify({ error: { message } }))
    }
    await withServer([reasoning], async (url) => {
      const engine = engineAt(url)
      for (const _ of [1, 2]) {
        const answer = await engine.answer(ask, undefined)
        assert.ok('text' in answer && answer.isOwnTemperature === true)
      }
      assert.deepEqual(seen, [true, false, false])
    })
  })

  test('asks for five likeliest tokens where twenty are too many', async () => {
    const seen: unknown[] = []
    const five: Handler = (body, response) => {
      seen.push(body['logprobs'])
      if (Number(body['logprobs']) > 5) {
        response.writeHead(400).end('{"error":{"message":"Invalid value for logprobs: at most 5"}}')
      } else {
        const top = [{ ' B': -0.5, ' A': -1.5 }]
        response.end(JSON.stringify({ choices: [{ logprobs: { top_logprobs: top } }] }))
      }
    }
    const request = {
      messages: [{ role: 'user' as const, content: 'Q' }],
      maxTokens: 1,
      choices: [' A', ' B'],
    }
    await withServer([five], async (url) => {
      const engine = engineAt(url)
      for (const _ of [1, 2]) {
        const answer = await engine.answer(request, undefined)
        assert.deepEqual(answer, { text: ' B', finishReason: 'stop', margin: 1 })
      }
      assert.deepEqual(seen, [20, 5, 5])
    })
  })

  test('takes the likeliest of the choices from the listed log-probabilities', async () => {
    const top: Handler = (body, response) => {
      assert.deepEqual(
        [body['prompt'], body['max_tokens'], body['logprobs']],
        ['Q\nAnswer:', 1, 20],
      )
      response.end(
        JSON.stringify({
          choices: [{ logprobs: { top_logprobs: [{ ' B': -0.5, ' A': -1.5, the: -0.1 }] } }],
        }),
      )
    }
    await withServer([top], async (url) => {
      const request = {
        messages: [{ role: 'user' as const, content: 'Q\nAnswer:' }],
        maxTokens: 1,
        choices: [' A', ' B', ' C'],
      }
      const answer = await engineAt(url).answer(request, undefined)
      assert.deepEqual(answer, { text: ' B', finishReason: 'stop', margin: 1 })
    })
  })
})
