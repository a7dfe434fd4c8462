/** How long an answer is to a request that does not say how long it may be, by each way to ask. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gen, loadModel, program, type EngineSource } from '../../src/index.ts'
import { loadPromptSide } from '../../src/load-prompt-side.ts'
import { SERVER_DEFAULTS } from '../../src/serve/http/index.ts'
import { llava } from './run-cli.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { PATIENT, startFront } from './upstream-setup.ts'

const FIXTURE = 'fixtures/inference/mini-vit-crop'
const TEXT = 'Tell me a story.'
const messages = [{ role: 'user', content: TEXT } as const]
/** Names an end that no answer has: how long answers are is up to the limit. */
const ENDLESS = { eos_token_id: [] }

const story = program(async (s) => {
  await s.user(TEXT)
  await s.assistant(gen('story'))
})

async function told(engine: EngineSource): Promise<string | undefined> {
  return (await story.run(engine)).get('story')
}

async function overHttp(server: TestServer): Promise<[string, string][]> {
  const post = async (path: string, body: object) => (await server.post(path, body)).body
  const chat = await post('/v1/chat/completions', { messages })
  const response = await post('/v1/responses', { input: TEXT })
  return [
    ['chat', chat.choices[0].message.content],
    ['responses', response.output[0].content[0].text],
  ]
}

async function rawOverHttp(server: TestServer): Promise<[string, string][]> {
  const completion = await server.post('/v1/completions', { prompt: TEXT })
  const generated = await server.post('/generate', { text: TEXT })
  return [
    ['completions', completion.body.choices[0].text],
    ['generate', generated.body.text],
  ]
}

/** What a server lets an answer have at most. */
const ALLOWED = 140

for (const [about, file, tokens, ofConversation] of [
  ['as the checkpoint says', { max_new_tokens: 5 }, 5, 5],
  ['128, or all that is allowed, where it says none', { max_length: 4096 }, 128, ALLOWED],
] as const) {
  test(`library, HTTP, workers, programs and terminal: ${about}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'llava-length-'))
    cpSync(FIXTURE, folder, { recursive: true })
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ ...ENDLESS, ...file }))
    const model = await loadModel(folder, { precision: 'f32' })
    const app = { config: { ...SERVER_DEFAULTS, maxTokens: ALLOWED } }
    const server = await startServer({ model, app, listen: PATIENT })
    const front = await startFront([server.url], { app })
    try {
      const answer = await model.generate({ messages })
      const raw = await model.generate({ prompt: TEXT })
      assert.deepEqual([answer.tokens.length, raw.tokens.length], [tokens, tokens])
      const { text } = await model.generate({ messages, maxTokens: ofConversation })
      for (const one of [server, front]) {
        for (const [way, its] of await overHttp(one)) assert.equal(its, text, way)
        for (const [way, its] of await rawOverHttp(one)) assert.equal(its, raw.text, way)
        assert.equal(await told({ url: one.url }), answer.text)
      }
      assert.equal(await told(model), answer.text)
      const asked = await llava(['ask', '--model', folder, '--precision', 'f32', '--json', TEXT])
      assert.equal((JSON.parse(asked.stdout) as { text: string }).text, answer.text)
    } finally {
      await front.close()
      await server.close()
      await model.dispose()
      rmSync(folder, { recursive: true })
    }
  })
}

// A worker of ours was sent the length that the front, or the library, would have allowed, and refused it.
test('where nobody says how long, a worker is asked for no more than it allows', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-length-'))
  cpSync(FIXTURE, folder, { recursive: true })
  const long = { ...ENDLESS, max_new_tokens: 6000 }
  for (const [generation, isTold] of [
    [ENDLESS, false],
    [long, true],
  ] as const) {
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(generation))
    const model = await loadModel(folder, { precision: 'f32' })
    const config = { ...SERVER_DEFAULTS, maxTokens: 3 }
    const worker = await startServer({ model, app: { config }, listen: PATIENT })
    const front = await startFront([worker.url])
    try {
      const { text } = await model.generate({ messages, maxTokens: 3 })
      const raw = await model.generate({ prompt: TEXT, maxTokens: 3 })
      for (const one of [worker, front]) {
        for (const [way, its] of await overHttp(one)) assert.equal(its, text, way)
        for (const [way, its] of await rawOverHttp(one)) assert.equal(its, raw.text, way)
        assert.equal(await told({ url: one.url }), text)
        const [card] = (await (await fetch(`${one.url}/v1/models`)).json()).data
        assert.deepEqual([card.default_max_tokens, card.max_answer_tokens], [isTold ? 3 : null, 3])
      }
    } finally {
      await front.close()
      await worker.close()
      await model.dispose()
    }
  }
  rmSync(folder, { recursive: true })
})

// A front knew for good what its workers had said when it started.
test('so it is where the worker comes later, or is started anew with another limit', async () => {
  const model = await loadModel(FIXTURE, { precision: 'f32' })
  const side = await loadPromptSide(FIXTURE)
  const start = (maxTokens: number, port = 0) =>
    startServer({
      model,
      app: { config: { ...SERVER_DEFAULTS, maxTokens } },
      listen: { ...PATIENT, port },
    })
  let worker = await start(1)
  const { url, port } = worker
  await worker.close()
  const front = await startFront([url], { side, id: 'tiny' })
  try {
    for (const [allowed, checks] of [
      // It is asked again when two checks are well; started anew in between it was never away.
      [4, 2],
      [2, 1],
      [6, 1],
    ] as const) {
      worker = await start(allowed, port)
      for (let i = 0; i < checks; i++) await front.upstreams.pool.check()
      const [card] = (await (await front.fetch(`${front.url}/v1/models`)).json()).data
      assert.equal(card.max_answer_tokens, allowed)
      const asked = { messages, ignore_eos: true }
      const { status, body } = await front.post('/v1/chat/completions', asked)
      assert.equal(status, 200, JSON.stringify(body))
      assert.equal(body.usage.completion_tokens, allowed)
      await worker.close()
    }
  } finally {
    await front.close()
    await worker.close()
    await side.dispose()
    await model.dispose()
  }
})

test('what the server allows is the limit of that too, behind workers as before them', async () => {
  const model = await loadModel(FIXTURE, { precision: 'f32' })
  const server = await startServer({ model, listen: PATIENT })
  const config = { ...SERVER_DEFAULTS, maxTokens: 3 }
  const strict = [
    await startServer({ model, app: { config }, listen: PATIENT }),
    await startFront([server.url], { app: { config } }),
  ]
  try {
    for (const one of strict) {
      const { body } = await one.post('/v1/chat/completions', { messages, ignore_eos: true })
      assert.equal(body.usage.completion_tokens, 3)
    }
  } finally {
    for (const one of [...strict].reverse()) await one.close()
    await server.close()
    await model.dispose()
  }
})
