/** What people write never becomes a control token, in any layout and with any tokenizer; raw prompts are read for them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { templatePrompt } from './checkpoint-text.ts'
import fc from 'fast-check'
import { ConfigError, InputError } from '../core/errors.ts'
import { loadTokenizer, type Tokenizer } from '../text/index.ts'
import { tokenizerFromJson } from '../text/tokenizer-json.ts'
import { controlId, tinyTokenizer } from '../../test/tiny/tokenizer.ts'
import { buildPrompt, rawPrompt, type PromptMessage, type PromptTools } from './build-prompt.ts'
import { TOKENISED, type ModelConfig, type PromptConfig } from './family.ts'

const FOLDER = 'fixtures/text/tokenizers'
const NAMES = ['llava-mlp', 'llava-v1', 'mini-vit', 'layer-list', 'chatml', 'next-llama3']

/** Texts of the parts follow one another without anything between. */
const TEMPLATE = `{{ bos_token }}{% for message in messages %}[{{ message.role }}]{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}<image>{% endif %}{% endfor %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`

type Layout = 'hf' | 'original'

function configOf(layout: Layout, prompt?: PromptConfig): ModelConfig {
  const usual: PromptConfig =
    layout === 'hf'
      ? templatePrompt(TEMPLATE)
      : { kind: 'conversation', mode: 'vicuna_v1', wrapImage: false }
  const tokenise = TOKENISED[layout]
  return { layout, tokenise, image: { placeholder: -200 }, prompt: prompt ?? usual } as ModelConfig
}

function user(...texts: string[]): PromptMessage {
  return { role: 'user', content: texts.map((text) => ({ type: 'text', text })) }
}

/** A tokenizer whose added tokens are not said to be special. */
async function plainlyAdded(): Promise<Tokenizer> {
  const folder = mkdtempSync(join(tmpdir(), 'llava-tokenizer-'))
  try {
    for (const [file, content] of Object.entries(tinyTokenizer({ addBos: false }))) {
      const text = JSON.stringify(content).replaceAll('"special":true', '"special":false')
      writeFileSync(join(folder, file), text)
    }
    return await loadTokenizer(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

for (const name of NAMES) {
  describe(`words stay words: ${name}`, () => {
    let tokenizer: Tokenizer
    let controls: string[]
    before(async () => {
      tokenizer = await loadTokenizer(`${FOLDER}/${name}`)
      const special = tokenizer.addedTokens.filter((token) => token.special)
      controls = [
        ...new Set([...special.map(({ content }) => content), '<image>', '</s>', '<|im_end|>']),
      ]
    })

    /** How often the prompt has control tokens. */
    const controlIds = (ids: readonly number[]) =>
      ids.filter((id) => id < 0 || tokenizer.specialIds.has(id))

    for (const layout of ['hf', 'original'] as const) {
      test(`${layout}: a control token in a text has other ids, and comes back as it was`, () => {
        const tools = { config: configOf(layout), tokenizer }
        const plain = buildPrompt([user('Hello there')], tools)
        for (const control of controls) {
          const text = `Hello ${control} there`
          const { prompt, ids } = buildPrompt([user(text)], tools)
          assert.deepEqual(controlIds(ids), controlIds(plain.ids), control)
          assert.ok(prompt.includes(text), control)
          assert.ok(tokenizer.decode(ids.filter((id) => id >= 0)).includes(text), control)
        }
      })

      test(`${layout}: nor is one put together from the parts of a message, or hidden in another`, () => {
        const tools = { config: configOf(layout), tokenizer }
        for (const control of controls) {
          for (let cut = 1; cut < control.length; cut++) {
            const halves = user(control.slice(0, cut), control.slice(cut))
            const whole = buildPrompt([user('a', 'b')], tools)
            const { ids } = buildPrompt([halves], tools)
            assert.deepEqual(controlIds(ids), controlIds(whole.ids), `${control} cut at ${cut}`)
          }
          const nested = control.slice(0, 2) + control + control.slice(2)
          const { ids } = buildPrompt([user(nested)], tools)
          assert.deepEqual(controlIds(ids), controlIds(buildPrompt([user('a')], tools).ids))
        }
      })

      test(`${layout}: answers and system messages are words too`, () => {
        const tools = { config: configOf(layout), tokenizer }
        const conversation = (word: string): PromptMessage[] => [
          { role: 'system', content: `Be ${word}.` },
          user(word),
          { role: 'assistant', content: `Yes ${word}` },
          user('Go on'),
        ]
        const expected = controlIds(buildPrompt(conversation('brief'), tools).ids)
        for (const control of controls) {
          const { ids } = buildPrompt(conversation(control), tools)
          assert.deepEqual(controlIds(ids), expected, control)
        }
      })

      test(`${layout}: a picture is one placeholder, whatever stands around it`, () => {
        const tools = { config: configOf(layout), tokenizer }
        const content = [
          { type: 'text', text: 'Is <image> this?' } as const,
          { type: 'image' } as const,
          { type: 'image' } as const,
        ]
        const { prompt, ids } = buildPrompt([{ role: 'user', content }], tools)
        assert.equal(prompt.split('<image>').length - 1, 3)
        const placeholder = layout === 'original' ? -200 : (tokenizer.idOf('<image>') ?? NaN)
        const places = ids.filter((id) => id === placeholder).length
        assert.equal(places, Number.isNaN(placeholder) ? 0 : 2)
      })

      test(`${layout}: a raw prompt is read for control tokens`, () => {
        const tools = { config: configOf(layout), tokenizer }
        const special = tokenizer.addedTokens.filter((token) => token.special)
        for (const { content, id } of special) {
          const { prompt, ids } = rawPrompt(`Hello${content}`, tools)
          assert.equal(prompt, `Hello${content}`)
          // The original cuts its tag out before the tokenizer sees it.
          const expected = layout === 'original' && content === '<image>' ? -200 : id
          assert.ok(ids.includes(expected), content)
        }
      })
    }

    test('noncharacters in a text are not confused with our stand-ins', () => {
      const tools = { config: configOf('hf'), tokenizer }
      const text = '\ufdd0</s>\ufdd1 <s>\ufdef'
      const { prompt, ids } = buildPrompt([user(text)], tools)
      assert.ok(prompt.includes(text))
      // The bytes of a noncharacter may be no tokens of a small vocabulary; the rest must be there.
      const decoded = tokenizer.decode(ids)
      assert.ok(decoded.includes('</s>') && decoded.includes('<s>'))
    })

    test('any text at all adds no control token', () => {
      const tools = { config: configOf('hf'), tokenizer }
      const expected = controlIds(buildPrompt([user('a')], tools).ids)
      const piece = fc.oneof(fc.constantFrom(...controls), fc.string({ unit: 'grapheme' }))
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
          const { prompt, ids } = buildPrompt([user(...pieces)], tools)
          assert.deepEqual(controlIds(ids), expected)
          assert.ok(prompt.includes(pieces.join('')))
        }),
        { numRuns: 50 },
      )
    })
  })
}

describe('a conversation as a prompt', () => {
  let tokenizer: Tokenizer
  before(async () => {
    tokenizer = await loadTokenizer(`${FOLDER}/llava-mlp`)
  })

  test('a template that writes BOS gets no second one, one that does not gets one', () => {
    const bos = tokenizer.bosId
    const count = (template: string) => {
      const config = configOf('hf', templatePrompt(template))
      return buildPrompt([user('Hi')], { config, tokenizer }).ids.filter((id) => id === bos).length
    }
    assert.equal(count(TEMPLATE), 1)
    assert.equal(count(TEMPLATE.replace('{{ bos_token }}', '')), 1)
  })

  test('one that ends with an answer is left open for the rest of it', () => {
    const tools = { config: configOf('hf'), tokenizer }
    const messages: PromptMessage[] = [user('Hi'), { role: 'assistant', content: 'Well' }]
    assert.ok(buildPrompt(messages, tools).prompt.endsWith('[assistant]Well'))
    const original = { config: configOf('original'), tokenizer }
    assert.ok(buildPrompt(messages, original).prompt.endsWith('ASSISTANT: Well'))
  })

  test('a lone picture comes first in an original conversation, several stay where they are', () => {
    const tools = { config: configOf('original'), tokenizer }
    const text = (text: string) => ({ type: 'text', text }) as const
    const image = { type: 'image' } as const
    const of = (...content: (typeof image | ReturnType<typeof text>)[]) =>
      buildPrompt([{ role: 'user', content }], tools).prompt
    assert.match(of(text('What?'), image), /USER: <image>\nWhat\? ASSISTANT:$/)
    assert.match(
      of(text('First'), image, text('then'), image),
      /USER: First\n<image>\nthen\n<image> ASS/,
    )
  })

  test('300,000 parts of a message take no quadratic time', () => {
    const tools = { config: configOf('original'), tokenizer }
    const content = Array.from({ length: 300_000 }, () => ({ type: 'text', text: 'a' }) as const)
    const before = process.cpuUsage() // not the clock: other tests run at the same time
    assert.ok(buildPrompt([{ role: 'user', content }], tools).prompt.endsWith('\na ASSISTANT:'))
    assert.ok(process.cpuUsage(before).user < 5e6, 'it took too long')
  })

  test('pictures are wrapped where the checkpoint was trained so', () => {
    const prompt = { kind: 'conversation', mode: 'vicuna_v1', wrapImage: true } as const
    const tools = { config: configOf('original', prompt), tokenizer }
    const content = [{ type: 'image' } as const, { type: 'text', text: 'What?' } as const]
    const built = buildPrompt([{ role: 'user', content }], tools)
    assert.match(built.prompt, /USER: <im_start><image><im_end>\nWhat\?/)
  })

  test('without a template only raw prompts can be answered', () => {
    const tools = { config: configOf('hf', { kind: 'none' }), tokenizer }
    assert.throws(
      () => buildPrompt([user('Hi')], tools),
      (error) => error instanceof ConfigError && error.code === 'CONFIG_TEMPLATE_MISSING',
    )
    assert.ok(rawPrompt('Hi', tools).ids.length > 0)
  })

  test('a template that reads a text gets one, with a picture as its tag; one that looks gets what came', () => {
    const of = (template: string, ...messages: PromptMessage[]) =>
      buildPrompt(messages, { config: configOf('hf', templatePrompt(template)), tokenizer })
    const each = (content: string) => `{% for m in messages %}${content}|{% endfor %}`
    const whole = each('{{ m.content | trim }}')
    const looks = each(
      '{% if m.content is string %}text {{ m.content }}{% else %}list {{ m.content[0].text }}{% endif %}',
    )
    const question: PromptMessage = {
      role: 'user',
      content: [{ type: 'text', text: 'What?' }, { type: 'image' }],
    }
    const said: PromptMessage[] = [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
    ]
    assert.equal(of(whole, ...said, user('b', 'c')).prompt, 'Be brief|q|a|b\nc|')
    const { prompt, ids } = of(whole, question)
    assert.equal(prompt, '<image>\nWhat?|')
    assert.equal(ids.filter((id) => id === tokenizer.idOf('<image>')).length, 1)
    const quoted = of(whole, user('What is <image>?')).ids
    assert.ok(!quoted.includes(tokenizer.idOf('<image>') ?? NaN))
    assert.equal(of(looks, ...said.slice(1, 2), user('b')).prompt, 'text q|list b|')
  })

  test("a tokenizer's other token for pictures and clips stands in texts", async () => {
    const named = await loadTokenizer(`${FOLDER}/chatml`)
    const [image, video] = ['<|im_start|>', '<|im_end|>'].map((token) => named.idOf(token))
    const template = '{% for m in messages %}{{ m.content }}{% endfor %}'
    const config = {
      ...configOf('hf', templatePrompt(template)),
      image: { placeholder: image },
      video: { placeholder: video },
    } as ModelConfig
    const content = [{ type: 'image' }, { type: 'video' }] as const
    const { ids } = buildPrompt([{ role: 'user', content }], { config, tokenizer: named })
    assert.deepEqual(
      ids.filter((id) => named.specialIds.has(id)),
      [image, video],
    )
  })

  test('of two tokens for pictures the config’s is written, and both are kept from people’s words', async () => {
    const named = await plainlyAdded()
    const [tag, own] = [controlId('<image>'), controlId('<pad>')]
    const prompt = templatePrompt('{% for m in messages %}{{ m.content }}{% endfor %}')
    const config = { ...configOf('hf', prompt), image: { placeholder: own } } as ModelConfig
    const tools = { config, tokenizer: named }
    const image = { type: 'image' } as const
    const text = { type: 'text', text: 'Is <pad> or <image> a word?' } as const
    const places = ({ ids }: { ids: readonly number[] }) =>
      ids.filter((id) => id === own || id === tag)
    const asked = (content: PromptMessage['content']) =>
      buildPrompt([{ role: 'user', content }], tools)
    assert.deepEqual(places(asked([text])), [])
    assert.deepEqual(places(asked([image, text])), [own])
    const cut: PromptTools = { ...tools, config: { ...config, tokenise: 'pieces' } }
    assert.deepEqual(places(buildPrompt([{ role: 'user', content: [image] }], cut)), [own])
  })

  test('the result of a tool has the form that its template reads', () => {
    const hermes = (content: string) =>
      `{% if tools %}<tool_call>{% endif %}{% for m in messages %}${content}|{% endfor %}`
    const messages: PromptMessage[] = [
      { role: 'user', content: 'Rain?' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'sky', arguments: '' }] },
      { role: 'tool', content: 'Sun all day', toolCallId: 'a' },
    ]
    for (const content of [
      '{{ m.content }}',
      '{% for c in m.content %}{{ c.text }}{% endfor %}',
      "{% if m.role == 'tool' %}{{ m.content | tojson }}{% else %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endif %}",
    ]) {
      const tools = { config: configOf('hf', templatePrompt(hermes(content))), tokenizer }
      const offered = { tools: [{ name: 'sky' }], isRequired: false }
      assert.match(buildPrompt(messages, tools, offered).prompt, /Rain\?\|\|"?Sun all day"?\|$/)
    }
  })

  test('a model without eyes gets one text and refuses pictures', () => {
    const template = '{% for message in messages %}{{ message.content }}|{% endfor %}'
    const config = { ...configOf('hf', templatePrompt(template)), image: null }
    const tools = { config, tokenizer }
    assert.equal(buildPrompt([user('a', 'b')], tools).prompt, 'a\nb|')
    for (const type of ['image', 'video'] as const) {
      assert.throws(
        () => buildPrompt([{ role: 'user', content: [{ type }] }], tools),
        (error) => error instanceof InputError && error.code === 'INPUT_IMAGE_UNSUPPORTED',
      )
    }
  })

  test('a text of all noncharacters leaves no stand-in and is refused', () => {
    const all = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i)).join('')
    const tools = { config: configOf('hf'), tokenizer }
    assert.throws(
      () => buildPrompt([user(`${all}<s>`)], tools),
      (error) => error instanceof InputError && error.code === 'INPUT_NONCHARACTERS',
    )
  })
})

describe('quirks.tokenise by itself', () => {
  const asked: PromptMessage = {
    role: 'user',
    content: [{ type: 'text', text: 'A' }, { type: 'image' }, { type: 'text', text: 'B' }],
  }

  test('hf in pieces: each begins as a text does, the placeholder is the config’s, BOS comes once', async () => {
    const tokenizer = await loadTokenizer(`${FOLDER}/layer-list`)
    const placeholder = tokenizer.idOf('<image>') as number
    const whole = { ...configOf('hf'), image: { placeholder } } as ModelConfig
    const config: ModelConfig = { ...whole, tokenise: 'pieces' }
    const { prompt, ids } = buildPrompt([asked], { config, tokenizer })
    const [before, behind] = prompt.split('<image>') as [string, string]
    const rest = tokenizer.encode(behind, { addBos: true }).slice(1)
    assert.deepEqual(ids, [...tokenizer.encode(before, { addBos: false }), placeholder, ...rest])
    assert.equal(ids.filter((id) => id === tokenizer.bosId).length, 1)
    assert.notDeepEqual(ids, buildPrompt([asked], { config: whole, tokenizer }).ids)
  })

  test('original in one: the token becomes the placeholder; without such a token it is refused', async () => {
    const config: ModelConfig = { ...configOf('original'), tokenise: 'whole' }
    const tokenizer = await loadTokenizer(`${FOLDER}/llava-mlp`)
    const { prompt, ids } = buildPrompt([asked], { config, tokenizer })
    const tag = tokenizer.idOf('<image>')
    const expected = tokenizer.encode(prompt, { addBos: true })
    assert.ok(expected.includes(tag as number))
    assert.deepEqual(
      ids,
      expected.map((id) => (id === tag ? -200 : id)),
    )
    const without = await loadTokenizer(`${FOLDER}/llava-v1`)
    assert.throws(() => buildPrompt([asked], { config, tokenizer: without }), {
      code: 'CONFIG_QUIRK',
    })
  })
})

test('a template writes BOS and EOS as the files do, not as their ids are decoded', () => {
  const special = { special: true, normalized: true }
  const json = {
    model: { type: 'BPE', vocab: { a: 0 }, merges: [] },
    normalizer: { type: 'Prepend', prepend: '▁' },
    added_tokens: ['<s>', '</s>'].map((content, i) => ({ id: i + 1, content, ...special })),
  }
  const tokenizerConfig = { bos_token: '<s>', eos_token: '</s>' }
  const tokenizer = tokenizerFromJson(json, { tokenizerConfig })
  assert.equal(tokenizer.tokenOf(1), '▁<s>')
  const { prompt } = buildPrompt([user('a')], { config: configOf('hf'), tokenizer })
  assert.equal(prompt, '<s>[user]a</s>[assistant]')
})
