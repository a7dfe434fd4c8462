/** Requests whose greedy answers are known: the library gives them before the server is asked. */
import type { Model } from '../../src/index.ts'
import { PICTURE, PICTURE_URL } from '../end-to-end/serve-setup.ts'

export type ValidRequest = {
  readonly path: string
  readonly body: Record<string, unknown>
  readonly text: string
  /** What the answer says, whole or streamed. */
  readonly textOf: (response: Response) => Promise<string>
}

const QUESTIONS = [
  'What is it?',
  'Why is it blue?',
  'Who was here before?',
  'Count to ten.',
  'Write a poem about the sea, a lamp and a dog.',
  'Say it in one word.',
]

const SCHEMA = {
  type: 'object',
  properties: {
    kind: { enum: ['cat', 'dog'] },
    count: { type: 'integer', minimum: 0, maximum: 9 },
  },
  required: ['kind', 'count'],
  additionalProperties: false,
}

export async function validRequests(model: Model): Promise<ValidRequest[]> {
  const requests: ValidRequest[] = []
  for (const [i, question] of QUESTIONS.entries()) {
    const maxTokens = 6 + 5 * i
    const user = (content: object | string) => [{ role: 'user', content }]
    const plain = await answer(model, { messages: user(question), maxTokens })
    const parts = [
      { type: 'image', image: PICTURE },
      { type: 'text', text: question },
    ]
    const seen = await answer(model, { messages: user(parts), maxTokens })
    const raw = await answer(model, { prompt: question, maxTokens })
    const image = { type: 'image_url', image_url: { url: PICTURE_URL } }
    const text = { type: 'text', text: question }
    const formed = { type: 'json_schema', schema: SCHEMA } as const
    const json = await answer(model, {
      messages: user(question),
      maxTokens: 60,
      responseFormat: formed,
    })
    const max_tokens = maxTokens
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema: SCHEMA } }
    const chat = (fields: object) => ({ path: '/v1/chat/completions', body: { ...fields } })
    requests.push(
      { ...chat({ messages: user(question), max_tokens }), text: plain, textOf: chatText },
      {
        ...chat({ messages: user(question), max_tokens, stream: true }),
        text: plain,
        textOf: streamText((data) => data.choices?.[0]?.delta?.content),
      },
      { ...chat({ messages: user([image, text]), max_tokens }), text: seen, textOf: chatText },
      {
        ...chat({ messages: user(question), max_tokens: 60, response_format }),
        text: json,
        textOf: chatText,
      },
      {
        path: '/v1/completions',
        body: { prompt: question, max_tokens },
        text: raw,
        textOf: async (response) => (await response.json()).choices[0].text,
      },
      {
        path: '/v1/responses',
        body: { input: question, max_output_tokens: max_tokens, stream: true },
        text: plain,
        textOf: streamText((data) =>
          data.type === 'response.output_text.delta' ? data.delta : undefined,
        ),
      },
      {
        path: '/v1/messages',
        body: { messages: user(question), max_tokens },
        text: plain,
        textOf: async (response) => (await response.json()).content[0].text,
      },
      {
        path: '/generate',
        body: { text: question, sampling_params: { max_new_tokens: max_tokens, temperature: 0 } },
        text: raw,
        textOf: async (response) => (await response.json()).text,
      },
    )
  }
  return requests
}

async function answer(model: Model, request: object): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return (await model.generate(request as Parameters<Model['generate']>[0])).text
    } catch (error) {
      // A machine that does much else compiles no form in time at first.
      if (tries >= 10) throw error
    }
  }
}

async function chatText(response: Response): Promise<string> {
  return (await response.json()).choices[0].message.content
}

// oxlint-disable-next-line typescript/no-explicit-any
function streamText(pieceOf: (data: any) => string | undefined) {
  return async (response: Response) => {
    let text = ''
    for (const event of (await response.text()).split('\n\n')) {
      const data = /^data: (\{.*)$/m.exec(event)?.[1]
      if (data === undefined) continue
      const parsed = JSON.parse(data) as { error?: { message: string } }
      if (parsed.error) throw new Error(`the stream broke off: ${parsed.error.message}`)
      text += pieceOf(parsed) ?? ''
    }
    return text
  }
}
