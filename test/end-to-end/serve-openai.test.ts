/** The official OpenAI client against a real server with a real, tiny model. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { loadModel, type Model } from '../../src/index.ts'
import { startServer, type TestServer } from './serve-setup.ts'

const PICTURE = readFileSync('fixtures/pictures/photo-640x480.jpg')
const PICTURE_URL = `data:image/jpeg;base64,${PICTURE.toString('base64')}`

let model: Model
let server: TestServer
let client: OpenAI

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  server = await startServer({ model })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
after(async () => {
  await server.close()
  await model.dispose()
})

function messages(text: string): OpenAI.ChatCompletionMessageParam[] {
  const image_url = { url: PICTURE_URL }
  return [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url },
        { type: 'text', text },
      ],
    },
  ]
}

async function localText(text: string, maxTokens: number): Promise<string> {
  const content = [
    { type: 'image', image: new Uint8Array(PICTURE) } as const,
    { type: 'text', text } as const,
  ]
  return (await model.generate({ messages: [{ role: 'user', content }], maxTokens })).text
}

test('two streams about a picture at once give what the library gives', async () => {
  const ask = async (text: string, maxTokens: number) => {
    const stream = await client.chat.completions.create({
      model: server.id,
      messages: messages(text),
      max_completion_tokens: maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    })
    let answer = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      answer += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage
    }
    assert.ok(usage && usage.completion_tokens <= maxTokens)
    return answer
  }
  const answers = await Promise.all([ask('What is it?', 24), ask('Why is it blue?', 30)])
  assert.deepEqual(answers, [
    await localText('What is it?', 24),
    await localText('Why is it blue?', 30),
  ])
})

test('an answer in one piece tells its image tokens', async () => {
  const answer = await client.chat.completions.create({
    model: server.id,
    messages: messages('What is it?'),
    max_tokens: 8,
  })
  assert.equal(answer.choices[0]?.message.content, await localText('What is it?', 8))
  const details = answer.usage?.prompt_tokens_details as { image_tokens?: number }
  assert.equal(details.image_tokens, 196)
})
