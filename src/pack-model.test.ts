/** A tiny language model and tower become a model, are trained for a step, and are packed: nothing is lost on the way. */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assembleModel } from './assemble-model.ts'
import { Rng } from './core/rng.ts'
import { loadModel } from './load-model.ts'
import { createTrainer } from './train/index.ts'
import { openCheckpoint, openGguf, openStored, writeSafetensors } from './weights/index.ts'
import { loadTokenizer } from './text/node.ts'
import { packModel } from './pack-model.ts'
import { addInFull, filled } from '../test/tiny/adapter.ts'
import { tinyNumbers, VOCABULARY_SIZE, writeTinyGguf } from '../test/tiny/gguf.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-ts-'))
const at = (name: string) => join(folder, name)
after(() => rmSync(folder, { recursive: true }))

const D = 64
const rng = new Rng(3)
const PICTURE = {
  data: Uint8Array.from({ length: 3 * 40 * 24 }, (_, i) => (i * 37) % 256),
  width: 40,
  height: 24,
  channels: 3 as const,
}
const QUESTION = {
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: PICTURE },
        { type: 'text' as const, text: 'What?' },
      ],
    },
  ],
}

before(async () => {
  await writeTinyGguf(at('lm.gguf'))
  await writeTower(at('tower'))
  writeFileSync(at('picture.ppm'), ppm())
  await assembleModel(at('base'), {
    decoder: at('lm.gguf'),
    visionTower: at('tower'),
    pictures: [at('picture.ppm')],
    patchMerge: 2,
    imageToken: '<unused>',
    embeddings: 'Q5_0',
    seed: 1,
  })
})

test('the decoder is stored as it was, the picture has a place and a quarter of the rows', async () => {
  const [gguf, stored] = [openGguf(at('lm.gguf')), openStored(at('base'))]
  const name = 'language_model.model.layers.0.mlp.down_proj.weight.Q8_0'
  assert.deepEqual(
    [...(stored.read(name).data as Uint8Array)],
    [...gguf.blocks('blk.0.ffn_down.weight').bytes],
  )
  gguf.close()
  stored.close()
  const model = await loadModel(at('base'), { precision: 'f32' })
  try {
    const { prompt, inputIds, images } = await model.prepare(QUESTION)
    assert.equal(prompt, '<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n')
    assert.equal(inputIds.filter((id) => id === 3).length, 4)
    assert.equal(images[0]!.tokens, 4)
    const rows = (await model.encodeImages(QUESTION)).images[0]!
    assert.deepEqual(rows.shape, [4, D])
  } finally {
    await model.dispose()
  }
})

test('text alone is what it was to the language model', async () => {
  const request = { messages: [{ role: 'user' as const, content: 'Why, 12?' }] }
  const made = await loadTokenizer(at('base'))
  const own = await loadTokenizer(at('lm.gguf'))
  const text = 'Why? 123 <|im_start|> é\n\n  x'
  assert.deepEqual(
    made.encode(text, { specialTokens: 'parse', addBos: false }),
    own.encode(text, { specialTokens: 'parse', addBos: false }),
  )
  const models = [
    await loadModel(at('base'), { precision: 'f32' }),
    await loadModel(at('lm.gguf'), { precision: 'f32' }),
  ]
  try {
    const [a, b] = await Promise.all(models.map((model) => model.prepare(request)))
    assert.equal(a!.prompt, b!.prompt)
    assert.deepEqual(a!.inputIds, b!.inputIds)
  } finally {
    for (const model of models) await model.dispose()
  }
})

test('a packed model answers as base and adapter do, and only its last files know what was trained', async () => {
  await train(at('adapter'))
  const card = '# A card\n'
  await packModel(at('packed'), { base: at('base'), adapters: [at('adapter')], card })
  const apart = await loadModel(at('base'), { adapters: [at('adapter')], precision: 'f32' })
  const packed = await loadModel(at('packed'), { precision: 'f32' })
  try {
    const [a, b] = [await apart.logits(QUESTION), await packed.logits(QUESTION)]
    assertNear(b.data, a.data, 0.03)
    const [seen, rows] = [await apart.encodeImages(QUESTION), await packed.encodeImages(QUESTION)]
    assertNear(rows.images[0]!.data, seen.images[0]!.data, 0.05)
  } finally {
    await apart.dispose()
    await packed.dispose()
  }
  await packModel(at('again'), { base: at('base'), adapters: [at('adapter')], card })
  assert.deepEqual(readdirSync(at('again')).sort(), readdirSync(at('packed')).sort())
  const [source, base] = [openStored(at('packed')), openCheckpoint(at('base'))]
  const files = (pattern: RegExp) =>
    new Set([...source.tensors].flatMap(([name, { file }]) => (pattern.test(name) ? [file] : [])))
  const seeing = files(/^vision_tower|projector/)
  assert.ok(seeing.size > 0)
  for (const file of files(/^language_model/)) assert.ok(!seeing.has(file), file)
  // Block 1 is the last whose output is read; the third is in no packed file.
  assert.ok([...base.tensors.keys()].some((name) => name.includes('layer.2.')))
  assert.ok(![...source.tensors.keys()].some((name) => name.includes('layer.2.')))
  source.close()
  base.close()
})

/** Of the largest value. */
function assertNear(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  const size = Math.max(...expected.map(Math.abs))
  expected.forEach((value, i) =>
    assert.ok(Math.abs(actual[i]! - value) <= tolerance * size, `[${i}]: ${actual[i]}, ${value}`),
  )
}

// The adapter's file had the pairs of matrices alone: a trained head was gone.
test('what an adapter holds in full for the language model is packed beside its matrices', async () => {
  const rows = VOCABULARY_SIZE
  for (const [module, shape] of [
    ['lm_head', [rows, D]],
    ['model.language_model.embed_tokens', [rows, D]],
    ['model.language_model.norm', [D]],
  ] as const) {
    const [adapter, out] = [at(`with ${module}`), at(`packed ${module}`)]
    await train(adapter)
    await addInFull(adapter, new Map([[`${module}.weight`, filled(shape)]]))
    await packModel(out, { base: at('base'), adapters: [adapter], card: '' })
    const apart = await loadModel(at('base'), { adapters: [adapter], precision: 'f32' })
    const packed = await loadModel(out, { precision: 'f32' })
    try {
      const [a, b] = [await apart.logits(QUESTION), await packed.logits(QUESTION)]
      assertNear(b.data, a.data, 0.03)
    } finally {
      await apart.dispose()
      await packed.dispose()
    }
    const config = JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8')) as object
    assert.deepEqual((config as { modules_to_save: unknown }).modules_to_save, [module])
  }
  const adapter = at('with another')
  await train(adapter)
  await addInFull(adapter, new Map([['model.language_model.extra.weight', filled([D])]]))
  await assert.rejects(packModel(at('none'), { base: at('base'), adapters: [adapter], card: '' }), {
    code: 'CHECKPOINT_ADAPTER',
    message: /model\.language_model\.extra/,
  })
})

test('the adapter of an embedding is packed beside the others', async () => {
  await train(at('words'))
  await addEmbedding(at('words'))
  await train(at('without words'))
  await packModel(at('packed words'), { base: at('base'), adapters: [at('words')], card: '' })
  const [apart, packed, without] = await Promise.all([
    loadModel(at('base'), { adapters: [at('words')], precision: 'f32' }),
    loadModel(at('packed words'), { precision: 'f32' }),
    loadModel(at('base'), { adapters: [at('without words')], precision: 'f32' }),
  ])
  try {
    const request = { messages: [{ role: 'user' as const, content: 'Why, 12?' }] }
    const [a, b, other] = [
      await apart.logits(request),
      await packed.logits(request),
      await without.logits(request),
    ]
    assertNear(b.data, a.data, 0.03)
    assert.throws(() => assertNear(other.data, a.data, 0.03))
  } finally {
    for (const model of [apart, packed, without]) await model.dispose()
  }
})

// All names of a tower were written as a ViT's, of which CLIP's first norm has none.
test('a CLIP tower that was trained is packed under its own names', async () => {
  const base = join('fixtures', 'inference', 'llava-mlp')
  const before = await loadModel(base, { precision: 'f32' })
  const { inputIds, pixelValues } = await before.prepare(QUESTION)
  const unseen = await before.encodeImages(QUESTION)
  await before.dispose()
  const trainer = await createTrainer(base, {
    trainable: ['projector', 'vision'],
    lora: { rank: 4 },
    learningRate: 1e-2,
  })
  const pixels = pixelValues as NonNullable<typeof pixelValues>
  await trainer.step([[{ inputIds, labels: inputIds, pixelValues: pixels }]])
  await trainer.save(at('clip adapter'))
  await trainer.dispose()
  await packModel(at('clip'), { base, adapters: [at('clip adapter')], card: '' })
  const apart = await loadModel(base, { adapters: [at('clip adapter')], precision: 'f32' })
  const packed = await loadModel(at('clip'), { precision: 'f32' })
  try {
    const [a, b] = [await apart.encodeImages(QUESTION), await packed.encodeImages(QUESTION)]
    assertNear(b.images[0]!.data, a.images[0]!.data, 0.05)
    assert.throws(() => assertNear(unseen.images[0]!.data, a.images[0]!.data, 0.05))
    const [logits, those] = [await apart.logits(QUESTION), await packed.logits(QUESTION)]
    assertNear(those.data, logits.data, 0.05)
  } finally {
    await apart.dispose()
    await packed.dispose()
  }
})

test('a share of an adapter counts as one whose alpha is that much less', async () => {
  await train(at('whole'))
  const options = { base: at('base'), adapters: [at('whole')], card: '' }
  await packModel(at('half'), { ...options, adapterScale: 0.5 })
  cpSync(at('whole'), at('less'), { recursive: true })
  const file = join(at('less'), 'adapter_config.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as { lora_alpha: number }
  writeFileSync(file, JSON.stringify({ ...config, lora_alpha: config.lora_alpha / 2 }))
  await packModel(at('whole packed'), { ...options, adapters: [at('less')] })
  const bytes = (name: string) => readFileSync(join(at(name), 'adapter_config.json'), 'utf8')
  assert.deepEqual(JSON.parse(bytes('half')), JSON.parse(bytes('whole packed')))
  for (const adapterScale of [0, 1.5, NaN]) {
    const refused = { code: 'CONFIG_ADAPTER_SCALE' }
    await assert.rejects(packModel(at('none'), { ...options, adapterScale }), refused)
  }
})

test('a share of some modules is a pattern of alphas; names and shares are checked', async () => {
  await train(at('by module'))
  const options = { base: at('base'), adapters: [at('by module')], card: '' }
  const shares = { adapterScale: 0.5, moduleScales: { v_proj: 0.5 } }
  await packModel(at('some'), { ...options, ...shares })
  const config = (name: string) =>
    JSON.parse(readFileSync(join(at(name), 'adapter_config.json'), 'utf8')) as {
      lora_alpha: number
      alpha_pattern: object
    }
  const { lora_alpha: alpha } = config('by module')
  const { lora_alpha, alpha_pattern } = config('some')
  assert.deepEqual(
    { lora_alpha, alpha_pattern },
    {
      lora_alpha: alpha / 2,
      alpha_pattern: { 'model.language_model.layers.0.self_attn.v_proj': alpha / 4 },
    },
  )
  const refused = { code: 'CONFIG_ADAPTER_SCALE' }
  const wrong: Record<string, number>[] = [{ v_proj: 2 }, { nothing_proj: 0.5 }]
  for (const moduleScales of wrong) {
    await assert.rejects(packModel(at('none'), { ...options, moduleScales }), refused)
  }
})

test('an adapter that does not fit is refused, and no folder is left', async () => {
  const other = at('other')
  await train(other, /o_proj/)
  const config = JSON.parse(readFileSync(join(other, 'adapter_config.json'), 'utf8')) as object
  writeFileSync(join(other, 'adapter_config.json'), JSON.stringify({ ...config, r: 4 }))
  await assert.rejects(packModel(at('none'), { base: at('base'), adapters: [other], card: '' }), {
    code: 'CHECKPOINT_ADAPTER',
  })
  assert.ok(!readdirSync(folder).some((name) => name.startsWith('none')))
})

async function train(out: string, targets = /(?:q|v|down)_proj/): Promise<void> {
  const trainer = await createTrainer(at('base'), {
    trainable: ['projector', 'vision'],
    lora: { rank: 8, alpha: 16, targets },
    learningRate: 1e-2,
  })
  try {
    const inputIds = [1, 10, 3, 3, 3, 3, 20, 21, 22, 2]
    const labels = inputIds.map((id, i) => (i < 6 ? -100 : id))
    const data = Float32Array.from({ length: 3 * 32 * 32 }, () => rng.normal())
    const sample = { inputIds, labels, pixelValues: { data, shape: [1, 3, 32, 32] } }
    for (let step = 0; step < 2; step++) await trainer.step([[sample]])
    await trainer.save(out)
  } finally {
    await trainer.dispose()
  }
}

/** Adds a pair for the embedding to an adapter's file, as PEFT saves it. */
async function addEmbedding(adapter: string): Promise<void> {
  const config = join(adapter, 'adapter_config.json')
  const before = readFileSync(config)
  const path = 'model.language_model.embed_tokens.lora_embedding_'
  const pair = [
    [`${path}A`, filled([8, VOCABULARY_SIZE])],
    [`${path}B`, filled([D, 8])],
  ] as const
  await addInFull(adapter, new Map(pair))
  writeFileSync(config, before)
}

/** Three blocks under timm's names, of which LLaVA reads two. */
async function writeTower(path: string): Promise<void> {
  mkdirSync(path)
  const config = {
    model_type: 'vit',
    image_size: 32,
    patch_size: 8,
    hidden_size: 32,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    intermediate_size: 64,
    layer_norm_eps: 1e-6,
  }
  writeFileSync(join(path, 'config.json'), JSON.stringify(config))
  const shapes: [string, number[]][] = [
    ['cls_token', [1, 1, 32]],
    ['pos_embed', [1, 17, 32]],
    ['patch_embed.proj.weight', [32, 3, 8, 8]],
    ['patch_embed.proj.bias', [32]],
    ...[0, 1, 2].flatMap((i) =>
      (
        [
          ['norm1', [32]],
          ['norm2', [32]],
          ['attn.qkv', [96, 32]],
          ['attn.proj', [32, 32]],
          ['mlp.fc1', [64, 32]],
          ['mlp.fc2', [32, 64]],
        ] as const
      ).flatMap(([name, shape]): [string, number[]][] => [
        [`blocks.${i}.${name}.weight`, [...shape]],
        [`blocks.${i}.${name}.bias`, [shape[0]]],
      ]),
    ),
  ]
  const plans = shapes.map(([name, shape]) => ({ name, shape, dtype: 'float32' as const }))
  await writeSafetensors(join(path, 'model.safetensors'), plans, ({ name, shape }) =>
    tinyNumbers(rng, name, shape),
  )
}

function ppm(): Uint8Array {
  const { data, width, height } = PICTURE
  const head = new TextEncoder().encode(`P6\n${width} ${height}\n255\n`)
  return Uint8Array.from([...head, ...data])
}
