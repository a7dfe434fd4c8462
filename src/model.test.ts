/** What a loaded model promises to whoever holds it: answers, streams, refusals, stops, and an end. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { collectGarbage } from '../test/collect-garbage.ts'
import { Rng } from './core/rng.ts'
import {
  InputError,
  LlavaError,
  loadModel,
  type GenerateRequest,
  type Message,
  type Model,
  type PromptInput,
} from './index.ts'
import { writeTinyCheckpoint } from '../test/tiny/checkpoint.ts'
import { LLAVA_CLIP, TEXT_ONLY } from '../test/tiny/checkpoints.ts'
import { CONTROL_TOKENS, controlId } from '../test/tiny/tokenizer.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-model-'))
let model: Model
let textModel: Model
before(async () => {
  await writeTinyCheckpoint(join(folder, 'llava'), LLAVA_CLIP)
  await writeTinyCheckpoint(join(folder, 'text'), TEXT_ONLY)
  model = await load()
  textModel = await loadModel(join(folder, 'text'), { precision: 'f32' })
})
after(async () => {
  await model.dispose()
  await textModel.dispose()
  rmSync(folder, { recursive: true })
})

function load(options = {}): Promise<Model> {
  return loadModel(join(folder, 'llava'), { precision: 'f32', ...options })
}

/** Letters only: no control token, no half character. */
const LETTERS = Object.fromEntries(
  Array.from({ length: 256 + CONTROL_TOKENS.length }, (_, id) => id)
    .filter((id) => id < 97 || id > 122)
    .map((id) => [id, -100]),
)

function ask(text: string, options: object = {}): GenerateRequest {
  return {
    messages: [{ role: 'user', content: text }],
    maxTokens: 12,
    logitBias: LETTERS,
    ...options,
  }
}

const PIXELS = { data: new Uint8Array(40 * 30 * 3).fill(99), width: 40, height: 30 }

function askAbout(image: unknown, options: object = {}): GenerateRequest {
  const content = [
    { type: 'image', image },
    { type: 'text', text: 'What is it?' },
  ]
  return { ...ask('', options), messages: [{ role: 'user', content }] } as GenerateRequest
}

/** A prompt without options. */
function aboutOnly(image: unknown): PromptInput {
  const { messages } = askAbout(image) as { messages: Message[] }
  return { messages }
}

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'nothing was thrown'
  } catch (error) {
    return error instanceof LlavaError ? error.code : String(error)
  }
}

describe('stream', () => {
  test('the pieces are the text of the answer', async () => {
    const pieces: string[] = []
    for await (const event of model.stream(ask('Hello'))) {
      if (event.type === 'text') pieces.push(event.text)
      else {
        assert.equal(pieces.join(''), event.text)
        assert.match(event.text, /^[a-z]{12}$/)
        assert.deepEqual(event.tokens, (await model.generate(ask('Hello'))).tokens)
      }
    }
    assert.ok(pieces.length > 1)
  })

  test('two at once are each what they would be alone', async () => {
    const read = async (text: string) => {
      let result = ''
      for await (const event of model.stream(ask(text)))
        if (event.type === 'text') result += event.text
      return result
    }
    const together = await Promise.all([read('One'), read('Two')])
    assert.deepEqual(together, [await read('One'), await read('Two')])
  })

  // Those of the first came, whichever was the best, and usage counted the best alone.
  test('pieces of several answers say of which they are, and usage counts all', async () => {
    const request = ask('Once', { n: 3, temperature: 1.5, seed: 4, ignoreEos: true })
    const texts = ['', '', '']
    for await (const event of model.stream(request)) {
      if (event.type === 'text') texts[event.index!] += event.text
      else {
        const { text, sequences = [], usage } = event
        assert.deepEqual(
          sequences.map((one) => one.text),
          sequences.map(({ index }) => texts[index!]),
        )
        assert.deepEqual(sequences.map(({ index }) => index).sort(), [0, 1, 2])
        assert.equal(text, texts[sequences[0]!.index!])
        const all = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0)
        assert.equal(usage.completionTokens, all)
      }
    }
    assert.equal(new Set(texts).size, 3)
  })

  test('leaving the loop stops the answer', async () => {
    const stream = model.stream(ask('Hello', { maxTokens: 2000 }))
    const { value } = await stream.next()
    assert.equal(value?.type, 'text')
    const start = performance.now()
    await stream.return()
    // All of them would take many times as long.
    assert.ok(performance.now() - start < 1000)
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
  })

  test('a wrong request is refused at the first event', async () => {
    const wrong = [
      {},
      { ...ask('Hi'), signal: 'stop' },
      { ...ask('Hi'), maxToken: 4 },
      undefined,
      null,
    ]
    for (const request of wrong) {
      const stream = model.stream(request as GenerateRequest)
      await assert.rejects(stream.next(), InputError)
    }
  })
})

describe('what cannot be answered is refused with a code', () => {
  const messages = (content: unknown) => () =>
    model.generate({ messages: content } as GenerateRequest)
  const REFUSED: readonly (readonly [string, string, () => unknown])[] = [
    ['no messages', 'INPUT_MESSAGES', messages([])],
    ['no prompt at all', 'INPUT_PROMPT', () => model.generate({} as GenerateRequest)],
    ['an unknown role', 'INPUT_MESSAGES', messages([{ role: 'robot', content: 'Hi' }])],
    [
      'an unknown part',
      'INPUT_MESSAGES',
      messages([{ role: 'user', content: [{ type: 'sound' }] }]),
    ],
    ['an unknown option', 'INPUT_UNKNOWN_OPTION', () => model.generate(ask('Hi', { topp: 1 }))],
    [
      'a place without picture',
      'INPUT_IMAGE_PLACES',
      () => model.generate({ prompt: '<image>\nHi' }),
    ],
    [
      'a picture without place',
      'INPUT_IMAGE_PLACES',
      () => model.generate({ prompt: 'Hi', images: [PIXELS] }),
    ],
    [
      'the same by ids',
      'INPUT_IMAGE_PLACES',
      () => model.generate({ inputIds: [1, controlId('<image>')] }),
    ],
    ['an id of no token', 'INPUT_PROMPT', () => model.generate({ inputIds: [1, 9999] })],
    ['a negative id', 'INPUT_PROMPT', () => model.generate({ inputIds: [1, -5] })],
    [
      'a picture for a model without eyes',
      'INPUT_IMAGE_UNSUPPORTED',
      () => textModel.generate(askAbout(PIXELS)),
    ],
    [
      'a clip for a model without eyes',
      'INPUT_VIDEO_UNSUPPORTED',
      () => textModel.generate({ prompt: 'Hi', videos: [[PIXELS]] }),
    ],
    [
      'a picture that is not there',
      'INPUT_IMAGE_MISSING',
      () => model.generate(askAbout('no.png')),
    ],
    [
      'bytes that are no picture',
      'INPUT_IMAGE_UNREADABLE',
      () => model.generate(askAbout(new Uint8Array(9))),
    ],
    [
      'a remote picture',
      'INPUT_IMAGE_REMOTE',
      () => model.generate(askAbout('http://127.0.0.1:9/a.png')),
    ],
    ['a batch that is no list', 'INPUT_PROMPT', () => model.generateBatch({} as never)],
    [
      'positions that are not there',
      'INPUT_POSITIONS',
      () => model.logits({ prompt: 'Hi', positions: [99] }),
    ],
    ['a score of nothing', 'INPUT_OPTION', () => model.score({ prompt: 'Hi', continuation: '' })],
    ['the size of a Blob', 'INPUT_IMAGE_SOURCE', () => model.countTokens(aboutOnly(new Blob()))],
  ]
  for (const [what, code, call] of REFUSED) {
    test(what, async () => assert.equal(await codeOf(call), code))
  }

  test('a prompt longer than the context, by how much', async () => {
    const { maxContext } = model.config
    const ids = (count: number) => ({ inputIds: Array<number>(count).fill(65) })
    const messageOf = async (call: Promise<unknown>) =>
      call.then(
        () => '',
        (error: unknown) => {
          assert.ok(error instanceof InputError && error.code === 'INPUT_CONTEXT')
          return error.message
        },
      )
    const told = await messageOf(model.generate({ ...ids(maxContext + 2), maxTokens: 1 }))
    assert.match(
      told,
      /^prompt: it has 2050 tokens \(0 of them pictures and clips\), 2 more than the context of 2048/,
    )
    assert.match(
      await messageOf(model.generate(ids(maxContext))),
      /1 more than the context of 2048 leaves beside 1 of the answer/,
    )
    assert.match(await messageOf(model.logits(ids(maxContext + 1))), /1 more than the context/)
    const scored = model.score({ ...ids(maxContext - 2), continuation: 'abc' })
    assert.match(await messageOf(scored), /1 more than the context of 2048 leaves beside 3/)
  })

  test('the answer ends where the context does', async () => {
    await using small = await load({ maxContext: 20 })
    const answer = await small.generate({ inputIds: [65, 66, 67], maxTokens: 100, ignoreEos: true })
    assert.equal(answer.tokens.length, 17)
    assert.equal(answer.finishReason, 'length')
  })
})

describe('continuations of a text', () => {
  test('are tokens of the text with them, and as likely as each alone', async () => {
    const prompt = 'One and one.\nAnswer:'
    const choices = [' A', ' B', ' Two']
    const { choices: scored, usage } = await textModel.scoreChoices({ prompt, choices })
    for (const [i, { tokens, logprobs }] of scored.entries()) {
      const { inputIds } = await textModel.prepare({ prompt: `${prompt}${choices[i]}` })
      assert.deepEqual(inputIds.slice(usage.promptTokens), tokens)
      const alone = await textModel.score({ prompt, continuation: choices[i]! })
      assert.ok(Math.abs(alone.total - logprobs.reduce((a, b) => a + b)) < 1e-3)
    }
    await assert.rejects(textModel.scoreChoices({ inputIds: [1, 2], choices }), {
      code: 'INPUT_PROMPT',
    })
  })

  test('fields of another kind are refused by name', async () => {
    const wrong = { prompt: 'x', unconditional: 'yes', signal: 'x' }
    await assert.rejects(textModel.scoreChoices({ prompt: 'a' } as never), {
      message:
        'scoreChoices: choices should be at least one text, none of them empty, nothing came.',
    })
    await assert.rejects(textModel.scoreChoices(wrong as never), {
      code: 'INPUT_OPTION',
      message: /choices should be at least one .*unconditional should .*signal should be an Abort/,
    })
  })
})

test('every call refuses what is no request', async () => {
  const calls = ['generate', 'prepare', 'encodeImages', 'logits', 'score', 'scoreChoices'] as const
  for (const name of [...calls, 'measureMedia', 'generateBatch', 'countTokens'] as const) {
    for (const input of [undefined, null, 5, 'x', []]) {
      if (name === 'generateBatch' && Array.isArray(input)) continue
      const call = async () => textModel[name](input as never)
      await assert.rejects(call, (error) => error instanceof LlavaError, `${name}: ${input}`)
    }
  }
})

describe('a search of beams', () => {
  test('tells the log-probabilities of its best answer where they are asked for', async () => {
    const request = { prompt: 'Hello', maxTokens: 6, numBeams: 3, ignoreEos: true }
    assert.equal((await model.generate(request)).logprobs, undefined)
    const { tokens, logprobs, sequences } = await model.generate({ ...request, topLogprobs: 2 })
    assert.deepEqual(
      logprobs?.map(({ id }) => id),
      tokens,
    )
    assert.ok(logprobs.every(({ top }) => top.length === 2 && top[0]!.logprob >= top[1]!.logprob))
    const sum = logprobs.reduce((all, { logprob }) => all + logprob, 0)
    assert.ok(Math.abs(sum / tokens.length - sequences![0]!.score) < 1e-5)
  })
})

describe('pictures in every form give one answer', () => {
  test('path, bytes, Blob, data URL, OpenAI form, pixels of one to four channels', async () => {
    const path = 'fixtures/pictures/photo-100x100.png'
    const { readFileSync } = await import('node:fs')
    const bytes = new Uint8Array(readFileSync(path))
    const url = `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`
    const expected = (await model.generate(askAbout(path))).tokens
    for (const image of [bytes, new Blob([bytes]), url, new URL(url)]) {
      assert.deepEqual((await model.generate(askAbout(image))).tokens, expected)
    }
    const content = [
      { type: 'image_url', image_url: { url, detail: 'high' } },
      { type: 'text', text: 'What is it?' },
    ]
    const openAi = { ...ask(''), messages: [{ role: 'user', content }] } as GenerateRequest
    assert.deepEqual((await model.generate(openAi)).tokens, expected)

    const grey = [1, 2, 3, 4].map((channels) => {
      const data = new Uint8Array(40 * 30 * channels).fill(99)
      return { data, width: 40, height: 30, channels }
    })
    const [first, ...others] = await Promise.all(
      grey.map((image) => model.generate(askAbout(image))),
    )
    for (const other of others) assert.deepEqual(other.tokens, first!.tokens)
    assert.equal(grey[2]!.data.length, 40 * 30 * 3, 'the caller keeps his pixels')
  })
})

describe('abort', () => {
  const usable = async () =>
    assert.equal((await model.generate(ask('Hello'))).finishReason, 'length')

  test('before the start: nothing runs', async () => {
    for (const request of [ask('Hello'), askAbout(PIXELS), ask('Hello', { numBeams: 2 })]) {
      const answer = await model.generate({ ...request, signal: AbortSignal.abort() })
      assert.equal(answer.finishReason, 'abort')
      assert.deepEqual(answer.tokens, [])
    }
    await usable()
  })

  test('at any moment: the answer is what there was until then', async () => {
    const full = await model.generate(askAbout(PIXELS, { maxTokens: 200 }))
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const controller = new AbortController()
      // A picture that was not seen before goes through the tower.
      const image = { ...PIXELS, data: PIXELS.data.map((value) => value + turns) }
      const answering = model.generate(
        askAbout(turns % 2 ? image : PIXELS, { maxTokens: 200, signal: controller.signal }),
      )
      for (let i = 0; i < turns; i++) await new Promise(setImmediate)
      controller.abort()
      const answer = await answering
      if (answer.finishReason === 'length') continue
      assert.equal(answer.finishReason, 'abort')
      if (turns % 2 === 0) {
        assert.deepEqual(answer.tokens, full.tokens.slice(0, answer.tokens.length))
      }
    }
    await usable()
  })

  test('one of a batch: the others are answered', async () => {
    const controller = new AbortController()
    const requests = [
      ask('One', { signal: AbortSignal.abort() }),
      ask('Two'),
      ask('Three', { maxTokens: 1000, signal: controller.signal }),
      askAbout(PIXELS, { signal: AbortSignal.abort() }),
    ]
    const answering = model.generateBatch(requests)
    setTimeout(() => controller.abort(), 40)
    const answers = await answering
    assert.deepEqual(
      answers.map(({ finishReason }) => finishReason),
      ['abort', 'length', 'abort', 'abort'],
    )
    assert.deepEqual(answers[1]!.tokens, (await model.generate(ask('Two'))).tokens)
    await usable()
  })

  test('200 times leaves memory flat', async () => {
    const rng = new Rng(9)
    const abortOnce = async () => {
      const controller = new AbortController()
      const data = PIXELS.data.map((value) => value + rng.integer(3))
      const request =
        rng.uniform() < 0.5 ? askAbout({ ...PIXELS, data }) : ask('Hello '.repeat(120))
      const answering = model.generate({ ...request, maxTokens: 500, signal: controller.signal })
      const moment = rng.integer(40)
      for (let i = 0; i < moment; i++) await new Promise(setImmediate)
      controller.abort()
      await answering
    }
    const resident = () => {
      collectGarbage()
      return process.memoryUsage().rss
    }
    for (let i = 0; i < 60; i++) await abortOnce()
    const before = resident()
    for (let i = 0; i < 200; i++) await abortOnce()
    const grown = (resident() - before) / 2 ** 20
    // One leaked cache of such a call has 1 MiB and more.
    assert.ok(grown < 48, `${grown.toFixed(1)} MiB more`)
    await usable()
  })
})

describe('a batch', () => {
  test('of nothing gives nothing', async () => assert.deepEqual(await model.generateBatch([]), []))

  test('names the faults of any of its requests', async () => {
    assert.equal(
      await codeOf(() => model.generateBatch([ask('Hi'), ask('Hi', { topp: 1 })])),
      'INPUT_UNKNOWN_OPTION',
    )
  })

  test('may hold searches and several answers', async () => {
    const requests = [ask('One', { numBeams: 2 }), ask('Two', { n: 2, temperature: 1 })]
    const answers = await model.generateBatch(requests)
    assert.deepEqual(
      answers.map(({ sequences }) => sequences?.length),
      [2, 2],
    )
    assert.deepEqual(answers[1]!.tokens, (await model.generate(requests[1]!)).tokens)
  })
})

describe('two models at once', () => {
  test('answer as each does alone, and one outlives the other', async () => {
    const other = await load()
    const alone = await model.generate(ask('Hello'))
    const [here, there, text] = await Promise.all([
      model.generate(ask('Hello')),
      other.generate(ask('Hello')),
      textModel.generate(ask('Hello')),
    ])
    assert.deepEqual(here.tokens, alone.tokens)
    assert.deepEqual(there.tokens, alone.tokens)
    assert.notDeepEqual(text.tokens, alone.tokens)
    await other.dispose()
    assert.deepEqual((await model.generate(ask('Hello'))).tokens, alone.tokens)
  })
})

describe('disposing', () => {
  test('may be done twice, and every later call is refused', async () => {
    const gone = await load()
    await Promise.all([gone.dispose(), gone.dispose()])
    await gone.dispose()
    const calls: (() => unknown)[] = [
      () => gone.generate(ask('Hi')),
      () => gone.generateBatch([ask('Hi')]),
      () => gone.stream(ask('Hi')).next(),
      () => gone.prepare({ prompt: 'Hi' }),
      () => gone.encodeImages({ prompt: 'Hi' }),
      () => gone.logits({ prompt: 'Hi' }),
      () => gone.score({ prompt: 'Hi', continuation: 'x' }),
      () => gone.countTokens({ prompt: 'Hi' }),
    ]
    for (const call of calls) assert.equal(await codeOf(call), 'CONFIG_MODEL_DISPOSED')
  })

  test('waits for the calls that run', async () => {
    const busy = await load()
    const answering = busy.generate(ask('Hello', { maxTokens: 50 }))
    const stream = busy.stream(ask('Two', { maxTokens: 30 }))
    await stream.next()
    await busy.dispose()
    assert.equal((await answering).tokens.length, 50)
    let last
    for await (const event of stream) last = event
    assert.equal(last?.type, 'done')
  })

  // A worker that waited for the model's first picture kept the process alive.
  test('may be left to the end of the process, which nothing holds', async () => {
    const script = `
      const { loadModel } = await import(process.argv[1])
      const model = await loadModel(process.argv[2], { precision: 'f32' })
      const options = { maxTokens: 2, responseFormat: { type: 'choice', choices: ['a'] } }
      const ask = (content) => model.generate({ messages: [{ role: 'user', content }], ...options })
      await ask('Hello')
      await ask([{ type: 'image', image: 'nowhere.jpg' }]).catch(({ code }) => console.log(code))`
    const index = new URL('./index.js', import.meta.url).href
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script, index, join(folder, 'llava')],
      { timeout: 20_000 },
    )
    assert.equal(stdout, 'INPUT_IMAGE_MISSING\n')
  })
})
