/** A model that was trained with quirks is read as it was trained, or whoever saves it is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Quirks } from '../families/family.ts'
import { openParts, type CheckpointOptions } from '../load-checkpoint.ts'
import { withPlainSteps } from '../preprocess/image-processor.ts'
import { createTrainer } from './index.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'save-quirks-'))
})
after(() => rmSync(root, { recursive: true }))

const HF = 'fixtures/inference'
const ORIGINAL = 'fixtures/original/checkpoints'
const ONEVISION = 'fixtures/training/models/llava-onevision'
const CLIP = { visionTower: join(ORIGINAL, 'tower-clip-vit-large-patch14-336') }
const SIGLIP = { visionTower: join(ORIGINAL, 'tower-siglip-so400m-patch14-384') }

type Case = {
  readonly model: string
  readonly quirks: Quirks
  readonly parts?: { readonly visionTower: string }
}

const WRITTEN: readonly Case[] = [
  { model: join(HF, 'llava-mlp'), quirks: { fit: 'pad' } },
  { model: join(HF, 'llava-mlp'), quirks: { fit: 'squash' } },
  { model: join(HF, 'llava-mlp'), quirks: { poolMode: 'max', poolStride: 3 } },
  { model: join(HF, 'next-qwen'), quirks: { base: 'pad' } },
  { model: join(HF, 'next-qwen'), quirks: { severalPictures: 'single' } },
  { model: join(HF, 'next-video-rope'), quirks: { poolMode: 'max', poolStride: 3 } },
  { model: ONEVISION, quirks: { severalPictures: 'each', base: 'pad' } },
  {
    model: join(ORIGINAL, 'llava-v1.6-vicuna'),
    quirks: { tiles: 'one', fit: 'pad' },
    parts: CLIP,
  },
  {
    model: join(ORIGINAL, 'llava-onevision-qwen2'),
    quirks: { tiles: 'one', fit: 'squash' },
    parts: SIGLIP,
  },
]

for (const { model, quirks, parts } of WRITTEN) {
  test(`${model} with ${JSON.stringify(quirks)} says so`, async () => {
    const folder = mkdtempSync(join(root, 'saved-'))
    await using trainer = await createTrainer(model, { ...parts, quirks })
    const notices = await trainer.save(folder)
    assert.doesNotMatch(notices.join(), /--quirk/)
    assert.deepEqual(await pictures(folder, {}), await pictures(model, { ...parts, quirks }))
  })
}

const TOLD: readonly Case[] = [
  { model: join(HF, 'next-qwen'), quirks: { tiles: 'one' } },
  { model: join(HF, 'next-video-rope'), quirks: { clipNewline: 'grid' } },
  { model: join(HF, 'next-video-rope'), quirks: { poolPlace: 'after' } },
  { model: ONEVISION, quirks: { poolMode: 'average' } },
]

for (const { model, quirks } of TOLD) {
  test(`${model} with ${JSON.stringify(quirks)} has no form for it and tells`, async () => {
    const folder = mkdtempSync(join(root, 'saved-'))
    await using trainer = await createTrainer(model, { quirks })
    const [[name, value] = []] = Object.entries(quirks)
    const told = new RegExp(`load it with --quirk ${name}=${value},`)
    assert.match((await trainer.save(folder)).join(), told)
    assert.match(readFileSync(join(folder, 'README.md'), 'utf8'), told)
    assert.deepEqual(await pictures(folder, { quirks }), await pictures(model, { quirks }))
  })
}

test('files of a model that was trained as it is read stay byte for byte', async () => {
  const model = join(HF, 'next-qwen')
  const folder = join(root, 'same')
  await using trainer = await createTrainer(model, { quirks: { base: 'squash' } })
  assert.deepEqual(await trainer.save(folder), [])
  for (const name of ['config.json', 'preprocessor_config.json']) {
    assert.deepEqual(readFileSync(join(folder, name)), readFileSync(join(model, name)))
  }
})

const LORA = { rank: 2, alpha: 4 }

for (const { model, quirks, parts } of [
  { model: join(HF, 'llava-mlp'), quirks: { fit: 'pad' } },
  {
    model: join(ORIGINAL, 'llava-v1.5'),
    quirks: { fit: 'crop', poolMode: 'max' },
    parts: CLIP,
  },
] satisfies Case[]) {
  test(`an adapter of ${model} is read with ${JSON.stringify(quirks)}`, async () => {
    const folder = mkdtempSync(join(root, 'saved-'))
    await using trainer = await createTrainer(model, { ...parts, quirks, lora: LORA })
    const notices = await trainer.save(folder)
    assert.match(notices.join(), /beside the adapter/)
    const now = await pictures(folder, { ...parts, base: model })
    assert.deepEqual(now, await pictures(model, { ...parts, quirks }))
  })
}

/** How they are prepared and counted. */
async function pictures(folder: string, options: CheckpointOptions): Promise<unknown> {
  const { config, close } = await openParts(folder, { processor: 'derived', ...options })
  close()
  const { image, video } = config
  assert.ok(image && video)
  const steps = [image.processor, video.processor].map(withPlainSteps)
  const { merge, severalPictures, tiling } = image.tokens
  // Rows of pictures that are not cut have no rounding, and their number says nothing of several.
  const several = tiling.kind === 'none' ? null : severalPictures
  return {
    steps: steps.map(stepsOf),
    tiling,
    merge,
    several,
    clips: video.tokens,
    place: video.poolPlace,
  }
}

function stepsOf({ tile, pad, resize, crop, filter }: ReturnType<typeof withPlainSteps>): unknown {
  return { tile, pad, resize, crop, filter }
}
