/**
 * Pictures and clips that several requests ask about are decoded once, at the same time or later, by whatever name they come;
 * and every answer is what it is without that.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel, type ContentPart, type GenerateRequest, type Model } from '../../src/index.ts'

const MODEL = 'fixtures/inference/mini-vit-crop'
const CLIP = 'fixtures/pictures/clip'
const PICTURE = 'fixtures/pictures/photo-640x480.jpg'
const FRAMES = 3
const QUESTIONS = ['What?', 'Where is it?', 'Who moves?', 'Is it red?']

const root = mkdtempSync(join(tmpdir(), 'llava-shared-'))
let model: Model
/** Nothing is kept, and one question is asked at a time. */
let plain: Model

before(async () => {
  model = await loadModel(MODEL, { precision: 'f32' })
  plain = await loadModel(MODEL, { precision: 'f32', prefixCache: false, pictureBytes: 0 })
})
after(async () => {
  await model.dispose()
  await plain.dispose()
  rmSync(root, { recursive: true })
})

function ask(part: ContentPart, text: string, more: Partial<GenerateRequest> = {}) {
  const content = [part, { type: 'text', text } as const]
  return { messages: [{ role: 'user', content } as const], maxTokens: 4, ...more }
}

const clip = (video: string | readonly string[]): ContentPart => ({
  type: 'video',
  video,
  frames: FRAMES,
})

/** What `run` gives, and how many pictures and frames were decoded for it. */
async function decodedBy<T>(run: () => Promise<T>): Promise<{ result: T; decoded: number }> {
  const before = model.stats().counters.decodedPictures
  const result = await run()
  return { result, decoded: model.stats().counters.decodedPictures - before }
}

/** A clip of its own for a test, old enough that its files are known to be what they were. */
function copyOf(name: string): string {
  const folder = join(root, name)
  cpSync(CLIP, folder, { recursive: true })
  const hourAgo = new Date(Date.now() - 3_600_000)
  for (const file of readdirSync(folder)) utimesSync(join(folder, file), hourAgo, hourAgo)
  return folder
}

test('questions that come together decode a clip once, one that comes later not at all', async () => {
  const folder = copyOf('once')
  const together = await decodedBy(() =>
    Promise.all(QUESTIONS.map((text) => model.generate(ask(clip(folder), text)))),
  )
  assert.equal(together.decoded, FRAMES)
  const later = await decodedBy(() => model.generate(ask(clip(folder), 'And then?')))
  assert.equal(later.decoded, 0)
  const list = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
  const listed = await decodedBy(() => model.generate(ask(clip(list), 'And then?')))
  assert.equal(listed.decoded, 0)
  const expected = []
  for (const text of [...QUESTIONS, 'And then?']) {
    expected.push((await plain.generate(ask(clip(folder), text))).tokens)
  }
  const tokens = [...together.result, later.result].map((answer) => answer.tokens)
  assert.deepEqual(tokens, expected)
  assert.deepEqual(listed.result.tokens, expected.at(-1))
})

test('a picture is decoded once, by whatever name it comes', async () => {
  const bytes = new Uint8Array(readFileSync(PICTURE))
  const url = `data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}`
  const forms = [PICTURE, bytes, url, new Blob([bytes])]
  const { result, decoded } = await decodedBy(async () => {
    const [first, ...rest] = forms.map(
      (image) => () => model.generate(ask({ type: 'image', image }, 'What?')),
    )
    return [await first!(), ...(await Promise.all(rest.map((run) => run())))]
  })
  assert.equal(decoded, 1)
  const { tokens } = await plain.generate(ask({ type: 'image', image: PICTURE }, 'What?'))
  for (const answer of result) assert.deepEqual(answer.tokens, tokens)
})

test('who joins a clip that is being decoded and leaves does not take it from the other', async () => {
  const folder = copyOf('left')
  const leaves = new AbortController()
  const { result, decoded } = await decodedBy(async () => {
    const before = model.stats().counters.decodedPictures
    const stays = model.generate(ask(clip(folder), 'What?'))
    while (model.stats().counters.decodedPictures === before) await new Promise(setImmediate)
    const joins = model.generate(ask(clip(folder), 'Who?', { signal: leaves.signal }))
    await new Promise(setImmediate)
    leaves.abort()
    return Promise.all([stays, joins])
  })
  assert.deepEqual(
    result.map(({ finishReason }) => finishReason === 'abort'),
    [false, true],
  )
  assert.equal(decoded, FRAMES)
  assert.deepEqual(result[0]!.tokens, (await plain.generate(ask(clip(folder), 'What?'))).tokens)
})

test('a frame that has changed is seen', async () => {
  const folder = copyOf('changed')
  await model.generate(ask(clip(folder), 'What?'))
  const [first] = readdirSync(folder).sort()
  cpSync('fixtures/pictures/photo-336x336.png', join(folder, first!))
  const { result, decoded } = await decodedBy(() => model.generate(ask(clip(folder), 'What?')))
  assert.equal(decoded, FRAMES)
  assert.deepEqual(result.tokens, (await plain.generate(ask(clip(folder), 'What?'))).tokens)
})

test('requests of another salt share nothing', async () => {
  const folder = copyOf('salted')
  const { decoded } = await decodedBy(() =>
    Promise.all(
      ['one', 'other', 'one'].map((cacheSalt) =>
        model.generate(ask(clip(folder), 'What?', { cacheSalt })),
      ),
    ),
  )
  assert.equal(decoded, 2 * FRAMES)
})

test('where rows have no room, a question alone decodes again and those together still once', async () => {
  const one = () => plain.generate(ask(clip(CLIP), 'What?'))
  const count = () => plain.stats().counters.decodedPictures
  const start = count()
  await one()
  await one()
  assert.equal(count() - start, 2 * FRAMES)
  await Promise.all([one(), one(), one()])
  assert.equal(count() - start, 3 * FRAMES)
})
