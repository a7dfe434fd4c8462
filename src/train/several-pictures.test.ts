/**
 * Several pictures of one record, in the original layout: padded to one tile each, as the original's trainer does, and read
 * so again by the model that training saves. Serving cut each of them into tiles, whatever had been learnt.
 */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { loadModel, type LoadOptions } from '../index.ts'
import { openPreparer } from './open-preparer.ts'
import { train, type TrainEvent } from './index.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'

const CHECKPOINTS = resolve('fixtures/original/checkpoints')
const ONEVISION = join(CHECKPOINTS, 'llava-onevision-qwen2')
const visionTower = join(CHECKPOINTS, 'tower-siglip-so400m-patch14-384')
const images = ['photo-640x480.jpg', 'photo-100x100.png'].map((name) =>
  resolve('fixtures/pictures', name),
)

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-several-'))
})
after(() => rmSync(root, { recursive: true }))

/** As Interleave's: the same parts, pictures cut by `anyres` without a limit. */
function interleave(): string {
  const folder = join(root, 'interleave-qwen')
  if (existsSync(folder)) return folder
  cpSync(ONEVISION, folder, { recursive: true })
  const path = join(folder, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...config, image_aspect_ratio: 'anyres' }))
  return folder
}

function recipeOf(from: string, output: string, more: object = {}): Record<string, unknown> {
  const data = join(root, 'pictures.json')
  const conversations = [
    { from: 'human', value: '<image> or <image>?' },
    { from: 'gpt', value: 'The first.' },
  ]
  writeFileSync(data, JSON.stringify([{ id: '0', image: images, conversations }]))
  return {
    model: { from, visionTower },
    stage: 'instruction',
    conversation: 'qwen_1_5',
    trainable: ['projector'],
    steps: 1,
    batchSize: 1,
    data: { path: data, imageFolder: '/' },
    output: join(root, output),
    ...more,
  }
}

async function servedTokens(path: string, options: LoadOptions = {}): Promise<number[]> {
  await using model = await loadModel(path, { precision: 'f32', ...options })
  const content = [
    ...images.map((image) => ({ type: 'image' as const, image })),
    { type: 'text' as const, text: 'Which?' },
  ]
  const prepared = await model.prepare({ messages: [{ role: 'user', content }] })
  return prepared.images.map(({ tokens }) => tokens)
}

async function saved(recipe: unknown): Promise<{ model: string; warnings: string[] }> {
  const events: TrainEvent[] = []
  const { model } = await train(recipe, { onEvent: (event) => events.push(event) })
  const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []))
  return { model, warnings }
}

const ONE_TILE_EACH = [730, 730]

test('the original serves each of several pictures as if it were alone, unless told otherwise', async () => {
  assert.deepEqual(await servedTokens(ONEVISION, { visionTower }), [2929, 1485])
  const quirks = { severalPictures: 'single' } as const
  assert.deepEqual(await servedTokens(ONEVISION, { visionTower, quirks }), ONE_TILE_EACH)
})

for (const [name, from] of [
  ['OneVision', () => ONEVISION],
  ['Interleave', interleave],
] as const) {
  test(`${name}: what a run learnt and what its model serves is one tile a picture, as its log says`, async () => {
    const { model, warnings } = await saved(recipeOf(from(), `${name}-full`))
    assert.deepEqual(await servedTokens(model), ONE_TILE_EACH)
    const isTold = warnings.some((text) => /padded to one tile each/.test(text))
    assert.equal(isTold, name === 'Interleave', warnings.join('\n'))
    assert.equal(
      warnings.some((text) => /round the size/.test(text)),
      true,
    )
    const lora = await saved(recipeOf(from(), `${name}-lora`, { lora: { rank: 2 } }))
    assert.deepEqual(await servedTokens(lora.model, { visionTower }), ONE_TILE_EACH)
    const over = { visionTower, adapters: [lora.model] }
    assert.deepEqual(await servedTokens(from(), over), ONE_TILE_EACH)
  })
}

test('a record has the rows of single tiles, one picture alone those of its tiles', async () => {
  const { preparer, dispose } = await openPreparer(parseRecipe(recipeOf(ONEVISION, 'rows')))
  const turns = [
    { from: 'human' as const, value: '<image>\nWhat?' },
    { from: 'gpt' as const, value: 'A house.' },
  ]
  const one = { id: '0', source: 's', origin: null, images: images.slice(1), videos: [], turns }
  const both = { ...one, images, turns: [{ ...turns[0]!, value: '<image><image>' }, turns[1]!] }
  try {
    assert.deepEqual((await preparer.sample(one)).pixelValues?.shape, [2, 3, 384, 384])
    assert.deepEqual((await preparer.sample(both)).pixelValues?.shape, [2, 3, 384, 384])
    const size = { width: 100, height: 100 }
    assert.equal((await preparer.count(one, [size])).media, 1485)
    assert.equal((await preparer.count(both, [size, size])).media, 1460)
  } finally {
    await dispose()
  }
})
