import assert from 'node:assert/strict'
import { test } from 'node:test'

import { InputError } from '../core/errors.ts'
import { parseGenerationConfig } from './generation-config.ts'
import { parseGenerateRequest, parsePrompt } from './request.ts'

const text = { type: 'text', text: 'What is it?' }
const parse = (input: unknown) => parsePrompt('model.prepare', input)
const content = (...parts: unknown[]) => ({ messages: [{ role: 'user', content: parts }] })

function refuses(input: unknown, ...patterns: RegExp[]): void {
  assert.throws(
    () => parse(input),
    (error) => {
      assert.ok(error instanceof InputError)
      for (const pattern of patterns) assert.match(error.message, pattern)
      return true
    },
  )
}

test('every form of a picture is taken, in order', () => {
  const pixels = { data: new Uint8Array(12), width: 2, height: 2 }
  const sources = ['a.jpg', new URL('file:///a.jpg'), new Uint8Array(3), new Blob([]), pixels]
  const { images } = parse(content(...sources.map((image) => ({ type: 'image', image })), text))
  assert.deepEqual(images, sources)
  assert.equal(
    parse(content({ type: 'image', image: { ...pixels, channels: 3 } })).images.length,
    1,
  )
})

test('OpenAI’s image_url, with or without its object, is a picture in its place', () => {
  const url = 'data:image/png;base64,AA=='
  const prompt = parse(
    content({ type: 'image_url', image_url: { url, detail: 'low' } }, text, {
      type: 'image_url',
      image_url: url,
    }),
  )
  assert.deepEqual(prompt.images, [url, url])
  assert.ok(prompt.kind === 'messages')
  assert.deepEqual(prompt.messages[0]!.content, [
    { type: 'image', image: url },
    text,
    { type: 'image', image: url },
  ])
})

test('clips keep what they say about frames, and may be pictures', () => {
  const video = { type: 'video', video: ['1.png', new Uint8Array(1)], frames: 2, fps: 0.5 }
  assert.deepEqual(parse(content(video, text)).videos, [video])
})

test('a text alone stays a text, for templates that care', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
  ]
  const media = { images: [], videos: [], media: [] }
  assert.deepEqual(parse({ messages }), {
    kind: 'messages',
    messages,
    toolUse: null,
    ...media,
  })
})

test('a prompt or token ids bring pictures beside them', () => {
  assert.deepEqual(parse({ prompt: '<image>\nHi', images: ['a.jpg'] }), {
    kind: 'text',
    text: '<image>\nHi',
    images: ['a.jpg'],
    videos: [],
    media: ['image'],
  })
  assert.deepEqual(parse({ inputIds: [1, 2], videos: ['folder'] }), {
    kind: 'ids',
    ids: [1, 2],
    images: [],
    videos: [{ type: 'video', video: 'folder' }],
    media: ['video'],
  })
})

test('pictures and clips keep their order in messages; beside a prompt pictures come first', () => {
  const video = { type: 'video', video: 'clip.mp4', frames: 4 }
  const picture = { type: 'image', image: 'a.jpg' }
  assert.deepEqual(parse(content(video, picture, text)).media, ['video', 'image'])
  const beside = parse({ prompt: 'Hi', images: ['a.jpg'], videos: [video, 'b.mp4'] })
  assert.deepEqual(beside.media, ['image', 'video', 'video'])
  assert.deepEqual(beside.videos, [video, { type: 'video', video: 'b.mp4' }])
})

test('faults name their path, and all of them come at once', () => {
  refuses(
    content(
      { type: 'image', image: 7 },
      { type: 'text' },
      { type: 'picture' },
      { type: 'text', text: 'a', txt: 1 },
    ),
    /^model\.prepare: messages\[0\]\.content\[0\]\.image should be a path, URL, Uint8Array, Blob or \{ data, width, height \}, 7 came\./,
    /messages\[0\]\.content\[1\]\.text should be a text, nothing came\./,
    /messages\[0\]\.content\[2\]\.type should be text or image or image_url or video, "picture" came\./,
    /messages\[0\]\.content\[3\]\.txt is not a known name; did you mean text\.$/,
  )
  refuses(
    { messages: [{ role: 'human', content: null, name: 'x' }, 3] },
    /\.role should be system or user or assistant or tool, "human"/,
    /\.content should be/,
    /messages\[0\]\.name/,
    /messages\[1\] should be/,
  )
})

test('pixels must fit their size, and no message shows them', () => {
  const image = { data: new Uint8Array(11), width: 2, height: 2 }
  refuses(
    content({ type: 'image', image }),
    /1 to 4 samples in a Uint8Array for each of 2 x 2 pixels, 11 samples came/,
  )
  refuses(content({ type: 'image', image: { ...image, width: 2 ** 31 } }), /11 samples came/)
  refuses(
    content({ type: 'image', image: { ...image, data: Array(12).fill(7) } }),
    /a list of 12 came/,
  )
})

test('a prompt has exactly one form', () => {
  refuses({}, /exactly one of messages, prompt, inputIds, none of them came/)
  refuses({ prompt: 'a', inputIds: [1] }, /prompt and inputIds came/)
  refuses({ prompt: '' }, /prompt should be a text that is not empty/)
  refuses(
    { inputIds: [1, 0.5] },
    /inputIds should be a list of at least one token id, \[1, 0\.5\] came/,
  )
  refuses({ inputIds: [] }, /inputIds/)
  refuses({ messages: [] }, /messages should be a list of at least one message/)
  refuses({ ...content(text), images: [] }, /go into the content of messages/)
  refuses({ prompt: 'a', images: 'a.jpg' }, /images should be a list of images, "a.jpg" came/)
  refuses('Hi', /the request should be an object with messages, prompt or inputIds, "Hi" came/)
  refuses({ prompt: 'a', position: 'all' }, /position is not a known name/)
})

test('names of the call itself are known', () => {
  assert.equal(
    parsePrompt('model.logits', { prompt: 'a', positions: 'all' }, ['positions']).kind,
    'text',
  )
})

test('a request is a prompt and options, and its faults come together', () => {
  const { prompt, options } = parseGenerateRequest(
    { prompt: 'Hi', maxTokens: 5 },
    parseGenerationConfig(),
  )
  assert.deepEqual([prompt.kind, options.maxTokens, options.temperature], ['text', 5, 0])
  assert.throws(
    () =>
      parseGenerateRequest({ prompts: 'Hi', maxTokens: 0, temperatur: 1 }, parseGenerationConfig()),
    (error) =>
      error instanceof InputError &&
      error.code === 'INPUT_UNKNOWN_OPTION' &&
      [
        'prompts is not a known name; did you mean prompt',
        'did you mean temperature',
        'none of them came',
        'maxTokens should be',
      ].every((part) => error.message.includes(part)),
  )
})

test('an answer in a conversation ends where the next turn would begin, one to a text does not', () => {
  const file = parseGenerationConfig({ eos_token_id: 2 })
  const config = { ...file, turnEnd: { texts: ['###'], tokenIds: [2, 7] } }
  const messages = [{ role: 'user', content: 'Hi' }]
  const ends = (request: object) => {
    const { stop, eosTokenIds } = parseGenerateRequest(request, config).options
    return { stop, eosTokenIds }
  }
  assert.deepEqual(ends({ messages }), { stop: ['###'], eosTokenIds: [2, 7] })
  assert.deepEqual(ends({ messages, stop: 'END' }).stop, ['END', '###'])
  assert.deepEqual(ends({ messages, ignoreEos: true }), { stop: [], eosTokenIds: [2] })
  assert.deepEqual(ends({ prompt: 'Hi' }), { stop: [], eosTokenIds: [2] })
})
