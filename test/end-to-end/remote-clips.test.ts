/** Clips that a server is sent: folders and lists of pictures, films and parts of them, give what a model here gives. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { gen, loadModel, program, user, video, type Model } from '../../src/index.ts'
import { label } from '../../src/label/index.ts'
import { probeImage } from '../../src/preprocess/probe-image.ts'
import type { VideoPart } from '../../src/serve/messages.ts'
import { wireMessages } from '../../src/serve/remote/chat-wire.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { startFront, type Front } from './upstream-setup.ts'

const FRAMES = 'fixtures/pictures/clip'
const FILM = 'fixtures/clips/420.y4m'
const files = readdirSync(FRAMES)
  .sort()
  .map((name) => join(FRAMES, name))
const urlOf = (frames: readonly Uint8Array[]) =>
  `data:video/jpeg;base64,${frames.map((frame) => Buffer.from(frame).toString('base64')).join(',')}`
const root = mkdtempSync(join(tmpdir(), 'llava-remote-clips-'))

let model: Model
let server: TestServer
let front: Front
before(async () => {
  model = await loadModel('fixtures/inference/next-video-rope', { precision: 'f32' })
  server = await startServer({ model })
  front = await startFront([server.url])
})
after(async () => {
  await front.close()
  await server.close()
  await model.dispose()
  rmSync(root, { recursive: true })
})

const OPTIONS = { maxTokens: 5, temperature: 0, ignoreEos: true } as const
const here = async (part: Omit<VideoPart, 'type'>) => {
  const content = [{ type: 'video', ...part } as const, { type: 'text', text: 'What?' } as const]
  const { text, usage } = await model.generate({
    messages: [{ role: 'user', content }],
    ...OPTIONS,
  })
  return { text, tokens: usage.promptTokens }
}
const there = async (part: object, { post }: { post: TestServer['post'] } = server) => {
  const content = [
    { type: 'video_url', ...part },
    { type: 'text', text: 'What?' },
  ]
  const body = { messages: [{ role: 'user', content }], max_tokens: 5, ignore_eos: true }
  const { status, body: answer } = await post('/v1/chat/completions', { ...body, temperature: 0 })
  if (status !== 200) return { status, ...answer.error }
  return { text: answer.choices[0].message.content, tokens: answer.usage.prompt_tokens }
}
const CLIPS: readonly Omit<VideoPart, 'type'>[] = [
  { video: FRAMES },
  { video: files, frames: 3 },
  { video: FILM, start: 0.1, end: 0.3 },
  { video: FILM, frames: 2, start: 0.1 },
]

test('a clip of frames in one URL is the clip that a list of them is, and so behind a front', async () => {
  const url = urlOf(files.map((file) => readFileSync(file)))
  const expected = await here({ video: files, frames: 3 })
  assert.deepEqual(await there({ video_url: { url }, frames: 3 }), expected)
  assert.deepEqual(await there({ video_url: url, frames: 3 }, front), expected)
  const part = { video_url: url, start: 2, end: 5 }
  assert.deepEqual(await there(part), await here({ video: files, start: 2, end: 5 }))
})

test('a part of a film is named by start and end, and so behind a front', async () => {
  const url = `data:video/x-yuv4mpeg;base64,${readFileSync(FILM).toString('base64')}`
  const expected = await here({ video: FILM, start: 0.1, end: 0.3 })
  assert.notDeepEqual(expected, await here({ video: FILM }))
  for (const one of [server, front]) {
    assert.deepEqual(await there({ video_url: { url }, start: 0.1, end: 0.3 }, one), expected)
  }
  const { status, code, param } = await there({ video_url: { url }, start: 2, end: 1 })
  assert.equal(param, 'messages[0].content[0].end')
  assert.deepEqual([status, code], [400, 'INPUT_MESSAGES'])
})

test('frames are checked as pictures are: by their headers, by their sum, by their count', async () => {
  const [frame] = files.map((file) => readFileSync(file)) as [Buffer]
  const bomb = Buffer.from(frame)
  // Width and height of a PNG that claims more pixels than are decoded.
  for (const at of [16, 20]) bomb.writeUInt32BE(60_000, at)
  const refused: readonly (readonly [string, string, number?])[] = [
    [urlOf([frame, bomb]), 'INPUT_IMAGE_TOO_LARGE', 413],
    [urlOf([frame, Buffer.from('no picture')]), 'INPUT_IMAGE_UNREADABLE'],
    [urlOf(Array.from({ length: 1025 }, () => Buffer.from('x'))), 'INPUT_MEDIA_COUNT'],
    [`${urlOf([frame])},%`, 'INPUT_MEDIA_URL'],
    [urlOf([frame, frame.subarray(0, 200)]), 'INPUT_IMAGE_UNREADABLE'],
  ]
  for (const [url, code, status = 400] of refused) {
    const answer = await there({ video_url: { url } })
    assert.deepEqual([answer.status, answer.code], [status, code])
    assert.equal(answer.param, 'messages[0].content[0].video_url')
  }
})

test('labelling folders of frames by a server gives what a model here gives', async () => {
  const input = join(root, 'clips')
  cpSync(FRAMES, join(input, 'one'), { recursive: true })
  const rows = async (name: string, engine: object, more: object = {}) => {
    const out = join(root, `${name}.jsonl`)
    const common = { input, prompts: ['What?'], clipFolders: true, maxTokens: 5, out, ...more }
    await label({ ...common, engines: [engine as { url: string }] })
    const [row] = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    return { text: row.text, usage: row.usage, error: row.error }
  }
  for (const more of [{}, { frames: 3 }]) {
    const name = Object.keys(more).join('')
    const local = await rows(`here${name}`, { model, name: 'tiny' }, more)
    assert.equal(local.error, null)
    assert.deepEqual(await rows(`there${name}`, { url: `${server.url}/v1` }, more), local)
  }
})

test('programs on a server see the clips that they see on a model', async () => {
  for (const { video: source, ...options } of CLIPS) {
    const ask = program(async (s) => {
      await s.add(user(video(source, options), 'What?'))
      await s.assistant(gen('answer', OPTIONS))
    })
    const [local, remote] = await Promise.all([
      ask.run(model),
      ask.run({ url: server.url, model: server.id }),
    ])
    assert.equal(remote.get('answer'), local.get('answer'))
    assert.equal(remote.usage.promptTokens, local.usage.promptTokens)
  }
})

test('other servers are sent frames: those that are asked for, 32 where nobody says, of parts of films as well', async () => {
  const messages = (part: Omit<VideoPart, 'type'>) => [
    { role: 'user' as const, content: [{ type: 'video' as const, ...part }] },
  ]
  const read = async (path: string) => new Uint8Array(readFileSync(path))
  const sent = async (part: Omit<VideoPart, 'type'>, kind: 'vllm' | null) => {
    const [message] = (await wireMessages(messages(part), read, async () => kind)) as {
      content: { video_url: { url: string } }[]
    }[]
    const {
      video_url: { url },
      ...fields
    } = message!.content[0]! as { video_url: { url: string } }
    assert.match(url.slice(0, 40), /^data:video\/jpeg;base64,/)
    const frames = url
      .split(',')
      .slice(1)
      .map((text) => Buffer.from(text, 'base64'))
    return { frames, fields }
  }
  const whole = files.map((file) => readFileSync(file))
  const all = await sent({ video: FRAMES }, 'vllm')
  assert.deepEqual(all, { frames: whole, fields: { type: 'video_url' } })
  const three = await sent({ video: files, frames: 3 }, 'vllm')
  assert.deepEqual(
    three.frames,
    [0, 3, 7].map((i) => whole[i]),
  )
  const many = Array.from({ length: 100 }, (_, i) => files[i % files.length] as string)
  assert.equal((await sent({ video: many }, null)).frames.length, 32)
  const part = await sent({ video: FILM, start: 0.1, end: 0.3 }, null)
  assert.equal(
    part.frames.length,
    (await model.prepare({ messages: messages({ video: FILM, start: 0.1, end: 0.3 }) })).videos[0]!
      .frames,
  )
  assert.equal(probeImage(part.frames[0]!).format, 'png')
  const rgb = { width: 1920, height: 1080, data: new Uint8Array(1920 * 1080 * 3).fill(99) }
  const large = await sent({ video: Array.from({ length: 8 }, () => rgb) }, 'vllm')
  assert.deepEqual([large.frames.length, probeImage(large.frames[0]!).format], [8, 'jpeg'])
})

test('SGLang, which takes films alone, is refused before a run begins', async () => {
  const peer = createServer((request, response) => {
    void json(request).catch(() => null)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ data: [{ id: 'M', owned_by: 'sglang' }] }))
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}/v1`
  try {
    const out = join(root, 'sglang.jsonl')
    const options = { input: root, prompts: ['What?'], clipFolders: true, out }
    await assert.rejects(label({ ...options, engines: [{ url }] }), { code: 'INPUT_LABEL_ENGINE' })
  } finally {
    peer.close()
  }
})
