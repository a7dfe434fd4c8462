/** A real server plays the protocol: busy, broken, gone, and well. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { CapacityError, InputError } from '../../core/errors.ts'
import { Endpoint } from './endpoint.ts'
import { retryAfterMs } from './patience.ts'
import { patience, reply, status, withServer, type Handler } from '../../../test/scripted-server.ts'

describe('an endpoint', () => {
  test('that is busy is asked again when it says, or later and later', async () => {
    const handlers = [status(429, { 'retry-after': '2' }), status(503), status(500), reply('well')]
    await withServer(handlers, async (url, calls) => {
      const { slept, ...clock } = patience()
      const endpoint = new Endpoint({ url, ...clock })
      await endpoint.post('/chat/completions', {})
      assert.deepEqual(slept, [2000, 1000, 2000])
      assert.equal(calls(), 4)
    })
  })

  test('that says nothing of how long is asked again later and later, not at once', async () => {
    const over = new Date(0).toUTCString()
    const handlers = [
      status(429, { 'retry-after': '0' }),
      status(503, { 'retry-after': over }),
      reply('well'),
    ]
    await withServer(handlers, async (url) => {
      const { slept, ...clock } = patience()
      await new Endpoint({ url, ...clock, now: () => Date.parse('2026-01-01') + clock.now() }).post(
        '/x',
        {},
      )
      assert.deepEqual(slept, [500, 1000])
    })
  })

  test('that answers some while it tells others to wait is waited for by all', async () => {
    // Four at once, of which one was let in each time: whoever lost six times ended the run.
    let open = 0
    const narrow: Handler = (body, response, request) =>
      (open++ % 4 === 0 ? reply('well') : status(429, { 'retry-after': '1' }))(
        body,
        response,
        request,
      )
    await withServer([narrow], async (url) => {
      const { sleep, now } = patience()
      const endpoint = new Endpoint({ url, sleep, now, attempts: 4 })
      const work = async () => {
        for (let i = 0; i < 10; i++) await endpoint.post('/x', {})
      }
      await Promise.all([work(), work(), work(), work()])
    })
  })

  test('that streams unasked, or lets nobody in, is told from one that refuses a request', async () => {
    const stream: Handler = (_, response) =>
      response.end('data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n')
    for (const [handler, code] of [
      [stream, 'INPUT_ENDPOINT_STREAM'],
      [status(404), 'INPUT_ENDPOINT_ACCESS'],
      [status(422), 'INPUT_ENDPOINT_REFUSED'],
    ] as const) {
      await withServer([handler], async (url, calls) => {
        await assert.rejects(new Endpoint({ url }).post('/x', {}), { code })
        assert.equal(calls(), 1)
      })
    }
  })

  test('that refuses a request in our own words keeps its code', async () => {
    const reply = (body: string): Handler => {
      return (_, response) => response.writeHead(400).end(body)
    }
    for (const [body, serverCode] of [
      [
        '{"error":{"message":"m","param":null,"code":"INPUT_IMAGE_UNREADABLE"}}',
        'INPUT_IMAGE_UNREADABLE',
      ],
      ['{"error":{"message":"m","code":"context_length_exceeded"}}', null],
      ['no JSON', null],
    ] as const) {
      await withServer([reply(body)], async (url) => {
        const asked = new Endpoint({ url }).post('/x', {})
        await assert.rejects(asked, { code: 'INPUT_ENDPOINT_REFUSED', serverCode })
      })
    }
  })

  test('that is busy to the end is told to be asked later, one that fails to be looked after', async () => {
    const options = { ...patience(), attempts: 3 }
    for (const busy of [429, 503]) {
      await withServer([status(busy)], async (url) => {
        await assert.rejects(new Endpoint({ url, ...options }).post('/x', {}), {
          code: 'CAPACITY_ENDPOINT',
          message: new RegExp(`3 attempts failed \\(HTTP ${busy}.*; it is busy: run .* later`),
        })
      })
    }
    await withServer([status(429), status(429), status(500)], async (url) => {
      const asked = new Endpoint({ url, ...options }).post('/x', {})
      await assert.rejects(asked, {
        message: /HTTP 500.*; it is running and fails at this request: its log says why\.$/,
      })
    })
  })

  test('of ours that stops, is full, or has no worker is told as that, not as busy', async () => {
    // A front without workers was told to be busy.
    const options = { ...patience(), attempts: 2 }
    for (const [code, advice] of [
      ['CAPACITY_UPSTREAM', /none of its workers answers: start them, its log says why\.$/],
      ['CAPACITY_STOPPING', /it stops: start it again, then run the same command later/],
      ['CAPACITY_DISK', /its disk is full: make room there\.$/],
      ['CAPACITY_MEMORY', /it is running and fails at this request: its log says why\.$/],
      ['CAPACITY_QUEUE', /it is busy: run the same command later/],
    ] as const) {
      const told: Handler = (_, response) =>
        response.writeHead(503).end(JSON.stringify({ error: { message: 'no', code } }))
      await withServer([told], async (url) => {
        await assert.rejects(new Endpoint({ url, ...options }).post('/x', {}), { message: advice })
      })
    }
  })

  test('fails by errors of the names that programs know', async () => {
    // They were those of classes that the package does not export.
    for (const [code, name] of [
      [500, 'CapacityError'],
      [422, 'InputError'],
    ] as const) {
      await withServer([status(code)], async (url) => {
        const options = { ...patience(), attempts: 1 }
        await assert.rejects(new Endpoint({ url, ...options }).post('/x', {}), { name })
      })
    }
  })

  test('that cannot be reached is given up with the reason', async () => {
    const { sleep, now } = patience()
    const endpoint = new Endpoint({ url: 'http://127.0.0.1:9/v1', sleep, now, attempts: 3 })
    await assert.rejects(endpoint.post('/chat/completions', {}), (error: Error) => {
      assert.ok(error instanceof CapacityError)
      assert.match(error.message, /3 attempts failed.*; is it running\?$/)
      return true
    })
    assert.equal(endpoint.calls, 3)
  })

  test('that takes a question and never answers is given up after its time, and told as that', async () => {
    const { sleep, now } = patience()
    await withServer([() => {}], async (url) => {
      const endpoint = new Endpoint({ url, sleep, now, attempts: 2, timeoutMs: 20 })
      await assert.rejects(endpoint.post('/chat/completions', {}), /no answer within 0\.02 s/)
      assert.equal(endpoint.calls, 2)
    })
  })

  test('that refuses is not asked again, and one that asks for hours is not waited for', async () => {
    await withServer([status(401)], async (url, calls) => {
      await assert.rejects(new Endpoint({ url }).post('/x', {}), InputError)
      assert.equal(calls(), 1)
    })
    await withServer([status(429, { 'retry-after': '7200' })], async (url) => {
      await assert.rejects(new Endpoint({ url }).post('/x', {}), { code: 'CAPACITY_ENDPOINT_BUSY' })
    })
  })

  test('that answers with something else than JSON is asked again', async () => {
    const cut: Handler = (_, response) => response.end('{"choices": [')
    await withServer([cut, reply('whole')], async (url) => {
      const { sleep, now } = patience()
      assert.ok(await new Endpoint({ url, sleep, now }).post('/x', {}))
    })
  })

  test('that is busy is waited for by many with one listener to their signal, and left by all when it aborts', async () => {
    // Each had a listener of its own: a run of sixteen questions warned of a leak whenever a server was busy.
    await withServer([status(503, { 'retry-after': '60' })], async (url, calls) => {
      const endpoint = new Endpoint({ url })
      const stop = new AbortController()
      const posts = Array.from({ length: 20 }, () =>
        endpoint.post('/x', {}, stop.signal).catch((error: unknown) => error),
      )
      while (getEventListeners(stop.signal, 'abort').length === 0 || calls() < 20) {
        await new Promise((done) => setTimeout(done, 5))
      }
      assert.equal(getEventListeners(stop.signal, 'abort').length, 1)
      const reason = new Error('enough')
      stop.abort(reason)
      assert.deepEqual(new Set(await Promise.all(posts)), new Set([reason]))
      assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
    })
  })

  test('may say when as a date', () => {
    assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 2000), 3000)
    assert.equal(retryAfterMs('soon', 0), null)
    assert.equal(retryAfterMs(null, 0), null)
  })

  test('may be named without /v1, which is found where nothing else is', async () => {
    // What serve --upstream and programs take was refused: "check address".
    for (const prefix of ['/v1', '']) {
      const paths: string[] = []
      const handler: Handler = (body, response, request) => {
        paths.push(request.url!)
        const isThere = request.url === `${prefix}/models` || request.url === `${prefix}/x`
        const answer = isThere ? reply('here') : status(404)
        answer(body, response, request)
      }
      await withServer([handler], async (url) => {
        const endpoint = new Endpoint({ url: url.replace(/v1$/, '') })
        await Promise.all([endpoint.get('/models'), endpoint.get('/models')])
        assert.ok(await endpoint.post('/x', {}))
        assert.equal(paths.at(-1), `${prefix}/x`)
        assert.equal(paths.length, prefix === '' ? 3 : 5)
        await assert.rejects(endpoint.post('/none', {}), { code: 'INPUT_ENDPOINT_ACCESS' })
        assert.ok(await endpoint.post('/x', {}))
      })
    }
  })

  test('has to be a URL', () => {
    assert.throws(() => new Endpoint({ url: 'ftp://x' }), { code: 'INPUT_ENDPOINT' })
  })
})
