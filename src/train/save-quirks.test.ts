/** A model that was trained with quirks is read as it was trained, or whoever saves it is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Quirks } from '../families/family.ts'
import { openParts, type CheckpointOptions } from '../load-checkpoint.ts'
import { packModel } from '../pack-model.ts'
import { withPlainSteps } from '../preprocess/image-processor.ts'
import { createTrainer, type TrainerOptions } from './index.ts'

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
  // As one of adapters, and packed, it was read as the base alone is.
  test(`an adapter of ${model} is read with ${JSON.stringify(quirks)}, wherever it is opened`, async () => {
    const folder = mkdtempSync(join(root, 'saved-'))
    await using trainer = await createTrainer(model, { ...parts, quirks, lora: LORA })
    const notices = await trainer.save(folder)
    assert.match(notices.join(), /beside the adapter/)
    const learnt = await pictures(model, { ...parts, quirks })
    assert.deepEqual(await pictures(folder, { ...parts, base: model }), learnt)
    const over = { ...parts, adapters: [folder] }
    assert.deepEqual(await pictures(model, over), learnt)
    const told = { ...parts, quirks: { fit: 'squash' } } as const
    const squashed = await pictures(folder, { ...told, base: model })
    assert.deepEqual(await pictures(model, { ...told, adapters: [folder] }), squashed)
    assert.deepEqual(await noticesOf(model, over), [])
  })

  test(`what is trained on from an adapter of ${model} learns as that did, and says so`, async () => {
    const first = await trainedFrom(model, { ...parts, quirks, lora: LORA })
    const learnt = await pictures(model, { ...parts, quirks })
    const next = await trainedFrom(model, { ...parts, lora: { ...LORA, init: first } })
    assert.deepEqual(await pictures(model, { ...parts, adapters: [next] }), learnt)
    const merged = await trainedFrom(model, { ...parts, adapters: [first] })
    const asked = await trainedFrom(model, { ...parts, quirks })
    assert.deepEqual(await pictures(merged, {}), await pictures(asked, {}))
  })
}

const MLP = join(HF, 'llava-mlp')

test('a packed model has pictures prepared as its adapter learnt them', async () => {
  const adapter = await trainedFrom(MLP, { quirks: { fit: 'pad' }, lora: LORA })
  const out = join(root, 'packed')
  await packModel(out, { base: MLP, adapters: [adapter], card: '' })
  assert.deepEqual(await pictures(out, {}), await pictures(MLP, { quirks: { fit: 'pad' } }))
})

test('of adapters that learnt otherwise the last one counts, which is told', async () => {
  const [pad, squash] = [
    await trainedFrom(MLP, { quirks: { fit: 'pad' }, lora: LORA }),
    await trainedFrom(MLP, { quirks: { fit: 'squash' }, lora: LORA }),
  ]
  const adapters = [pad, squash]
  assert.deepEqual(
    await pictures(MLP, { adapters }),
    await pictures(MLP, { quirks: { fit: 'squash' } }),
  )
  const [told = '', ...others] = await noticesOf(MLP, { adapters })
  assert.match(told, /prepared otherwise.*as the last of them says/)
  assert.ok(told.includes(pad) && told.includes(squash))
  assert.deepEqual(others, [])
  const other = await trainedFrom(MLP, { quirks: { fit: 'pad' }, lora: LORA })
  assert.deepEqual(await noticesOf(MLP, { adapters: [pad, other] }), [])
})

test('what an adapter says in the words of another class is passed over, which is told', async () => {
  const adapter = await trainedFrom(MLP, { lora: LORA })
  writeFileSync(
    join(adapter, 'config.json'),
    readFileSync(join(ORIGINAL, 'llava-v1.5', 'config.json')),
  )
  const adapters = [adapter]
  assert.deepEqual(await pictures(MLP, { adapters }), await pictures(MLP, {}))
  assert.match(
    (await noticesOf(MLP, { adapters })).join(),
    /for a model of class original \(.*image_aspect_ratio "pad".*passed over.*--quirk fit=pad/,
  )
})

async function trainedFrom(model: string, options: TrainerOptions): Promise<string> {
  const folder = mkdtempSync(join(root, 'saved-'))
  await using trainer = await createTrainer(model, options)
  await trainer.save(folder)
  return folder
}

async function noticesOf(model: string, options: CheckpointOptions): Promise<string[]> {
  const told: string[] = []
  const onProgress = ({ item }: { item: string }) => void told.push(item)
  const { close, notices } = await openParts(model, { ...options, onProgress })
  close()
  assert.deepEqual(told, notices)
  return told
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
