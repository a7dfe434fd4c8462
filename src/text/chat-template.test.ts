import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { maskFromSpans, parseChatTemplate, renderChat } from './chat-template.ts'

const CHATML =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}'
const USER = { role: 'user', content: 'Hi' }
const ANSWER = { role: 'assistant', content: 'It is ' }

describe('renderChat', () => {
  test('opens an answer when asked', () => {
    const open = renderChat(CHATML, { messages: [USER], addGenerationPrompt: true })
    assert.equal(open, '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n')
    assert.equal(renderChat(CHATML, { messages: [USER] }), '<|im_start|>user\nHi<|im_end|>\n')
  })

  test('takes a parsed template as it takes its text', () => {
    const messages = [USER]
    assert.equal(
      renderChat(parseChatTemplate(CHATML), { messages }),
      renderChat(CHATML, { messages }),
    )
  })

  test('ends inside the last message when that is to be continued', () => {
    const messages = [USER, ANSWER]
    const text = renderChat(CHATML, { messages, continueFinalMessage: true })
    assert.equal(text, '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nIt is ')
    const trimming = CHATML.replace('m.content', 'm.content | trim')
    assert.ok(renderChat(trimming, { messages, continueFinalMessage: true }).endsWith('\nIt is'))
  })

  test('continues the last text part of a message of several', () => {
    const template =
      '{% for m in messages %}{% for p in m.content %}{{ p.text or p.type }};{% endfor %}{% endfor %}'
    const content = [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }, { type: 'image' }]
    const messages = [{ role: 'assistant', content }]
    assert.equal(renderChat(template, { messages, continueFinalMessage: true }), 'a;b')
    assert.equal(content[1]!.text, 'b')
  })

  test('refuses to continue what it cannot find again', () => {
    const code = 'INPUT_CONTINUE_MESSAGE'
    const continued = (template: string, ...messages: object[]) =>
      renderChat(template, { messages: messages as never, continueFinalMessage: true })
    assert.throws(() => continued(CHATML), { code })
    assert.throws(() => continued(CHATML, { role: 'assistant' }), { code })
    assert.throws(() => continued(CHATML, { role: 'assistant', content: [] }), { code })
    assert.throws(() => continued('{{ messages[0].role }}', ANSWER), { code })
    assert.throws(() => continued('{# content #}gone', ANSWER), { code })
  })

  test('refuses options that it does not know or that contradict each other', () => {
    const wrong = { messages: [USER], addGenerationPromt: true } as never
    assert.throws(() => renderChat(CHATML, wrong), { code: 'INPUT_UNKNOWN_OPTION' })
    const both = { messages: [USER], addGenerationPrompt: true, continueFinalMessage: true }
    assert.throws(() => renderChat(CHATML, both), { code: 'INPUT_OPTION_CONFLICT' })
    assert.throws(() => renderChat(CHATML, { messages: 'Hi' as never }), { code: 'INPUT_MESSAGES' })
    const now = 'yesterday'
    assert.throws(() => renderChat(CHATML, { messages: [], now }), { code: 'INPUT_OPTION_VALUE' })
    const kinds: readonly (readonly [object, string])[] = [
      [{ bosToken: 5 }, ': bosToken should be a text, 5 came.'],
      [{ variables: [] }, ': variables should be an object, a list of 0 came.'],
      [{ limits: 5 }, ': limits should be an object, 5 came.'],
      [{ limits: { depth: 0 } }, ': limits: depth should be a whole number from 1, 0 came.'],
      [{ tools: ['look'] }, ': tools should be a list of objects, ["look"] came.'],
      [
        { continueFinalMessage: 5, addGenerationPrompt: 'no' },
        ': addGenerationPrompt should be true or false, "no" came; ' +
          "continueFinalMessage should be true, false or the name of a message's field, 5 came.",
      ],
    ]
    for (const [options, fault] of kinds) {
      assert.throws(() => renderChat(CHATML, { messages: [USER], ...options } as never), {
        code: 'INPUT_OPTION_VALUE',
        message: `renderChat${fault}`,
      })
    }
    const unknown = { messages: [USER], limits: { stepz: 1 } } as never
    assert.throws(() => renderChat(CHATML, unknown), { code: 'INPUT_UNKNOWN_OPTION' })
  })

  test('hands the template tools, documents, special tokens, a clock and further names', () => {
    const template =
      "{{ bos_token }}{{ eos_token }}{{ tools[0].name }}{{ documents }}{{ strftime_now('%Y') }}{{ think }}{{ pad_token is defined }}"
    const text = renderChat(template, {
      messages: [],
      bosToken: '<s>',
      eosToken: '</s>',
      tools: [{ name: 'look' }],
      now: () => new Date(2031, 1, 1),
      variables: { think: true },
    })
    assert.equal(text, '<s></s>lookNone2031TrueFalse')
  })

  test("shows a message's reasoning under all its names", () => {
    const template =
      '{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}|{{ messages[0].reasoning }}'
    const messages = [{ role: 'assistant', content: '', reasoning: 'hm' }]
    assert.equal(renderChat(template, { messages }), 'hm|hm|hm')
  })
})

describe('maskFromSpans', () => {
  test('keeps the tokens from the first to the last character of a span', () => {
    const offsets = [
      [0, 0],
      [0, 2],
      [2, 5],
      [5, 6],
      [6, 9],
    ] as const
    assert.deepEqual(maskFromSpans(offsets, [[3, 6]]), [false, false, true, true, false])
    assert.deepEqual(maskFromSpans(offsets, [[3, 20]]), [false, false, true, true, true])
    assert.deepEqual(maskFromSpans(offsets, []), [false, false, false, false, false])
  })
})
