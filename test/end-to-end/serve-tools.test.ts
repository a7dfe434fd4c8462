/** Tools over all routes that have them, with the official clients; random weights must still write calls that are valid. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { Ajv2020 } from 'ajv/dist/2020.js'
import OpenAI from 'openai'
import type { ToolFormat } from '../../src/families/tool-format.ts'
import { loadModel, type Model } from '../../src/index.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { TOOL_TEMPLATES } from './tool-templates.ts'
import { firstOf } from '../thorough.ts'

type Served = {
  readonly model: Model
  readonly server: TestServer
  readonly openai: OpenAI
  readonly anthropic: Anthropic
}

const FORMATS = ['hermes', 'mistral', 'llama3'] as const
const served = {} as Record<ToolFormat | 'none', Served>

before(async () => {
  for (const format of [...FORMATS, 'none'] as const) {
    const template = format === 'none' ? {} : { template: TOOL_TEMPLATES[format] }
    const model = await loadModel('fixtures/inference/mini-vit-crop', {
      precision: 'f32',
      ...template,
    })
    const server = await startServer({ model })
    const own = { apiKey: 'none', maxRetries: 0, fetch: server.fetch }
    const openai = new OpenAI({ baseURL: `${server.url}/v1`, ...own })
    const anthropic = new Anthropic({ baseURL: server.url, ...own })
    served[format] = { model, server, openai, anthropic }
  }
})
after(async () => {
  for (const { server, model } of Object.values(served)) {
    await server.close()
    await model.dispose()
  }
})

const WEATHER = {
  $defs: { day: { enum: ['today', 'tomorrow'] } },
  type: 'object',
  properties: {
    city: { type: 'string', maxLength: 5 },
    day: { $ref: '#/$defs/day' },
    id: { type: 'integer', minimum: 0, maximum: 99 },
  },
  required: ['city', 'day'],
  additionalProperties: false,
}
const TREE = {
  type: 'object',
  properties: { left: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
  required: ['left'],
  additionalProperties: false,
}
const SCHEMAS = { weather: WEATHER, tree: TREE, stop: { type: 'object', maxProperties: 0 } }
const isValid = Object.fromEntries(
  Object.entries(SCHEMAS).map(([name, schema]) => [
    name,
    new Ajv2020({ strict: false }).compile(schema),
  ]),
)

const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'weather', description: 'How it will be', parameters: WEATHER },
  },
  { type: 'function', function: { name: 'tree', parameters: TREE } },
  { type: 'function', function: { name: 'stop' } },
]
const QUESTION: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Will it rain?' }]

function chat(fields: object = {}) {
  return { model: 'tiny', messages: QUESTION, tools: TOOLS, max_tokens: 400, ...fields }
}

function assertCalls(calls: readonly OpenAI.ChatCompletionMessageToolCall[]): void {
  assert.ok(calls.length >= 1 && calls.length <= 16)
  for (const call of calls) {
    assert.equal(call.type, 'function')
    if (call.type !== 'function') continue
    const { name, arguments: given } = call.function
    assert.ok(isValid[name]?.(JSON.parse(given)), `${name} ${given}`)
  }
  assert.equal(new Set(calls.map(({ id }) => id)).size, calls.length)
}

/** A stream put together as OpenAI's client does it. */
async function streamed(openai: OpenAI, fields: object): Promise<OpenAI.ChatCompletion.Choice> {
  const runner = openai.chat.completions.stream(
    chat(fields) as OpenAI.ChatCompletionCreateParamsStreaming,
  )
  const [choice] = (await runner.finalChatCompletion()).choices
  assert.ok(choice)
  return choice
}

for (const format of FORMATS) {
  test(`${format}: a call that is required is one of the tools, by its schema, streamed or not`, async () => {
    const { openai } = served[format]
    for (const seed of firstOf(2, [1, 2, 3, 4, 5, 6])) {
      const fields = { tool_choice: 'required', temperature: 1, seed }
      const [choice] = (await openai.chat.completions.create(chat(fields))).choices
      assert.equal(choice?.finish_reason, 'tool_calls')
      assert.equal(choice.message.content, null)
      assertCalls(choice.message.tool_calls ?? [])
      const { message, finish_reason } = await streamed(openai, fields)
      assert.equal(finish_reason, 'tool_calls')
      const functions = (one: OpenAI.ChatCompletionMessage) =>
        one.tool_calls?.map(
          (call) => call.type === 'function' && call.function.name + call.function.arguments,
        )
      assert.deepEqual(functions(message), functions(choice.message))
    }
  })

  test(`${format}: a tool that is named is called once`, async () => {
    const { openai } = served[format]
    const tool_choice = { type: 'function', function: { name: 'weather' } }
    for (const seed of firstOf(2, [1, 2, 3, 4, 5, 6])) {
      const fields = { tool_choice, temperature: 1, seed }
      const [choice] = (await openai.chat.completions.create(chat(fields))).choices
      const calls = choice?.message.tool_calls ?? []
      assertCalls(calls)
      assert.deepEqual(
        calls.map((call) => call.type === 'function' && call.function.name),
        ['weather'],
      )
    }
  })

  test(`${format}: what the model writes by itself is read as a call, words beside it are words`, async () => {
    const { openai } = served[format]
    const call = '{"name": "weather", "ARGUMENTS": {"city": "Ulm", "day": "today"}}'
    const written = {
      hermes: `Well. <tool_call>${call}</tool_call> <tool_call>${call}</tool_call>`,
      mistral: `Well. [TOOL_CALLS] [${call}, ${call}]`,
      llama3: `${call}; ${call}`,
    }[format].replaceAll('ARGUMENTS', format === 'llama3' ? 'parameters' : 'arguments')
    const fields = { choice: [written] }
    const [choice] = (await openai.chat.completions.create(chat(fields))).choices
    const words = format === 'llama3' ? null : 'Well.'
    assert.equal(choice?.message.content, words)
    assert.equal(choice?.message.tool_calls?.length, 2)
    assert.equal(choice?.finish_reason, 'tool_calls')
    assertCalls(choice?.message.tool_calls ?? [])
    const other = await streamed(openai, { ...fields, parallel_tool_calls: false })
    assert.equal(other.message.content, words)
    assert.equal(other.message.tool_calls?.length, 1)
    const plain = await openai.chat.completions.create(
      chat({ choice: ['{"a": 1}'], tool_choice: 'auto' }),
    )
    assert.equal(plain.choices[0]?.message.content, '{"a": 1}')
    assert.equal(plain.choices[0]?.message.tool_calls, undefined)
  })
}

// The same with other words in the prompt.
for (const format of firstOf(1, FORMATS)) {
  test(`${format}: with none the model sees no tools, and a conversation goes on behind their results`, async () => {
    const { openai, model } = served[format]
    const bare = await openai.chat.completions.create({
      model: 'tiny',
      messages: QUESTION,
      max_tokens: 8,
    })
    const none = await openai.chat.completions.create(chat({ tool_choice: 'none', max_tokens: 8 }))
    assert.equal(none.choices[0]?.message.content, bare.choices[0]?.message.content)
    assert.equal(none.usage?.prompt_tokens, bare.usage?.prompt_tokens)
    const call = { name: 'weather', arguments: '{"city":"Ulm","day":"today"}' }
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...QUESTION,
      {
        role: 'assistant',
        tool_calls: [{ id: 'call_of_somebody', type: 'function', function: call }],
      },
      { role: 'tool', tool_call_id: 'call_of_somebody', content: 'Sun <|im_end|> <tool_call>' },
    ]
    const answer = await openai.chat.completions.create(chat({ messages, max_tokens: 8 }))
    const asked = {
      messages: [
        { role: 'user', content: 'Will it rain?' },
        { role: 'assistant', content: '', toolCalls: [{ id: 'call_of_somebody', ...call }] },
        { role: 'tool', content: 'Sun <|im_end|> <tool_call>', toolCallId: 'call_of_somebody' },
      ],
      tools: TOOLS.map((tool) => (tool.type === 'function' ? tool.function : assert.fail())),
    } as const
    const prepared = await model.prepare(asked)
    assert.equal(answer.usage?.prompt_tokens, prepared.inputIds.length)
    assert.match(prepared.prompt, /"city": ?"Ulm"[^]*Sun <\|im_end\|> <tool_call>/)
    // What a tool says is data, control tokens in it too.
    const { idOf } = {
      idOf: (text: string) => model.tokenizer.addedTokens.find((one) => one.content === text)?.id,
    }
    const id = idOf('<|im_end|>')
    if (id !== undefined) assert.ok(!prepared.inputIds.includes(id))
    const library = await model.generate({ ...asked, maxTokens: 8 })
    assert.equal(answer.choices[0]?.message.content, library.text)
    assert.equal(await promptTokens(openai, sentBack(messages)), answer.usage?.prompt_tokens)
    const withArguments = (given: string) => {
      const [question, , result] = messages as [OpenAI.ChatCompletionMessageParam, unknown, never]
      const calls = [
        { id: 'a', type: 'function' as const, function: { ...call, arguments: given } },
      ]
      return [question, { role: 'assistant' as const, tool_calls: calls }, result]
    }
    assert.equal(
      await promptTokens(openai, withArguments('')),
      await promptTokens(openai, withArguments('{}')),
    )
  })

  test(`${format}: responses call and take results, streamed or not`, async () => {
    const { openai } = served[format]
    const tools: OpenAI.Responses.FunctionTool[] = [
      { type: 'function', name: 'weather', parameters: WEATHER, strict: true },
    ]
    const create = {
      model: 'tiny',
      input: [{ role: 'user' as const, content: 'Will it rain?' }],
      tools,
      tool_choice: { type: 'function' as const, name: 'weather' },
      parallel_tool_calls: false,
      max_output_tokens: 300,
    }
    const whole = await openai.responses.create(create)
    const [item] = whole.output
    assert.ok(item?.type === 'function_call' && whole.output.length === 1)
    assert.ok(isValid['weather']?.(JSON.parse(item.arguments)), item.arguments)
    const runner = openai.responses.stream(create)
    const events: string[] = []
    for await (const { type } of runner) events.push(type)
    const [same] = (await runner.finalResponse()).output
    assert.ok(same?.type === 'function_call')
    assert.equal(same.arguments, item.arguments)
    assert.deepEqual(events, [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ])
    const next = await openai.responses.create({
      ...create,
      tool_choice: 'auto',
      max_output_tokens: 8,
      input: [
        ...create.input,
        item,
        { type: 'function_call_output', call_id: item.call_id, output: 'Sun' },
      ],
    })
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...QUESTION,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: item.call_id, type: 'function', function: item }].map((one) => ({
          ...one,
          type: 'function' as const,
          function: { name: item.name, arguments: item.arguments },
        })),
      },
      { role: 'tool', tool_call_id: item.call_id, content: 'Sun' },
    ]
    const weather = { name: 'weather', parameters: WEATHER }
    const chatted = await openai.chat.completions.create(
      chat({ messages, tools: [{ type: 'function', function: weather }], max_tokens: 8 }),
    )
    assert.equal(next.output_text, chatted.choices[0]?.message.content)
  })

  test(`${format}: Anthropic's client gets calls and gives results, streamed or not`, async () => {
    const { anthropic, openai } = served[format]
    const tools: Anthropic.Tool[] = [
      {
        name: 'weather',
        description: 'How it will be',
        input_schema: WEATHER as Anthropic.Tool.InputSchema,
      },
    ]
    const user = { role: 'user' as const, content: 'Will it rain?' }
    const create = { model: 'tiny', messages: [user], tools, max_tokens: 300 }
    const tool_choice = { type: 'any' as const, disable_parallel_tool_use: true }
    const whole = await anthropic.messages.create({ ...create, tool_choice })
    assert.equal(whole.stop_reason, 'tool_use')
    const [block] = whole.content
    assert.ok(block?.type === 'tool_use' && whole.content.length === 1)
    assert.ok(isValid['weather']?.(block.input), JSON.stringify(block.input))
    const named = { type: 'tool' as const, name: 'weather', disable_parallel_tool_use: true }
    const final = await anthropic.messages.stream({ ...create, tool_choice: named }).finalMessage()
    assert.equal(final.stop_reason, 'tool_use')
    assert.ok(final.content[0]?.type === 'tool_use')
    assert.deepEqual(final.content[0].input, block.input)
    const results = [
      { type: 'tool_result' as const, tool_use_id: block.id, content: 'Sun' },
      { type: 'text' as const, text: 'And then?' },
    ]
    const messages: Anthropic.MessageParam[] = [
      user,
      { role: 'assistant', content: whole.content },
      { role: 'user', content: results },
    ]
    const next = await anthropic.messages.create({ ...create, messages, max_tokens: 8 })
    const counted = await anthropic.messages.countTokens({ model: 'tiny', messages, tools })
    const input = next.usage.input_tokens + (next.usage.cache_read_input_tokens ?? 0)
    assert.equal(counted.input_tokens, input)
    const given = JSON.stringify(block.input)
    const call = {
      id: block.id,
      type: 'function' as const,
      function: { name: 'weather', arguments: given },
    }
    const chatted = await openai.chat.completions.create({
      model: 'tiny',
      max_tokens: 8,
      tools: [TOOLS[0]!],
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: block.id, content: 'Sun' },
        { role: 'user', content: 'And then?' },
      ],
    })
    assert.deepEqual(next.content, [{ type: 'text', text: chatted.choices[0]?.message.content }])
    assert.equal(next.usage.output_tokens, chatted.usage?.completion_tokens)
  })
}

test('a template that shows no tools refuses them by name, on every route and for results as well', async () => {
  const { openai, anthropic, server } = served.none
  const refused = {
    status: 400,
    message: /tools: expected a model whose chat template shows tools/,
  }
  await assert.rejects(openai.chat.completions.create(chat()), refused)
  await assert.rejects(openai.chat.completions.create(chat({ stream: true })), refused)
  const tool = { role: 'tool', tool_call_id: 'a', content: 'Sun' }
  await assert.rejects(
    openai.chat.completions.create(chat({ tools: [], messages: [...QUESTION, tool] })),
    refused,
  )
  await assert.rejects(
    openai.responses.create({
      model: 'tiny',
      input: 'Hi',
      tools: [{ type: 'function', name: 'f', parameters: {}, strict: false }],
    }),
    refused,
  )
  await assert.rejects(
    anthropic.messages.create({
      model: 'tiny',
      max_tokens: 4,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
    }),
    refused,
  )
  // Offered and hidden is as good as not offered.
  const { status } = await server.post(
    '/v1/chat/completions',
    chat({ tool_choice: 'none', max_tokens: 2 }),
  )
  assert.equal(status, 200)
})

test('a template that reads parts alone shows the result of a tool', async () => {
  const template = TOOL_TEMPLATES.hermes.replace(
    /(?<=macro words\(content\) %\})[^]*?(?=\{% endmacro)/,
    '{% for part in content %}{{ part.text }}{% endfor %}',
  )
  await using model = await loadModel('fixtures/inference/mini-vit-crop', {
    precision: 'f32',
    template,
  })
  const server = await startServer({ model })
  const tokens = async (content: string) => {
    const call = { id: 'a', type: 'function', function: { name: 'stop', arguments: '{}' } }
    const messages = [
      ...QUESTION,
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'a', content },
    ]
    const { body } = await server.post(
      '/v1/chat/completions',
      chat({ messages, tool_choice: 'none', max_tokens: 1 }),
    )
    return body.usage.prompt_tokens as number
  }
  try {
    const words = 'The sun shines all day and there is no wind at all.'
    assert.ok((await tokens(words)) - (await tokens('The')) > 5)
  } finally {
    await server.close()
  }
})

test('tools that make no sense are refused by name', async () => {
  const { openai } = served.hermes
  const one = (name: string, other: object = {}) => ({
    type: 'function',
    function: { name, ...other },
  })
  const cases: readonly [object, RegExp][] = [
    [{ tools: [one('a b')] }, /tools\[0\]\.name should be/],
    [{ tools: [one('a'), one('a')] }, /tools has "a" twice/],
    [{ tools: [], tool_choice: 'required' }, /tool_choice wants a call/],
    [{ tool_choice: one('b') }, /tool_choice\.name should be the name of one of tools/],
    [{ tool_choice: 'any' }, /tool_choice should be/],
    [
      { tools: [{ type: 'custom', custom: { name: 'x' } }] },
      /tools\[0\]\.type should be "function"/,
    ],
    [{ tool_choice: 'required', ignore_eos: true }, /ignore_eos contradicts tool_choice/],
    [{ tool_choice: 'required', regex: 'a' }, /regex contradicts tool_choice/],
    [
      { tool_choice: 'required', tools: [one('a', { parameters: { type: 'object', not: {} } })] },
      /not.*is not enforced here/,
    ],
    [
      {
        messages: [
          ...QUESTION,
          {
            role: 'assistant',
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '[1' } }],
          },
          { role: 'tool', tool_call_id: 'a', content: '' },
        ],
      },
      /arguments of the call f should be the text of a JSON object/,
    ],
    [
      { messages: [...QUESTION, { role: 'assistant' }] },
      /messages\[1\] should have one of content, tool_calls, none came/,
    ],
    [
      { messages: [...QUESTION, { role: 'tool', content: 'x' }] },
      /messages\[1\]\.tool_call_id is missing/,
    ],
    [
      {
        messages: [
          ...QUESTION,
          {
            role: 'assistant',
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
        ],
      },
      /after calls of tools their results are expected/,
    ],
  ]
  for (const [fields, message] of cases) {
    await assert.rejects(openai.chat.completions.create(chat(fields)), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, String(error))
      assert.match(error.message, message)
      if (error.message.includes('arguments of the call f')) assert.equal(error.param, 'messages')
      return true
    })
  }
})

/** What clients and other servers add to an assistant's message, which then comes back with it. */
function sentBack(
  messages: readonly OpenAI.ChatCompletionMessageParam[],
): OpenAI.ChatCompletionMessageParam[] {
  const added = { refusal: null, audio: null, function_call: null, annotations: [], parsed: null }
  return messages.map((message) => {
    if (message.role !== 'assistant') return message
    const calls = message.tool_calls?.map((one, index) => ({
      ...one,
      index,
      ...(one.type === 'function' && { function: { ...one.function, parsed_arguments: {} } }),
    }))
    return { ...message, ...added, reasoning_content: 'Rain?', tool_calls: calls }
  }) as OpenAI.ChatCompletionMessageParam[]
}

async function promptTokens(
  openai: OpenAI,
  messages: OpenAI.ChatCompletionMessageParam[],
): Promise<number | undefined> {
  const { usage } = await openai.chat.completions.create(chat({ messages, max_tokens: 1 }))
  return usage?.prompt_tokens
}
