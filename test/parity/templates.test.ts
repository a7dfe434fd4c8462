/**
 * Chat templates against transformers: texts, errors, generation spans and token masks.
 *
 * LLAVA_FIXTURES names a folder with `text/` and `inference/`; without it the small set in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LlavaError } from '../../src/core/errors.ts'
import { maskGenerated, renderChatWithSpans, type ChatMessage } from '../../src/text/index.ts'
import type { TemplateFailure } from '../../src/text/jinja/failure.ts'
import { tokenizerFromJson } from '../../src/text/tokenizer-json.ts'

const SMALL = 'fixtures'
const FOLDER = process.env['LLAVA_FIXTURES'] ?? SMALL

type Case = {
  name: string
  template: string
  template_text?: string
  messages: ChatMessage[]
  tools?: object[]
  args?: Record<string, unknown>
  add_generation_prompt?: boolean
  continue_final_message?: boolean | string
  text?: string
  error?: [string, string]
  generation_spans?: [number, number][]
}
type Mask = Case & { tokenizer: string; ids: number[]; assistant_mask: number[] }
type Templates = {
  now: string
  bos_token: string
  eos_token: string
  templates: Record<string, { template: string }>
  cases: Case[]
  jinja: Case[]
  token_masks: Mask[]
}

function read<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(join(...parts), 'utf8')) as T
}

const recorded = read<Templates>(FOLDER, 'text/templates.json')

function render(template: string, c: Case, bos = recorded.bos_token, eos = recorded.eos_token) {
  return renderChatWithSpans(template, {
    messages: c.messages,
    ...(c.tools && { tools: c.tools }),
    addGenerationPrompt: c.add_generation_prompt ?? false,
    continueFinalMessage: c.continue_final_message ?? false,
    bosToken: bos,
    eosToken: eos,
    now: recorded.now,
    ...(c.args && { variables: c.args }),
  })
}

function check(template: string, c: Case): void {
  if (c.error !== undefined) {
    const [kind, message] = c.error
    assert.throws(
      () => render(template, c),
      (error) => {
        assert.ok(error instanceof LlavaError)
        const cause = error.cause as TemplateFailure
        assert.deepEqual([cause.kind, cause.message], [kind, message])
        return true
      },
    )
    return
  }
  const { text, generationSpans } = render(template, c)
  assert.equal(text, c.text)
  if (template.includes('generation %}')) {
    assert.deepEqual(generationSpans, c.generation_spans ?? [])
  }
}

describe('chat templates', () => {
  test('released templates render as transformers renders them', () => {
    for (const c of recorded.cases) check(recorded.templates[c.template]!.template, c)
  })

  test('each feature of Jinja does what it does there', async (t) => {
    for (const c of recorded.jinja) await t.test(c.name, () => check(c.template_text!, c))
  })

  test('templates of every kind, random ones among them, give the same text or the same error', () => {
    const { messages, variables, cases } = read<{
      messages: ChatMessage[]
      variables: Record<string, unknown>
      cases: Case[]
    }>(SMALL, 'text/jinja.json')
    for (const c of cases) {
      check(c.template, {
        ...c,
        messages,
        args: variables,
        add_generation_prompt: true,
      })
    }
  })

  for (const name of readdirSync(join(FOLDER, 'inference'))) {
    const folder = join(FOLDER, 'inference', name)
    if (!existsSync(join(folder, 'expected.json'))) continue
    test(`the prompts of ${name} are its processor's`, () => {
      const jinja = join(folder, 'chat_template.jinja')
      const template = existsSync(jinja)
        ? readFileSync(jinja, 'utf8')
        : read<{ chat_template: string }>(folder, 'chat_template.json').chat_template
      const { prompts } = read<{ prompts: Case[] }>(folder, 'expected.json')
      for (const c of prompts) {
        const { text } = render(template, { ...c, add_generation_prompt: true }, '<s>', '</s>')
        assert.equal(text, c.text)
      }
    })
  }

  for (const [i, mask] of recorded.token_masks.entries()) {
    const file = join(FOLDER, 'text', `tokenizer.${mask.tokenizer}.json`)
    const skip = existsSync(file) ? false : `${file} is not there`
    test(`the generated tokens of mask ${i} are transformers'`, { skip }, () => {
      const tokenizer = tokenizerFromJson(read(file))
      const rendered = render(recorded.templates[mask.template]!.template, mask)
      const { inputIds, isLearnt } = maskGenerated(tokenizer, rendered)
      assert.deepEqual(inputIds, mask.ids)
      assert.deepEqual(isLearnt.map(Number), mask.assistant_mask)
    })
  }
})
