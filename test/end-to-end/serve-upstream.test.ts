/** A server in front of others: what a client sees is what it sees of our own engine, whatever happens to the workers. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { loadPromptSide, type LoadedPromptSide } from '../../src/load-prompt-side.ts'
import { PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'
import { PATIENT, startFront, startWire, type Front, type Wire } from './upstream-setup.ts'

const FOLDER = 'fixtures/inference/mini-vit-crop'

const ask = (text: string, more: object = {}) => ({
  messages: [{ role: 'user', content: text }],
  max_tokens: 8,
  ...more,
})
const WITH_PICTURE = {
  messages: [
    { role: 'system', content: 'You are terse.' },
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: PICTURE_URL } },
        { type: 'text', text: 'What is on the table?' },
      ],
    },
  ],
  max_tokens: 8,
}

let models: Model[]
let side: LoadedPromptSide
let workers: TestServer[]
let wires: Wire[]
before(async () => {
  models = await Promise.all([1, 2].map(() => loadModel(FOLDER, { precision: 'f32' })))
  side = await loadPromptSide(FOLDER)
  workers = await Promise.all(models.map((model) => startServer({ model, listen: PATIENT })))
  wires = await Promise.all(workers.map(({ port }) => startWire(port)))
})
after(async () => {
  await Promise.all(wires.map((wire) => wire.close()))
  await Promise.all(workers.map((worker) => worker.close()))
  await Promise.all([...models, side].map((one) => one.dispose()))
})

const urls = () => wires.map(({ url }) => url)

/** Without what no two answers have in common: ids, times, and what was cached. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const differs = ['id', 'created', 'created_at', 'completed_at', 'item_id', 'e2e_latency']
  const cached = ['cached_tokens', 'cache_write_tokens', 'cache_read_input_tokens', 'input_tokens']
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !differs.includes(name) && !cached.includes(name))
      .map(([name, one]) => [name, plain(one)]),
  )
}

async function events(server: TestServer, path: string, body: object): Promise<unknown[]> {
  const response = await server.fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  })
  assert.equal(response.status, 200)
  const text = await response.text()
  const data = text.split('\n\n').flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? [])
  return data.map((one): unknown => (one === '[DONE]' ? one : JSON.parse(one)))
}

const ASKED: readonly (readonly [string, object])[] = [
  ['/v1/chat/completions', WITH_PICTURE],
  ['/v1/chat/completions', ask('Hello', { logprobs: true, top_logprobs: 3 })],
  ['/v1/chat/completions', ask('Hello', { n: 3, temperature: 1, seed: 7, top_k: 20, top_p: 0.9 })],
  ['/v1/chat/completions', ask('Hello', { choice: ['left', 'right'], max_tokens: 20 })],
  ['/v1/chat/completions', ask('Hello', { regex: '[0-9]{3}', max_tokens: 20 })],
  [
    '/v1/chat/completions',
    ask('Hello', { repetition_penalty: 1.4, logit_bias: { 5: 4 }, frequency_penalty: 1 }),
  ],
  ['/v1/completions', { prompt: ['Once', 'Twice'], max_tokens: 6, logprobs: 2 }],
  ['/v1/completions', { prompt: [5, 6, 7], max_tokens: 6 }],
  ['/v1/responses', { input: 'Hello', max_output_tokens: 6 }],
  ['/v1/messages', ask('Hello')],
  [
    '/generate',
    {
      text: '<image> What is it?',
      image_data: PICTURE_URL,
      return_logprob: true,
      sampling_params: { max_new_tokens: 5 },
    },
  ],
]

for (const knows of [true, false]) {
  describe(`in front, ${knows ? 'with the checkpoint' : 'knowing only the workers'}`, () => {
    let front: Front
    before(async () => {
      front = await startFront(urls(), knows ? { side, id: 'tiny' } : {})
    })
    after(() => front.close())

    test('answers are those of our own engine, field by field', async () => {
      const [own] = workers as [TestServer]
      for (const [path, body] of ASKED) {
        const [here, there] = [await front.post(path, body), await own.post(path, body)]
        assert.equal(here.status, 200, JSON.stringify(here.body))
        assert.deepEqual(plain(here.body), plain(there.body), `${path} ${JSON.stringify(body)}`)
      }
    })

    test('so are streams, texts and ends and counts', async () => {
      const [own] = workers as [TestServer]
      for (const [path, body] of ASKED) {
        // One of each form: the others differ in what is sent, which is the same for streams.
        const isSame = ['n', 'regex', 'repetition_penalty', 'prompt'].some((name) => name in body)
        if (isSame) continue
        const asked = path.endsWith('completions')
          ? { ...body, stream_options: { include_usage: true } }
          : body
        const [here, there] = [await events(front, path, asked), await events(own, path, asked)]
        assert.deepEqual(plain(here), plain(there), `${path} ${JSON.stringify(body)}`)
      }
    })

    if (knows) {
      test('a prompt that is too long is so by as many tokens as our own engine says', async () => {
        const long = ask('word '.repeat(9000))
        const said = await Promise.all(
          [front, workers[0]!].map(async (at) => {
            const { body } = await at.post('/v1/chat/completions', long)
            return /it has .* the context of \d+;/.exec(body.error.message)?.[0]
          }),
        )
        assert.ok(said[0])
        assert.equal(said[0], said[1])
      })
    }

    test('what is refused is refused with the same status and code', async () => {
      const [own] = workers as [TestServer]
      const bad: readonly (readonly [string, object])[] = [
        ['/v1/chat/completions', ask('word '.repeat(5000))],
        ['/v1/chat/completions', ask('Hello', { temperature: 9 })],
        ['/v1/chat/completions', ask('Hello', { model: 'other' })],
        ['/v1/chat/completions', ask('Hello', { json_schema: { type: 'object', not: {} } })],
        ['/v1/chat/completions', ask('Hello', { model_name: 1 })],
        [
          '/v1/chat/completions',
          {
            messages: [
              {
                role: 'user',
                content: [
                  { type: 'image_url', image_url: { url: 'data:image/png;base64,aGVsbG8=' } },
                ],
              },
            ],
          },
        ],
        ['/generate', { text: '<image> two', image_data: [PICTURE_URL, PICTURE_URL] }],
      ]
      for (const [path, body] of bad) {
        const [here, there] = [await front.post(path, body), await own.post(path, body)]
        assert.equal(here.status, there.status, JSON.stringify([here.body, there.body]))
        assert.equal(here.body.error.code, there.body.error.code, JSON.stringify(here.body))
      }
    })

    test('tokens of texts and conversations are counted the same', async () => {
      const [own] = workers as [TestServer]
      const counted: readonly (readonly [string, object])[] = [
        ['/tokenize', { prompt: 'Hello there' }],
        ['/tokenize', { messages: WITH_PICTURE.messages }],
        ['/detokenize', { tokens: [5, 6, 7] }],
        ['/v1/messages/count_tokens', { messages: ask('Hello').messages }],
      ]
      for (const [path, body] of counted) {
        const [here, there] = [await front.post(path, body), await own.post(path, body)]
        assert.deepEqual(here, { ...there, headers: here.headers })
      }
      const models = await (await front.fetch(`${front.url}/v1/models`)).json()
      assert.deepEqual(plain(models), plain(await (await own.fetch(`${own.url}/v1/models`)).json()))
    })

    test('no prompt was rendered otherwise by a worker', () => {
      const stats = front.upstreams.models[0]!.workers!()
      assert.deepEqual(
        stats.map(({ mismatches }) => mismatches),
        [0, 0],
      )
    })
  })
}
