/** What a worker says of its failure: who hears its words, its time to come back, and that it wants another key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModel } from '../../src/index.ts'
import { SERVER_DEFAULTS } from '../../src/serve/http/server-config.ts'
import { withServer, type Handler } from '../scripted-server.ts'
import { startServer } from './serve-setup.ts'
import { PATIENT, startFront } from './upstream-setup.ts'

const ASKED = { messages: [{ role: 'user', content: 'SECRET' }], max_tokens: 5 }

/** Lists a model, and fails at everything else. */
const failing =
  (status: number, headers: Record<string, string> = {}): Handler =>
  (body, response, { url }) => {
    if (url === '/v1/models') return response.end('{"data":[{"id":"m","owned_by":"vllm"}]}')
    const error = { message: `boom ${JSON.stringify(body)}`, code: status }
    return response.writeHead(status, headers).end(JSON.stringify({ error }))
  }

test('its words, which may quote the prompt, are in the log only where prompts are', async () => {
  await withServer([failing(500)], async (url) => {
    for (const logPrompts of [false, true]) {
      const front = await startFront([url], { logPrompts })
      const { status, body } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([status, body.error.code], [503, 'CAPACITY_UPSTREAM'])
      const failed = front.logged.find(({ event }) => event === 'worker-failed')
      assert.equal(failed?.['why'], 'HTTP 500')
      assert.equal(JSON.stringify(front.logged).includes('SECRET'), logPrompts)
      await front.close()
    }
  })
})

test('the time after which it may be asked again is passed on', async () => {
  for (const status of [429, 503]) {
    await withServer([failing(status, { 'retry-after': '37' })], async (url) => {
      const front = await startFront([url])
      const { status: told, headers } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([told, headers.get('retry-after')], [503, '37'])
      await front.close()
    })
  }
})

/** What a worker of ours means by a code of capacity, as its front tells it. */
const MEANT = [
  ['CAPACITY_STOPPING', 'CAPACITY_UPSTREAM', /the worker that was asked stops and gave no whole/],
  ['CAPACITY_TIME', 'CAPACITY_UPSTREAM', /no worker gave a whole answer/],
  ['CAPACITY_QUEUE', 'CAPACITY_QUEUE', /all workers are busy/],
  ['CAPACITY_DISK', 'CAPACITY_DISK', /could store the clip/],
] as const

test('a question that a worker has no room for is told by what the worker means', async () => {
  // One that stopped was told to have begun an answer, one whose disk is full as any that fails.
  for (const [code, told, message] of MEANT) {
    const full: Handler = (_, response, { url }) => {
      if (url === '/v1/models') {
        return response.end('{"data":[{"id":"m","owned_by":"llava-ts"}]}')
      }
      return response.writeHead(503).end(JSON.stringify({ error: { code, message: 'no' } }))
    }
    await withServer([full], async (url) => {
      const front = await startFront([url])
      const { status, body } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([status, body.error.code], [503, told])
      assert.match(body.error.message, message)
      await front.close()
    })
  }
})

test('an answer that its worker cuts is told by what the worker means, in a stream and whole', async () => {
  // One that stopped, or took too long, was told as all workers being busy.
  for (const [code, told, message] of MEANT) {
    const cut: Handler = (_, response, { url }) => {
      if (url === '/v1/models') {
        return response.end('{"data":[{"id":"m","owned_by":"llava-ts"}]}')
      }
      const word = { choices: [{ index: 0, delta: { content: 'A' }, finish_reason: null }] }
      response.write(`data: ${JSON.stringify(word)}\n\n`)
      return response.end(`data: ${JSON.stringify({ error: { code, message: 'no' } })}\n\n`)
    }
    await withServer([cut], async (url) => {
      const front = await startFront([url])
      const { status, body } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([status, body.error.code], [503, told])
      assert.match(body.error.message, message)
      const response = await front.fetch(`${front.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...ASKED, stream: true }),
      })
      assert.match(await response.text(), new RegExp(`"content":"A"[^]*"code":"${told}"`))
      await front.close()
    })
  }
})

test('a key that it refuses is told as that, and not as a worker that is not there', async () => {
  const locked: Handler = (_, response) => response.writeHead(401).end('{}')
  await withServer([locked], async (url) => {
    await assert.rejects(startFront([url]), /\(401\)\); give the key that it wants with --upstream/)
  })
})

/** More parts than the worker takes. */
const MANY = Array.from({ length: 7 }, (_, i) => ({
  role: i % 2 === 0 ? 'user' : 'assistant',
  content: 'Hi',
}))
/** Forms that no model can be held to, in all words that there are for them. */
const FORMS: readonly (readonly [field: string, value: unknown])[] = [
  ['structured_outputs', { grammar: 'root ::= nope' }],
  ['guided_grammar', 'root ::= nope'],
  ['ebnf', 'root ::= nope'],
]

test('what a worker of ours refuses is told by the fields of the request, as it tells them itself', async () => {
  // They were those of the front's own request to it: max_tokens for max_output_tokens, input_ids for prompt.
  const model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  const app = { config: { ...SERVER_DEFAULTS, maxTokens: 6, maxParts: 6 } }
  const worker = await startServer({ model, app, listen: PATIENT })
  const front = await startFront([worker.url])
  const messages = [{ role: 'user', content: 'Hi' }]
  const clip = { type: 'video_url', video_url: { url: 'data:image/gif;base64,R0lGODlhLCBjdXQ=' } }
  const cases: readonly [path: string, body: object, param: string | null][] = [
    ['/v1/responses', { input: 'Hi', max_output_tokens: 10 }, 'max_output_tokens'],
    ['/v1/completions', { prompt: 'Hi', max_tokens: 10 }, 'max_tokens'],
    ['/v1/chat/completions', { messages, max_tokens: 10 }, 'max_tokens'],
    ['/v1/chat/completions', { messages, max_completion_tokens: 10 }, 'max_completion_tokens'],
    ['/v1/messages', { messages, max_tokens: 10 }, null],
    [
      '/generate',
      { text: 'Hi', sampling_params: { max_new_tokens: 10 } },
      'sampling_params.max_new_tokens',
    ],
    ['/v1/completions', { prompt: [5, 999_999], max_tokens: 2 }, 'prompt'],
    ['/v1/completions', { prompt: [[5], [999_999]], max_tokens: 2 }, 'prompt[1]'],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, clip] }] },
      'messages[0].content[1].video_url',
    ],
    ['/v1/chat/completions', { messages: MANY, max_tokens: 2 }, 'messages'],
    ['/v1/responses', { input: MANY, max_output_tokens: 2 }, 'input'],
    ...FORMS.flatMap(([field, value]): [string, object, string][] => [
      ['/v1/chat/completions', { messages, max_tokens: 2, [field]: value }, field],
      ['/v1/completions', { prompt: 'Hi', max_tokens: 2, [field]: value }, field],
    ]),
    [
      '/generate',
      { text: 'Hi', sampling_params: { max_new_tokens: 2, ebnf: 'root ::= nope' } },
      'sampling_params.ebnf',
    ],
    [
      '/generate',
      {
        text: ['Hi', 'Hi'],
        sampling_params: ['root ::= "a"', 'root ::= nope'].map((ebnf) => ({
          max_new_tokens: 2,
          ebnf,
        })),
      },
      'sampling_params[1].ebnf',
    ],
  ]
  try {
    for (const [path, body, param] of cases) {
      let said = ''
      for (const one of [worker, front]) {
        const { status, body: told } = await one.post(path, body)
        assert.equal(status, 400, path)
        const { message } = told.error
        if (one === worker) said = message
        else if (/_(?:MESSAGES|FORMAT)$/.test(told.error.code)) assert.equal(message, said, path)
        assert.equal(told.error.param ?? null, param, `${path}: ${message}`)
        assert.doesNotMatch(message, /input_ids|image_data|video_data/)
        if (param !== null || one === worker) continue
        assert.match(message, /^model: max_tokens should be a whole number from 1 up to 6 /)
      }
    }
  } finally {
    await front.close()
    await worker.close()
    await model.dispose()
  }
})
