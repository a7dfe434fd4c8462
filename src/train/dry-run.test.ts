/** What a dry run says is what a run does. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { blindRows, colourRows, tinyRecipe, TINY_MODEL } from '../../test/tiny-run.ts'
import { openDataset } from '../data/dataset.ts'
import { openParts } from '../load-checkpoint.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Batch } from './batch.ts'
import { createTrainer, dryRun, parseRecipe, train, type TrainEvent } from './index.ts'
import { modelParameters } from './model-parameters.ts'
import { ModelWeights } from './model-weights.ts'
import { Network } from './network.ts'
import { openPreparer } from './open-preparer.ts'
import { ParameterStore } from './parameter-store.ts'
import { trainerOptions } from './recipe/trainer-options.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-dry-'))
})
after(() => rmSync(root, { recursive: true }))

const PICTURES = resolve('fixtures', 'pictures')

const operationsPerSecond = { f32: 1e9, int8: 2e9 }

test('trained parameters are counted as the trainer has them', async () => {
  for (const given of [
    { trainable: ['projector', 'decoder', 'vision'] },
    { trainable: ['projector'], lora: { rank: 3, targets: 'layers\\.1\\..*(?:q|down)_proj$' } },
    { trainable: ['vision'], lora: { rank: 2 }, learningRates: { vision: 1e-5 } },
  ]) {
    const recipe = tinyRecipe(join(root, 'count'), colourRows(join(root, 'count'), 2), given)
    const { groups } = await dryRun(recipe, { operationsPerSecond })
    const options = trainerOptions(parseRecipe(recipe), { totalSteps: 1, resume: null })
    await using trainer = await createTrainer(TINY_MODEL, options)
    const trained = groups.filter(({ isTrained }) => isTrained)
    const counted = trained.reduce((sum, { parameters }) => sum + parameters, 0)
    assert.equal(counted, trainer.trainedParameters)
  }
})

test('what rates and targets name in vain is told as the trainer tells it', async () => {
  const folder = join(root, 'idle')
  const lora = { rank: 2, targets: 'q_proj|linear_1' }
  const given = { trainable: ['projector'], learningRates: { vision: 1e-5 }, lora }
  const recipe = tinyRecipe(folder, colourRows(folder, 2), given)
  const { notices } = await dryRun(recipe, { operationsPerSecond })
  const options = trainerOptions(parseRecipe(recipe), { totalSteps: 1, resume: null })
  await using trainer = await createTrainer(TINY_MODEL, options)
  assert.equal(notices.length, 2)
  assert.deepEqual(notices, trainer.notices)
})

test('steps, samples and lengths are those of the run, and nothing is written', async () => {
  const folder = join(root, 'size')
  const rows = colourRows(folder, 5)
  const recipe = tinyRecipe(folder, [...rows, ...blindRows(rows)], {
    steps: undefined,
    epochs: 2,
    batchSize: 4,
  })
  const dry = await dryRun(recipe, { operationsPerSecond })
  assert.ok(!existsSync(join(folder, 'run')))
  const events: TrainEvent[] = []
  await train(recipe, { onEvent: (event) => events.push(event) })
  const steps = events.filter((event) => event.kind === 'step')
  assert.equal(dry.sizeFrom, 'data')
  assert.equal(dry.size?.steps, steps.length)
  assert.equal(dry.size?.records, 10)
  const positions = steps.reduce((sum, step) => sum + step.positions, 0)
  assert.ok(Math.abs((dry.size?.tokens ?? 0) * 20 - positions) < 1e-6 * positions)
  assert.equal(dry.seconds, (dry.operations ?? 0) / 1e9)
})

test('tiles are those that the tower sees, of clips whose rows are pooled and of pictures that are cut', async () => {
  const folder = join(root, 'tiles')
  const turns = (id: string) => [
    { from: 'human', value: '<image>\nWhat is it?' },
    { from: 'gpt', value: `Number ${id}.` },
  ]
  const images = ['photo-1000x300.png', 'photo-100x100.png', 'photo-480x640.png']
  const cases = [
    ['next-video-rope', [{ video: 'clip' }], { frames: 6, conversation: 'vicuna_v1' }],
    ['next-qwen', images.map((image) => ({ image })), {}],
  ] as const
  for (const [model, media, given] of cases) {
    const rows = media.map((one, i) => ({
      id: String(i),
      ...one,
      conversations: turns(String(i)),
    }))
    const recipe = tinyRecipe(folder, rows, {
      model: join('fixtures', 'inference', model),
      ...given,
    })
    const data = { path: join(folder, 'rows.json'), imageFolder: PICTURES, videoFolder: PICTURES }
    const { size } = await dryRun({ ...recipe, data }, { operationsPerSecond })
    assert.equal(size?.tiles, await meanTiles({ ...recipe, data }))
  }
})

/** Of the samples themselves. */
async function meanTiles(recipe: Record<string, unknown>): Promise<number> {
  const { preparer, dispose } = await openPreparer(parseRecipe(recipe))
  const { path, imageFolder } = recipe.data as { path: string; imageFolder: string }
  await using dataset = await openDataset(path, { imageFolder })
  let tiles = 0
  for (let i = 0; i < dataset.length; i++) {
    const { pixelValues, videos = [] } = await preparer.sample(await dataset.read(i))
    for (const pixels of [pixelValues, ...videos]) tiles += pixels?.shape[0] ?? 0
  }
  await dispose()
  return tiles / dataset.length
}

test('activations of packed samples are those of a full row, not of as many rows as a step has samples', async () => {
  const folder = join(root, 'packed')
  const rows = colourRows(folder, 8)
  const plan = (given: Record<string, unknown>) =>
    dryRun(tinyRecipe(folder, rows, { batchSize: 8, ...given }), { operationsPerSecond })
  const mixed = await plan({ batching: 'mixed' })
  const tokens = mixed.size?.tokens ?? NaN
  const maxLength = Math.ceil(2.5 * tokens)
  const packed = await plan({ batching: 'packed', maxLength })
  const [row, whole] = [packed, mixed].map(({ memory }) => memory?.activations ?? NaN)
  assert.ok(Math.abs((row as number) / (whole as number) - maxLength / (8 * tokens)) < 1e-9)
  const roomy = await plan({ batching: 'packed', maxLength: Math.ceil(20 * tokens) })
  assert.equal(roomy.memory?.activations, whole, 'a step fills less than a row')
})

test('frozen parts cost less, and the fast mode less time', async () => {
  const folder = join(root, 'cost')
  const rows = colourRows(folder, 2)
  const cost = (given: Record<string, unknown>) =>
    dryRun(tinyRecipe(folder, rows, given), { operationsPerSecond })
  const whole = await cost({ trainable: ['projector', 'decoder', 'vision'] })
  const stage1 = await cost({ trainable: ['projector'] })
  assert.ok((stage1.operations ?? 0) < 0.8 * (whole.operations ?? 0))
  assert.ok((stage1.memory?.trained ?? 0) < 0.2 * (whole.memory?.trained ?? 0))
  const words = await cost({ stage: 'words', conversation: 'template', trainable: ['projector'] })
  assert.ok((words.operations ?? 0) < 0.5 * (stage1.operations ?? 0), 'the decoder is not run')
  assert.equal(words.memory?.activations, 0)
  const fast = await cost({ trainable: ['projector'], compute: 'int8' })
  assert.equal(fast.seconds, (stage1.seconds ?? 0) / 2)
})

test('activations are those that lie between forward and backward where all is trained', async () => {
  const folder = join(root, 'kept')
  const recipe = tinyRecipe(folder, colourRows(folder, 4), {
    trainable: ['projector', 'decoder', 'vision'],
  })
  const { size, memory } = await dryRun(recipe, { operationsPerSecond })
  assert.ok(size && memory)
  const checkpoint = await openParts(TINY_MODEL, { processor: 'derived', use: 'training' })
  const { config } = checkpoint
  const runtime = await createRuntime({ threads: 1 })
  const rates = { learningRate: 1, weightDecay: 0 }
  const parameters = modelParameters(config).map(({ name, shape }) => ({
    path: name,
    shape: shape as readonly number[],
    rates,
  }))
  const frozen = () => assert.fail('everything is trained')
  const store = new ParameterStore(runtime, parameters)
  const weights = new ModelWeights({ store, masks: null, frozen })
  const parts = { config, weights, policy: () => 'f32' as const, features: null }
  const network = await Network.create(runtime, { ...parts, adapt: (graph) => graph })
  const tiles = Array.from({ length: size.tiles * size.microBatch })
  const batch = { length: size.tokens * size.microBatch, images: { tiles } } as unknown as Batch
  const kept = network.activationBytes(batch, 'keep')
  await network.dispose()
  await runtime.dispose()
  checkpoint.close()
  // The tower's last block keeps a little less than the others.
  assert.ok(Math.abs(memory.activations / kept - 1) < 0.1, `${memory.activations} for ${kept}`)
})

test('a frozen reference costs the weights that it does not share, and one forward pass of each record', async () => {
  const folder = join(root, 'pairs')
  const rows = colourRows(folder, 3).map(({ id, image }) => ({
    id,
    image,
    prompt: '<image>\nWhich colour?',
    chosen: 'red',
    rejected: 'no colour at all',
  }))
  const plan = (given: Record<string, unknown>) =>
    dryRun(tinyRecipe(folder, rows, { stage: 'dpo', trainable: ['decoder'], ...given }), {
      operationsPerSecond,
    })
  const [once, twice] = [
    await plan({ steps: undefined, epochs: 1, batchSize: 1 }),
    await plan({ steps: undefined, epochs: 2, batchSize: 1 }),
  ]
  const { groups, size, memory } = once
  const count = (isCounted: (group: (typeof groups)[number]) => boolean) =>
    groups.filter(isCounted).reduce((sum, { parameters }) => sum + parameters, 0)
  assert.equal(size?.tiles, 1, 'both answers share the picture')
  assert.equal(memory?.reference, 4 * count(({ isTrained }) => isTrained))
  const other = await plan({ preference: { reference: TINY_MODEL } })
  assert.equal(other.memory?.reference, 4 * count(() => true))
  const adapted = await plan({ trainable: [], lora: { rank: 2 }, base: 'int8' })
  const adapters = adapted.groups.filter(({ kind }) => kind === 'lora')
  assert.equal(adapted.memory?.reference, 4 * (adapters[0]?.parameters ?? NaN))
  const epoch = (twice.operations ?? 0) - (once.operations ?? 0)
  const reference = (once.operations ?? 0) - epoch
  // The decoder goes back over what it went forward twice; the tower is frozen.
  assert.ok(reference > epoch / 3 && reference < epoch / 2, `${reference} of ${epoch}`)
})

test('data that are not there are taken as published, or missed', async () => {
  const recipe = { ...tinyRecipe(join(root, 'gone'), []), data: join(root, 'gone', 'none.json') }
  await assert.rejects(dryRun(recipe, { operationsPerSecond }), { code: 'INPUT_DATA_MISSING' })
  const published = { records: 1000, tokensPerRecord: 300, gpus: 8, hours: 3.5 }
  const dry = await dryRun(
    { ...recipe, published, steps: undefined, batchSize: 10 },
    { operationsPerSecond },
  )
  assert.deepEqual([dry.sizeFrom, dry.size?.steps], ['published', 100])
  assert.deepEqual(dry.gpu, { gpu: 'A100', hours: 28, from: 'published' })
})

test('a model that is not there is counted as the published one, unless it is none', async () => {
  const recipe = {
    ...tinyRecipe(join(root, 'absent'), []),
    model: join(root, 'absent', 'model'),
    trainable: ['projector'],
    published: {
      checkpoint: 'liuhaotian/llava-v1.5-7b',
      records: 512,
      tokensPerRecord: 600,
      tilesPerRecord: 2,
    },
  }
  const { countedAs, groups, size } = await dryRun(recipe, { operationsPerSecond })
  assert.equal(countedAs, 'liuhaotian/llava-v1.5-7b')
  const trained = groups.filter(({ isTrained }) => isTrained)
  assert.equal(
    trained.reduce((sum, { parameters }) => sum + parameters, 0),
    (1024 + 1) * 4096 + (4096 + 1) * 4096,
  )
  assert.deepEqual([size?.tokens, size?.tiles], [600, 2])
  const unknown = { ...recipe, published: { ...recipe.published, checkpoint: 'liuhaotian/llava' } }
  await assert.rejects(dryRun(unknown, { operationsPerSecond }), { code: 'CONFIG_RECIPE' })
  const silent = { ...recipe, published: undefined }
  await assert.rejects(dryRun(silent, { operationsPerSecond }), { code: 'CHECKPOINT_NOT_FOUND' })
})
