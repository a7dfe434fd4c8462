/** Samples are what serving would read, with the answers behind it. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel, type Model } from '../index.ts'
import { checkPicture } from '../data/check-picture.ts'
import type { DataRecord, RecordTurn } from '../data/record.ts'
import { TINY_MODEL } from '../../test/tiny-run.ts'
import { LazyPixels } from './lazy-pixels.ts'
import { openPreparer, type OpenedPreparer } from './open-preparer.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import type { Sample } from './index.ts'

const INFERENCE = join('fixtures', 'inference')
const PICTURES = join('fixtures', 'pictures')

const folder = mkdtempSync(join(tmpdir(), 'llava-records-'))
const clip = join(folder, 'clip')
before(() => {
  mkdirSync(clip)
  const source = readFileSync(join(PICTURES, 'photo-100x100.png'))
  for (const name of ['a.png', 'b.png', 'c.png']) writeFileSync(join(clip, name), source)
})
after(() => rmSync(folder, { recursive: true }))

function record(given: Partial<DataRecord>): DataRecord {
  const turns = [
    { from: 'human' as const, value: '<image>\nWhat is <|im_end|> it?' },
    { from: 'gpt' as const, value: 'A house.' },
    { from: 'human' as const, value: 'And?' },
    { from: 'gpt' as const, value: 'A tree <image>?' },
  ]
  const images = [join(PICTURES, 'photo-500x333.png')]
  return { id: '0', source: 's', origin: null, images, videos: [], turns, ...given }
}

async function withPreparer<T>(
  overrides: Readonly<Record<string, unknown>>,
  job: (opened: OpenedPreparer) => Promise<T>,
): Promise<T> {
  const recipe = { stage: 'instruction', data: 'd', output: 'o', ...overrides }
  const opened = await openPreparer(parseRecipe(recipe))
  try {
    return await job(opened)
  } finally {
    await opened.dispose()
  }
}

/** What the model would be asked with. */
async function prepared(model: Model, one: DataRecord) {
  const [first] = one.turns
  const text = (first?.value ?? '').replace('<image>\n', '')
  const media = [
    ...one.images.map((image) => ({ type: 'image' as const, image: image as string })),
    ...one.videos.map((video) => ({ type: 'video' as const, video })),
  ]
  const content = [...media, { type: 'text' as const, text }]
  return model.prepare({ messages: [{ role: 'user', content }] })
}

/** Learnt ids in runs. */
function learnt({ inputIds, labels }: Sample): number[][] {
  const runs: number[][] = []
  let isOpen = false
  Array.from(labels).forEach((label, i) => {
    if (label === -100) return (isOpen = false)
    assert.equal(label, inputIds[i])
    if (!isOpen) runs.push([])
    runs.at(-1)?.push(label)
    return (isOpen = true)
  })
  return runs
}

for (const [name, overrides] of [
  ['mini-vit-crop', {}],
  ['next-qwen', {}],
  ['next-qwen', { quirks: { tiles: 'one' } }],
  ['llava-linear-224/original', { tokenizer: join(INFERENCE, 'llava-linear-224') }],
] as const) {
  test(`${name} ${JSON.stringify(overrides)}: a question and its pixels are those of serving`, async () => {
    const from = join(INFERENCE, name)
    await using model = await loadModel(from, { precision: 'f32', ...overrides })
    await withPreparer({ model: { from, ...overrides } }, async ({ preparer }) => {
      for (const one of [
        record({}),
        record({
          images: [],
          turns: record({}).turns.map((turn) => ({
            ...turn,
            value: turn.value.replace('<image>', 'picture'),
          })),
        }),
      ]) {
        const right = await prepared(model, one)
        const came = await preparer.question(one)
        assert.deepEqual(came.inputIds, right.inputIds)
        if (one.images.length > 0) assert.deepEqual(came.pixelValues, right.pixelValues)
      }
    })
  })
}

// The first question came with all pictures of its record, and with no turn where an answer stood before it.
test('a question has the pictures of its own turn, behind an answer too', async () => {
  await withPreparer({ model: TINY_MODEL }, async ({ preparer }) => {
    const [question, answer] = record({}).turns as [RecordTurn, RecordTurn]
    const [picture] = record({}).images as [string]
    const other = join(PICTURES, 'photo-100x100.png')
    const again = [{ ...question, value: '<image>\nAnd this?' }, answer]
    const alone = await preparer.question(record({ turns: [question, answer] }))
    const turns = [question, answer, ...again]
    const several = record({ images: [picture, other], turns })
    assert.deepEqual(await preparer.question(several), alone)
    const answered = record({ turns: [{ ...answer, value: 'Hello.' }, question, answer] })
    assert.deepEqual(await preparer.question(answered), alone)
  })
})

test('clips are sampled, counted and cut as in serving', async () => {
  const from = join(INFERENCE, 'next-video-rope')
  await using model = await loadModel(from, { precision: 'f32' })
  await withPreparer(
    { model: from, conversation: 'vicuna_v1', frames: 2 },
    async ({ preparer }) => {
      const one = record({ images: [], videos: [clip] })
      const came = await preparer.sample({ ...one, turns: one.turns.slice(0, 2) })
      const { messages } = {
        messages: [
          { role: 'user' as const, content: [{ type: 'video' as const, video: clip, frames: 2 }] },
        ],
      }
      const right = await model.prepare({ messages })
      assert.deepEqual(came.videos?.[0]?.data, right.pixelValues.data)
      assert.deepEqual(came.videos?.[0]?.shape, right.pixelValues.shape)
      const { placeholder } = model.config.video as { placeholder: number }
      const places = (ids: ArrayLike<number>) =>
        Array.from(ids).filter((id) => id === placeholder).length
      assert.equal(places(came.inputIds), right.videos[0]?.tokens)
      const count = await preparer.count({ ...one, turns: one.turns.slice(0, 2) }, [])
      assert.equal(count.total, came.inputIds.length)
      const asked = one.turns.slice(0, 2)
      const twice = { ...one, videos: [clip, clip], turns: [...asked, ...asked] }
      const alone = await preparer.question({ ...one, turns: asked })
      assert.deepEqual(await preparer.question(twice), alone)
      const film = new Uint8Array(readFileSync(join(PICTURES, 'animated-160x160.gif')))
      const [path, bytes] = [join(PICTURES, 'animated-160x160.gif'), film].map((source) =>
        preparer.sample({ ...one, videos: [source], turns: one.turns.slice(0, 2) }),
      )
      assert.deepEqual(await bytes, await path)
    },
  )
})

test('each answer is learnt with the token that ends it, and nothing else is', async () => {
  await withPreparer({ model: TINY_MODEL }, async ({ preparer, config }) => {
    const one = record({})
    const turns = one.turns.map((turn, i) =>
      i === 3 ? { ...turn, value: 'A tree <|im_end|>?' } : turn,
    )
    const sample = await preparer.sample({ ...one, turns })
    const question = await preparer.question({ ...one, turns })
    const runs = learnt(sample)
    assert.deepEqual(
      runs.map((ids) => preparer.text(ids)),
      ['A house.', 'A tree <|im_end|>?'],
    )
    for (const ids of runs) assert.ok(config.endTokens.includes(ids.at(-1) ?? -1))
    const { length } = question.inputIds
    assert.deepEqual(Array.from(sample.inputIds).slice(0, length), question.inputIds)
    assert.ok(
      Array.from(sample.labels)
        .slice(0, length)
        .every((label) => label === -100),
    )
    const size = { width: 500, height: 333 }
    const { total, learnt: count } = await preparer.count({ ...one, turns }, [size])
    assert.deepEqual([total, count], [sample.inputIds.length, runs.flat().length])
  })
})

test('a template that ends no answer is refused, a conversation mode in its place is not', async () => {
  const model = join(INFERENCE, 'llava-mlp')
  await withPreparer({ model }, ({ preparer }) =>
    assert.rejects(preparer.sample(record({})), { code: 'CONFIG_TEMPLATE_END' }),
  )
  await withPreparer({ model, conversation: 'v1' }, async ({ preparer, config }) => {
    const one = record({})
    const turns = one.turns.map((turn, i) => (i === 3 ? { ...turn, value: 'A tree.' } : turn))
    const sample = await preparer.sample({ ...one, turns })
    assert.deepEqual(
      learnt(sample).map((ids) => preparer.text(ids)),
      ['A house.', 'A tree.'],
    )
    assert.ok(config.endTokens.includes(learnt(sample)[0]?.at(-1) ?? -1))
  })
})

test('a template that does not write every place for pictures is at fault, and no record', async () => {
  const model = join(folder, 'words-only')
  cpSync(TINY_MODEL, model, { recursive: true })
  const writeTemplate = (before: string) => {
    const chat_template = `{% for m in messages %}${before}{% for part in m.content if part.type == 'text' %}{{ part.text }}{% endfor %}{{ eos_token }}{% endfor %}`
    writeFileSync(join(model, 'chat_template.json'), JSON.stringify({ chat_template }))
  }
  const [question, answer] = record({}).turns
  const asks = (value: string, images: readonly string[]) =>
    record({ images, turns: [{ ...question!, value }, answer!] })
  const picture = join(PICTURES, 'photo-1x1.png')
  const refused = { code: 'CONFIG_TEMPLATE_MEDIA' }
  writeTemplate('')
  await withPreparer({ model }, async ({ preparer }) => {
    await assert.rejects(preparer.sample(record({})), refused)
    await assert.rejects(preparer.question(record({})), refused)
    await assert.rejects(preparer.sample(asks('?', [picture])), { code: 'INPUT_IMAGE_PLACES' })
    await preparer.sample(record({ images: [], turns: record({}).turns.slice(2) }))
  })
  writeTemplate(`{% if m.content[0].type == 'image' %}<image>{% endif %}`)
  await withPreparer({ model }, async ({ preparer }) => {
    const two = asks('<image>\n<image>\n?', [picture, picture])
    await assert.rejects(preparer.sample(two), { ...refused, message: /wrote 1 for 2 pictures/ })
    await preparer.sample(asks('<image>\n?', [picture]))
  })
})

test('records that do not fit are refused with a reason', async () => {
  await withPreparer({ model: TINY_MODEL, maxLength: 220 }, async ({ preparer }) => {
    const rejects = async (given: Partial<DataRecord>, expected: object) =>
      assert.rejects(async () => preparer.sample(record(given)), expected)
    await rejects({}, { code: 'INPUT_RECORD_TOO_LONG' })
    const [question, answer] = record({}).turns
    const short = [{ ...question!, value: '<image>\n?' }, answer!]
    await rejects({ images: [], turns: [short[0]!] }, { code: 'INPUT_RECORD_LABELS' })
    await rejects({ images: ['a', 'b'], turns: short }, { code: 'INPUT_IMAGE_MISSING' })
    const two = Array.from({ length: 2 }, () => join(PICTURES, 'photo-1x1.png'))
    await rejects({ images: two, turns: short }, { code: 'INPUT_IMAGE_PLACES' })
  })
})

test('pixels that wait until they are needed are those that do not', async () => {
  const wide = join(PICTURES, 'photo-1000x300.png')
  for (const [name, overrides, given] of [
    ['next-qwen', { conversation: 'qwen_1_5' }, {}],
    ['next-qwen', { conversation: 'qwen_1_5' }, { images: [wide] }],
    ['next-video-rope', { conversation: 'vicuna_v1', frames: 2 }, { images: [], videos: [clip] }],
  ] as const) {
    const model = join(INFERENCE, name)
    await withPreparer({ model, ...overrides }, async ({ preparer }) => {
      const one = record(given)
      const two = { ...one, turns: one.turns.slice(0, 2) }
      const right = await preparer.sample(two)
      const came = await preparer.lazySample(two, (pictures) =>
        Promise.all(pictures.map((picture) => checkPicture(picture, 'header'))),
      )
      assert.deepEqual(came.inputIds, right.inputIds)
      const [lazy, eager] = [came, right].map(({ pixelValues, videos = [] }) => [
        ...(pixelValues ? [pixelValues] : []),
        ...videos,
      ])
      assert.ok(lazy!.length > 0)
      for (const [i, pixels] of lazy!.entries()) {
        assert.ok(pixels instanceof LazyPixels)
        assert.deepEqual(pixels.shape, eager![i]!.shape)
        assert.throws(() => pixels.data, /before they were loaded/)
        await pixels.load()
        assert.deepEqual(pixels.data, eager![i]!.data)
      }
      assert.deepEqual(came.imageSizes, right.imageSizes)
    })
  }
})
