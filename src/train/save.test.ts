/** What training writes is a model again: the same names, the same answers. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { openParts } from '../load-checkpoint.ts'
import { openFileBytes, openLoraAdapter, readSafetensors } from '../weights/index.ts'
import { createTrainer, type Sample, type Trainer } from './index.ts'
import { FIXTURES, MODEL, recordedSamples } from '../../test/recorded-training.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'save-'))
})
after(() => rmSync(root, { recursive: true }))

const samples = recordedSamples('stage1')
/** A merged weight is rounded once more. */
const MERGED = 1e-5

test('a saved model has the names of its base and answers as the trainer does', async () => {
  const folder = join(root, 'model')
  await using trainer = await createTrainer(MODEL, {
    trainable: ['projector', 'decoder', 'vision'],
    learningRate: 1e-2,
  })
  await trainer.step([samples])
  await trainer.save(folder, { notes: '## Data\n\nfour samples' })
  const [saved, base] = [folder, MODEL].map((path) =>
    readSafetensors(openFileBytes(join(path, 'model.safetensors'))),
  ) as [ReturnType<typeof readSafetensors>, ReturnType<typeof readSafetensors>]
  assert.deepEqual([...saved.tensors.keys()].sort(), [...base.tensors.keys()].sort())
  for (const [name, { shape }] of base.tensors)
    assert.deepEqual(saved.tensors.get(name)?.shape, shape)
  for (const [name, { data }] of trainer.weights())
    assert.deepEqual(saved.read(name).data, data, name)
  saved.close()
  base.close()
  const card = readFileSync(join(folder, 'README.md'), 'utf8')
  assert.match(card, /1 step\.[^]*"trainable"[^]*## Data\n\nfour samples/)
  await using again = await createTrainer(folder)
  assert.equal(await lossOf(again), await lossOf(trainer))
})

test('the config names the dtype that most numbers are written in, and is else the text that it was', async () => {
  // Its file and its config say float16; a part's own says float32. Python takes 1.0 for a float and refuses 1.
  const model = join('fixtures', 'inference', 'mini-vit-crop')
  const own = readFileSync(join(model, 'config.json'), 'utf8')
  for (const [trainable, dtype] of [
    [['projector'], 'float16'],
    [['projector', 'decoder', 'vision'], 'float32'],
  ] as const) {
    const folder = join(root, `dtype-${dtype}`)
    await using trainer = await createTrainer(model, { trainable })
    await trainer.save(folder)
    const text = readFileSync(join(folder, 'config.json'), 'utf8')
    const config = JSON.parse(text) as { dtype: string; text_config: { dtype: string } }
    assert.deepEqual([config.dtype, config.text_config.dtype], [dtype, dtype])
    const withoutDType = (config: string) => config.replaceAll(/"dtype": "\w+"/g, '').trim()
    assert.equal(withoutDType(text), withoutDType(own))
  }
})

test('what transformers has no form for is saved in the original layout, and read as it was trained', async () => {
  const source = join(root, 'llava-v1.6-vicuna')
  cpSync('fixtures/original/checkpoints/llava-v1.6-vicuna', source, { recursive: true })
  const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')) as object
  const ways = [
    { keys: { mm_patch_merge_type: 'spatial_maxpool2x2' }, layout: 'original' },
    { keys: { image_aspect_ratio: 'highres', image_grid_pinpoints: '672' }, layout: 'original' },
    {
      keys: {
        image_aspect_ratio: 'crop_split',
        image_crop_resolution: 500,
        image_split_resolution: 336,
      },
      layout: 'original',
    },
    { keys: { anyres_base: 'pad' }, layout: 'hf' },
    { keys: { image_aspect_ratio: 'pad' }, layout: 'original' },
    { keys: { image_aspect_ratio: 'square' }, layout: 'original' },
    {
      keys: { image_aspect_ratio: 'pad', mm_patch_merge_type: 'spatial' },
      layout: 'original',
    },
  ]
  const visionTower = 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336'
  for (const [i, { keys, layout }] of ways.entries()) {
    writeFileSync(join(source, 'config.json'), JSON.stringify({ ...config, ...keys }))
    const folder = join(root, `way-${i}`)
    await using trainer = await createTrainer(source, { visionTower, trainable: ['projector'] })
    await trainer.save(folder)
    const [was, is] = [await openParts(source, { visionTower }), await openParts(folder, {})]
    assert.equal(is.config.layout, layout)
    assert.deepEqual(is.config.image?.tokens.tiling, was.config.image?.tokens.tiling)
    assert.deepEqual(is.config.image?.tokens.merge, was.config.image?.tokens.merge)
    for (const { close } of [was, is]) close()
  }
})

for (const [model, tower] of [
  ['llava-v1.5', 'tower-clip-vit-large-patch14-336'],
  ['llava-v1.6-vicuna', 'tower-clip-vit-large-patch14-336'],
  ['llava-onevision-qwen2', 'tower-siglip-so400m-patch14-384'],
] as const) {
  test(`${model}: parts that were trained are converted in the shapes of frozen ones`, async () => {
    const checkpoints = 'fixtures/original/checkpoints'
    const saved: ReadonlyMap<string, readonly number[]>[] = []
    for (const trainable of [[], ['projector', 'decoder', 'vision', 'imageNewline']] as const) {
      const folder = join(root, `${model}-${trainable.length}`)
      const visionTower = join(checkpoints, tower)
      await using trainer = await createTrainer(join(checkpoints, model), {
        visionTower,
        trainable,
      })
      await trainer.save(folder)
      const source = readSafetensors(openFileBytes(join(folder, 'model.safetensors')))
      saved.push(new Map([...source.tensors].map(([name, { shape }]) => [name, shape])))
      source.close()
    }
    assert.deepEqual(saved[1], saved[0])
  })
}

test('a model that cannot be converted is saved with the files it came with, and read as it was trained', async () => {
  const source = join(root, 'without-tokenizer', 'llava-v1.6-vicuna')
  cpSync('fixtures/original/checkpoints/llava-v1.6-vicuna', source, { recursive: true })
  rmSync(join(source, 'tokenizer.model'))
  const folder = join(root, 'as-it-came')
  const visionTower = 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336'
  const options = { visionTower, quirks: { tiles: 'one', fit: 'pad' } } as const
  await using trainer = await createTrainer(source, { ...options, trainable: ['projector'] })
  const [told] = await trainer.save(folder)
  assert.match(told ?? '', /could not be written as others read it \(tokenizer: /)
  const [was, is] = [await openParts(source, options), await openParts(folder, { visionTower })]
  assert.deepEqual(is.config.image, was.config.image)
  for (const { close } of [was, is]) close()
  await using again = await createTrainer(folder, { visionTower })
  for (const [name, { data }] of trainer.weights()) {
    assert.deepEqual(again.weights().get(name)?.data, data, name)
  }
})

test('tied embeddings are saved once', async () => {
  const folder = join(root, 'tied')
  const model = join(FIXTURES, 'models', 'llava-qwen')
  await using trainer = await createTrainer(model, { trainable: ['decoder'] })
  await trainer.step([samples])
  await trainer.save(folder)
  const saved = readSafetensors(openFileBytes(join(folder, 'model.safetensors')))
  assert.ok(![...saved.tensors.keys()].some((name) => name.includes('lm_head')))
  saved.close()
  await using again = await createTrainer(folder)
  assert.equal(await lossOf(again), await lossOf(trainer))
})

test('an adapter is saved as PEFT does, with what was trained in full, and goes on from there', async () => {
  const folder = join(root, 'adapter')
  const lora = { rank: 4, alpha: 8, targets: /layers\.1\..*(?:q|up)_proj$/ }
  const options = { trainable: ['projector'], learningRate: 1e-2, lora } as const
  await using trainer = await createTrainer(MODEL, options)
  await trainer.step([samples])
  await trainer.step([samples])
  await trainer.save(folder)
  assert.deepEqual(readdirSync(folder).sort(), [
    'README.md',
    'adapter_config.json',
    'adapter_model.safetensors',
  ])
  const adapter = openLoraAdapter(folder)
  assert.deepEqual([...adapter.modules.keys()].sort(), [
    'model.language_model.layers.1.mlp.up_proj',
    'model.language_model.layers.1.self_attn.q_proj',
  ])
  assert.equal(adapter.replacements.size, 4)
  adapter.source.close()

  const loss = await lossOf(trainer)
  await using merged = await createTrainer(folder)
  assert.ok(Math.abs((await lossOf(merged)) - loss) < MERGED)
  const started = await createTrainer(MODEL, { ...options, lora: { ...lora, init: folder } })
  assert.equal(await lossOf(started), loss)
  await started.dispose()
  for (const wrong of [{ rank: 2 }, { alpha: 16 }, { targets: /q_proj$/ }]) {
    await assert.rejects(
      createTrainer(MODEL, { ...options, lora: { ...lora, ...wrong, init: folder } }),
      { code: 'CHECKPOINT_ADAPTER' },
    )
  }
})

// Only trained parameters were read from it: preferences were learnt over the base's own projector, and saved without one.
test('an adapter that training goes on from brings its frozen projector, and hands it on', async () => {
  const [folder, next] = [join(root, 'sft'), join(root, 'dpo')]
  const lora = { rank: 4, alpha: 8 }
  const options = { trainable: ['projector'], learningRate: 1e-2, lora } as const
  await using trainer = await createTrainer(MODEL, options)
  for (let step = 0; step < 3; step++) await trainer.step([samples])
  await trainer.save(folder)
  const loss = await lossOf(trainer)
  const frozen = { trainable: [], lora: { ...lora, init: folder } } as const
  await using started = await createTrainer(MODEL, frozen)
  assert.equal(await lossOf(started), loss)
  await started.save(next)
  const [was, is] = [openLoraAdapter(folder), openLoraAdapter(next)]
  assert.equal(is.replacements.size, 4)
  for (const name of is.replacements.values())
    assert.deepEqual(is.source.read(name).data, was.source.read(name).data)
  for (const { source } of [was, is]) source.close()
  await using dpo = await createTrainer(MODEL, { ...frozen, objective: { kind: 'dpo' } })
  const [chosen, rejected] = samples as [Sample, Sample]
  // The policy is its own reference: the loss of a pair is log 2 at first.
  const pair = { chosen, rejected }
  assert.ok(Math.abs((await dpo.evaluate([pair])).loss - Math.LN2) < 1e-6)
})

describe('a tower that is trained beside adapters is saved', () => {
  const originals = 'fixtures/original/checkpoints'
  const blocks = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${prefix}.${i}`)
  const cases = [
    {
      model: MODEL,
      modules: [
        'vision_tower.embeddings',
        'vision_tower.pre_layrnorm',
        ...blocks('vision_tower.encoder.layers', 2),
      ],
      tensor: 'model.vision_tower.encoder.layers.1.self_attn.q_proj.weight',
    },
    {
      model: 'fixtures/inference/mini-vit-crop',
      modules: ['vision_tower.embeddings', ...blocks('vision_tower.layers', 2)],
      tensor: 'model.vision_tower.layers.1.attention.q_proj.weight',
    },
    {
      model: join(originals, 'llava-v1.5'),
      visionTower: join(originals, 'tower-clip-vit-large-patch14-336'),
      modules: [
        'vision_tower.vision_tower.vision_model.embeddings',
        'vision_tower.vision_tower.vision_model.pre_layrnorm',
        ...blocks('vision_tower.vision_tower.vision_model.encoder.layers', 2),
      ],
      tensor:
        'model.vision_tower.vision_tower.vision_model.encoder.layers.1.self_attn.q_proj.weight',
    },
  ]
  for (const { model, modules, tensor, ...parts } of cases) {
    test(`by the modules that PEFT finds in memory, whole ones alone: ${basename(model)}`, async () => {
      const folder = join(root, `tower-${basename(model)}`)
      const options = { ...parts, trainable: ['vision'], lora: { rank: 2 } } as const
      await using trainer = await createTrainer(model, options)
      await trainer.save(folder)
      const text = readFileSync(join(folder, 'adapter_config.json'), 'utf8')
      const config = JSON.parse(text) as { modules_to_save: string[] }
      assert.deepEqual([...config.modules_to_save].sort(), [...modules].sort())
      const adapter = openLoraAdapter(folder)
      assert.ok(adapter.replacements.has(tensor), [...adapter.replacements.keys()].join())
      adapter.source.close()
      await using again = await createTrainer(model, { ...parts, adapters: [folder] })
      await again.dispose()
    })
  }
})

test('an adapter over an adapter, be that in a folder of its own or in its base, opens as it was trained', async () => {
  const lora = { rank: 4, alpha: 8 }
  const [first, packed] = [join(root, 'lower'), join(root, 'packed')]
  await using trainer = await createTrainer(MODEL, {
    trainable: ['projector'],
    learningRate: 1e-2,
    lora,
  })
  await trainer.step([samples])
  await trainer.step([samples])
  await trainer.save(first)
  for (const folder of [MODEL, first]) cpSync(folder, packed, { recursive: true })
  for (const base of [first, packed]) {
    const second = `${base}-upper`
    const from = relative('.', base)
    await using upper = await createTrainer(from, { trainable: [], learningRate: 1e-2, lora })
    await upper.step([samples])
    await upper.step([samples])
    const [notice] = await upper.save(second)
    assert.match(notice ?? '', /adapters that are merged first \(.*PEFT opens one/)
    assert.ok(readFileSync(join(second, 'README.md'), 'utf8').includes(notice as string))
    const text = readFileSync(join(second, 'adapter_config.json'), 'utf8')
    const config = JSON.parse(text) as Record<string, unknown>
    assert.equal(config['base_model_name_or_path'], resolve(base))
    await using again = await createTrainer(second)
    const [loss, lower] = [await lossOf(upper), await lossOf(trainer)]
    assert.ok(Math.abs((await lossOf(again)) - loss) < MERGED)
    assert.ok(Math.abs(loss - lower) > 10 * MERGED)
  }
})

test('an adapter that was trained over parts given elsewhere says how it is opened', async () => {
  const [lower, upper] = [join(root, 'given'), join(root, 'over-given')]
  const options = { trainable: [], lora: { rank: 2 } } as const
  const first = await createTrainer(MODEL, options)
  assert.deepEqual(await first.save(lower), [])
  await first.dispose()
  await using second = await createTrainer(MODEL, { ...options, adapters: [lower] })
  const told = (await second.save(upper)).join(' ')
  for (const verb of ['open it with `--model', '`llava convert']) {
    assert.ok(told.includes(`${verb} ${MODEL} --adapter ${lower} --adapter FOLDER`), told)
  }
})

// What it had learnt over was left out by whoever opened it alone, without a word.
test('an adapter over adapters that its base has not opens with all of them alone', async () => {
  const [first, second, third] = ['one', 'two', 'three'].map((name) => join(root, 'stack', name))
  const options = { trainable: [], lora: { rank: 2 } } as const
  const save = async (folder: string, model: string, adapters: readonly string[]) => {
    await using trainer = await createTrainer(model, { ...options, adapters })
    await trainer.save(folder)
  }
  await save(first!, MODEL, [])
  await save(second!, MODEL, [first!])
  await save(third!, first!, [second!])
  const opened = async (model: string, parts: object) => {
    const { adapters, close } = await openParts(model, { processor: 'derived', ...parts })
    close()
    return adapters.length
  }
  assert.equal(await opened(MODEL, { adapters: [first, second, third] }), 3)
  assert.equal(await opened(first!, { adapters: [second], lora: third }), 2)
  // Merged into the model, they lie under it as well.
  const merged = join(root, 'stack', 'merged')
  cpSync(second!, merged, { recursive: true })
  rmSync(join(merged, 'adapter_stack.json'))
  assert.equal(await opened(merged, {}), 1)
  for (const [model, parts] of [
    [second, {}],
    [third, {}],
    [MODEL, { adapters: [second] }],
    [MODEL, { adapters: [first, third] }],
    [MODEL, { lora: second }],
  ] as const) {
    await assert.rejects(opened(model!, parts), {
      code: 'CHECKPOINT_BASE',
      message: /was trained over .*one.*; give them all, the lowest first \(--adapter\)/,
    })
  }
  writeFileSync(join(merged, 'adapter_stack.json'), '{"under": "one"}')
  await assert.rejects(opened(merged, {}), { code: 'CHECKPOINT_JSON', message: /"one" came/ })
})

// By its own folder it was asked as v1, whatever it was trained as, and converted so.
test('an adapter is asked in the mode of the model it was trained over', async () => {
  const visionTower = 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336'
  for (const [name, mode] of [
    ['LLaVA-7b-v0', 'llava_v0'],
    ['llava-v1.6-34b', 'chatml_direct'],
  ] as const) {
    const [base, adapter] = [join(root, name), join(root, name, 'v1-adapter')]
    cpSync('fixtures/original/checkpoints/llava-v1.6-vicuna', base, { recursive: true })
    const options = { visionTower, trainable: [], lora: { rank: 2 } } as const
    await using trainer = await createTrainer(base, options)
    await trainer.save(adapter)
    for (const [folder, given] of [
      [adapter, {}],
      [base, { adapters: [adapter] }],
    ] as const) {
      const { config, close } = await openParts(folder, { visionTower, ...given })
      close()
      assert.equal(config.prompt.kind === 'conversation' && config.prompt.mode, mode, folder)
    }
  }
})

test('adapters that words are learnt beside are saved as they were', async () => {
  const lora = { rank: 2, alpha: 4 }
  const [first, second] = [join(root, 'first'), join(root, 'second')]
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'], lora })
  await trainer.step([samples])
  await trainer.save(first)
  const words = await createTrainer(MODEL, {
    objective: { kind: 'words' },
    trainable: ['projector'],
    weightDecay: 0.1,
    lora: { ...lora, init: first },
  })
  await words.step([samples])
  await words.save(second)
  await words.dispose()
  const [was, is] = [first, second].map((folder) => openLoraAdapter(folder).source)
  for (const name of was!.tensors.keys()) {
    const isSame = isDeepStrictEqual(was!.read(name).data, is!.read(name).data)
    assert.equal(isSame, name.includes('lora_'), name)
  }
  for (const source of [was, is]) source!.close()
})

async function lossOf(trainer: Trainer): Promise<number> {
  return (await trainer.evaluate(samples)).loss
}
