/** config.json and its neighbours of both layouts, read as the families read them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { templatePrompt } from './checkpoint-text.ts'
import { ConfigError } from '../core/errors.ts'
import { fitOf } from '../preprocess/image-processor.ts'
import type { CheckpointDocuments, FamilyOptions, ModelConfig, Quirks } from './family.ts'
import { familyOf, parseModelConfig } from './index.ts'

const TOWER = {
  model_type: 'clip_vision_model',
  hidden_size: 32,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  image_size: 28,
  patch_size: 14,
}

const PROCESSOR = {
  size: { shortest_edge: 28 },
  crop_size: { height: 28, width: 28 },
  do_center_crop: true,
  resample: 3,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  image_grid_pinpoints: [
    [28, 56],
    [56, 28],
  ],
}

const TEXT = { model_type: 'llama', hidden_size: 64, num_attention_heads: 4, eos_token_id: 7 }

const HF = { model_type: 'llava', image_token_index: 99, vision_config: TOWER, text_config: TEXT }

const ORIGINAL = {
  model_type: 'llava_llama',
  hidden_size: 64,
  num_attention_heads: 4,
  mm_vision_tower: 'openai/clip-vit-large-patch14',
  mm_projector_type: 'mlp2x_gelu',
  image_aspect_ratio: 'pad',
}

type Files = Readonly<Record<string, unknown>>

function documents(config: unknown, files: Files = {}, tower?: Files): CheckpointDocuments {
  return {
    name: '/models/llava-v1.5-7b',
    files: new Map(Object.entries({ 'config.json': config, ...files })),
    ...(tower && { tower: new Map(Object.entries(tower)) }),
  }
}

function parse(given: CheckpointDocuments, options: FamilyOptions = {}): ModelConfig {
  return familyOf(given).parseConfig(given, options)
}

const hf = (change: object = {}, options?: FamilyOptions, files: Files = {}) =>
  parse(
    documents({ ...HF, ...change }, { 'preprocessor_config.json': PROCESSOR, ...files }),
    options,
  )

const original = (change: object = {}, options?: FamilyOptions) =>
  parse(
    documents(
      { ...ORIGINAL, ...change },
      {},
      {
        'config.json': TOWER,
        'preprocessor_config.json': PROCESSOR,
      },
    ),
    options,
  )

function assertRefused(parsing: () => unknown, code: string, message: RegExp): void {
  assert.throws(parsing, (error) => {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

describe('the family of a checkpoint follows from its config', () => {
  const TABLE: readonly (readonly [object, string])[] = [
    [HF, 'llava'],
    [{ ...HF, model_type: 'llava_next' }, 'next'],
    [{ ...HF, model_type: 'llava_onevision' }, 'next'],
    [ORIGINAL, 'llava'],
    [{ ...ORIGINAL, model_type: 'llava' }, 'llava'],
    [{ ...ORIGINAL, image_aspect_ratio: 'square' }, 'llava'],
    [{ ...ORIGINAL, image_aspect_ratio: 'anyres' }, 'next'],
    [{ ...ORIGINAL, mm_patch_merge_type: 'spatial_unpad' }, 'next'],
    [TEXT, 'text'],
    [{ model_type: 'qwen2' }, 'text'],
  ]
  for (const [config, family] of TABLE) {
    test(`${JSON.stringify(config).slice(0, 90)}… is ${family}`, () =>
      assert.equal(familyOf(documents(config)).name, family))
  }

  test('one that none knows is refused by its model_type, with the known families', () => {
    assertRefused(
      () => familyOf(documents({ model_type: 'blip_2' })),
      'CONFIG_FAMILY_UNSUPPORTED',
      /config\.json says model_type "blip_2"; supported families are llava, next, .*text/,
    )
    for (const [config, came] of [
      [undefined, /there is none; take/],
      [[], /\[\] came; take/],
      ['llava', /"llava" came; take/],
    ] as const) {
      assertRefused(() => familyOf(documents(config)), 'CONFIG_MISSING', /expected a config\.json/)
      assertRefused(() => familyOf(documents(config)), 'CONFIG_MISSING', came)
    }
  })
})

test("llava-hf: what the class's defaults say, and what stands beside them", () => {
  const config = hf()
  assert.equal(config.layout, 'hf')
  assert.deepEqual(config.vision?.featureLayers, [3])
  assert.equal(config.vision?.dropFirstRow, true)
  assert.deepEqual(config.projector, {
    depth: 2,
    activation: 'gelu',
    inputSize: 32,
    hiddenSize: 64,
    bias: true,
  })
  assert.equal(config.image?.placeholder, 99)
  assert.equal(config.image?.hasNewline, false)
  assert.deepEqual(config.endTokens, [7])
  assert.equal(config.maxContext, 2048)
  assert.deepEqual(config.prompt, { kind: 'none' })
})

test('llava-hf: features of several layers are concatenated, placeholders have two spellings', () => {
  const config = hf({ vision_feature_layer: [-2, -1], vision_feature_select_strategy: 'full' })
  assert.deepEqual(config.vision?.featureLayers, [3, 4])
  assert.equal(config.vision?.dropFirstRow, false)
  assert.equal(config.projector?.inputSize, 64)
  assert.equal(hf({ image_token_id: 5 }).image?.placeholder, 5)
})

test('llava-hf: a context grows with linear rotary scaling', () => {
  const text_config = { ...TEXT, rope_scaling: { type: 'linear', factor: 2.5 } }
  assert.equal(hf({ text_config }).maxContext, 5120)
})

test('original: tower, projector, conversation mode and context by their own keys', () => {
  const config = original({ tokenizer_model_max_length: 1000, eos_token_id: 2 })
  assert.equal(config.layout, 'original')
  assert.equal(config.image?.placeholder, -200)
  assert.equal(config.vision?.hiddenSize, 32)
  assert.deepEqual(config.vision?.featureLayers, [3])
  assert.equal(config.projector?.depth, 2)
  assert.equal(config.maxContext, 1000)
  assert.deepEqual(config.endTokens, [2])
  assert.deepEqual(config.prompt, { kind: 'conversation', mode: 'vicuna_v1', wrapImage: false })
})

describe('original: projectors by their names', () => {
  const depthOf = (change: object) => original(change).projector?.depth
  const { mm_projector_type: _, ...untyped } = ORIGINAL
  const TABLE: readonly (readonly [string, number])[] = [
    ['linear', 1],
    ['identity', 0],
    ['mlp2x_gelu', 2],
    ['mlp3x_gelu', 3],
  ]
  for (const [kind, depth] of TABLE) {
    test(kind, () => assert.equal(depthOf({ mm_projector_type: kind }), depth))
  }
  test('v1 files name none: it is linear', () => {
    const given = documents(
      untyped,
      {},
      { 'config.json': TOWER, 'preprocessor_config.json': PROCESSOR },
    )
    assert.equal(parse(given).projector?.depth, 1)
  })
  for (const kind of ['resampler', 'mlp0x_gelu', 'mlp2x_relu']) {
    test(`${kind} is refused`, () =>
      assertRefused(
        () => depthOf({ mm_projector_type: kind }),
        'CONFIG_UNSUPPORTED',
        new RegExp(
          `mm_projector_type: "${kind}" is not supported; known are linear, mlpNx_gelu, identity`,
        ),
      ))
  }
})

test('original: a tower may be known by its published name, else its folder is asked for', () => {
  assert.equal(parse(documents(ORIGINAL)).vision?.hiddenSize, 1024)
  assertRefused(
    () => parse(documents({ ...ORIGINAL, mm_vision_tower: 'my/tower' })),
    'CONFIG_TOWER_MISSING',
    /mm_vision_tower: the config of "my\/tower" was not found; give its folder as visionTower/,
  )
})

test('original: SigLIP gives its last but one block whatever layer is asked for', () => {
  const given = documents(
    { ...ORIGINAL, mm_vision_select_layer: -2 },
    {},
    {
      'config.json': { ...TOWER, model_type: 'siglip_vision_model' },
      'preprocessor_config.json': PROCESSOR,
    },
  )
  const { vision } = parse(given)
  assert.deepEqual(vision?.featureLayers, [3])
  assert.equal(vision?.dropFirstRow, false)
})

describe('strings of the configs that nobody knows are refused by name', () => {
  const REFUSED: readonly (readonly [string, () => unknown, string, RegExp])[] = [
    [
      'merge',
      () => original({ mm_patch_merge_type: 'spiral' }),
      'CONFIG_PATCH_MERGE',
      /mm_patch_merge_type: .* came spiral/,
    ],
    [
      'aspect ratio',
      () => original({ image_aspect_ratio: 'round' }),
      'CONFIG_ASPECT_RATIO',
      /image_aspect_ratio: .* came round/,
    ],
    [
      'feature selection of the original',
      () => original({ mm_vision_select_feature: 'best' }),
      'CONFIG_UNSUPPORTED',
      /mm_vision_select_feature: "best" is not supported; known are patch, cls_patch/,
    ],
    [
      'feature selection',
      () => hf({ vision_feature_select_strategy: 'best' }),
      'CONFIG_UNSUPPORTED',
      /vision_feature_select_strategy: "best"/,
    ],
    [
      'activation of the projector',
      () => hf({ projector_hidden_act: 'snake' }),
      'CONFIG_UNSUPPORTED',
      /projector_hidden_act: "snake"/,
    ],
    [
      'aspect ratio of OneVision',
      () => hf({ model_type: 'llava_onevision', vision_aspect_ratio: 'wide' }),
      'CONFIG_IMAGE_PROCESSOR',
      /vision_aspect_ratio: .* came "wide"/,
    ],
  ]
  for (const [what, parsing, code, message] of REFUSED) {
    test(what, () => assertRefused(parsing, code, message))
  }
})

test('processor and tower must agree on the size of a tile', () => {
  assertRefused(
    () => hf({ vision_config: { ...TOWER, image_size: 42 } }),
    'CONFIG_IMAGE_SIZE',
    /makes tiles of 28 × 28, the vision tower takes 42 × 42/,
  )
  assertRefused(
    () => parse(documents(HF)),
    'CONFIG_PROCESSOR_MISSING',
    /expected preprocessor_config\.json/,
  )
})

describe('the chat template is found where files keep it, in this order', () => {
  const promptOf = (files: Files, options?: FamilyOptions) => hf({}, options, files).prompt
  const named = [
    { name: 'other', template: 'O' },
    { name: 'default', template: 'D' },
  ]
  test('processors inside processor_config.json count more than files of their own', () => {
    const other = { ...PROCESSOR, image_mean: [0.1, 0.2, 0.3] }
    const files = {
      'processor_config.json': { image_processor: other, video_processor: other },
      'video_preprocessor_config.json': PROCESSOR,
    }
    assert.deepEqual(hf({}, {}, files).image?.processor.normalise?.mean, other.image_mean)
    const clips = hf({ model_type: 'llava_next_video' }, {}, files).video?.processor
    assert.deepEqual(clips?.normalise?.mean, other.image_mean)
    const bare = hf({}, {}, { 'processor_config.json': { patch_size: 14 } })
    assert.deepEqual(bare, hf())
  })

  test("a processor's template: processor_config, chat_template.json, .jinja, the tokenizer's", () => {
    const places: Record<string, unknown> = {
      'processor_config.json': { chat_template: 'A' },
      'chat_template.json': { chat_template: 'B' },
      'chat_template.jinja': 'C',
      'tokenizer_config.json': { chat_template: named },
    }
    for (const expected of ['A', 'B', 'C', 'D']) {
      assert.deepEqual(promptOf(places), templatePrompt(expected))
      delete places[Object.keys(places)[0]!]
    }
    assert.deepEqual(promptOf({}), { kind: 'none' })
  })
  test("a language model's own: chat_template.jinja, tokenizer_config, then a processor's", () => {
    const files: Record<string, unknown> = {
      'chat_template.jinja': 'A',
      'tokenizer_config.json': { chat_template: named },
      'processor_config.json': { chat_template: 'B' },
      'chat_template.json': { chat_template: 'C' },
    }
    for (const expected of ['A', 'D', 'B', 'C']) {
      assert.deepEqual(parse(documents(TEXT, files)).prompt, templatePrompt(expected, 'tokenizer'))
      delete files[Object.keys(files)[0]!]
    }
  })
  test('of several in a list or by their names the default counts', () => {
    for (const chat_template of [named, { other: 'O', default: 'D' }]) {
      for (const file of ['processor_config.json', 'tokenizer_config.json']) {
        assert.deepEqual(promptOf({ [file]: { chat_template } }), templatePrompt('D'))
      }
    }
  })
  test('a blank one is none, and the next file has its turn', () => {
    const own = { 'tokenizer_config.json': { chat_template: 'A' } }
    for (const blank of ['', ' \n']) {
      const files = { 'chat_template.jinja': blank, 'chat_template.json': { chat_template: blank } }
      assert.deepEqual(promptOf(files), { kind: 'none' })
      assert.deepEqual(promptOf({ ...files, ...own }), templatePrompt('A'))
    }
  })
  test('several without a default, and null, are no template', () => {
    for (const chat_template of [[named[0]], { other: 'O' }, null, 7]) {
      assert.deepEqual(promptOf({ 'tokenizer_config.json': { chat_template } }), { kind: 'none' })
    }
  })
  test("the caller's template comes first: a mode by its name, or Jinja", () => {
    const files = { 'chat_template.jinja': 'A' }
    assert.deepEqual(promptOf(files, { template: 'vicuna_v1' }), {
      kind: 'conversation',
      mode: 'vicuna_v1',
      wrapImage: false,
    })
    assert.deepEqual(promptOf(files, { template: '{{ x }}' }), templatePrompt('{{ x }}'))
  })
})

test('end tokens come from generation_config.json, else from the model, one or several', () => {
  const generation = (eos: unknown) => ({ 'generation_config.json': { eos_token_id: eos } })
  assert.deepEqual(hf({}, {}, generation([3, 4])).endTokens, [3, 4])
  assert.deepEqual(hf({}, {}, generation(null)).endTokens, [7])
  assert.deepEqual(hf({ text_config: { ...TEXT, eos_token_id: null } }).endTokens, [])
})

describe('original: what wraps a picture', () => {
  const wrapped = { mm_use_im_start_end: true }
  test('is said by the config', () => {
    assert.deepEqual(original(wrapped).prompt, {
      kind: 'conversation',
      mode: 'vicuna_v1',
      wrapImage: true,
    })
  })
  test('and stays in a mode of the caller', () => {
    assert.deepEqual(original(wrapped, { template: 'llava_v0' }).prompt, {
      kind: 'conversation',
      mode: 'llava_v0',
      wrapImage: true,
    })
  })
})

describe('layout sets every quirk, and each can be set alone', () => {
  test('hf weights in the original layout: the placeholder, a mode by name, pictures padded', () => {
    const config = hf({}, { layout: 'original' })
    assert.equal(config.layout, 'original')
    assert.equal(config.image?.placeholder, -200)
    assert.deepEqual(config.prompt, { kind: 'conversation', mode: 'vicuna_v1', wrapImage: false })
    assert.equal(fitOf(config.image!.processor), 'pad')
    assert.equal(fitOf(hf().image!.processor), 'crop')
  })
  test('a linear projector is v1, which crops', () => {
    const config = hf({ projector_hidden_act: 'linear' }, { layout: 'original' })
    assert.equal(fitOf(config.image!.processor), 'crop')
  })
  test('original weights have no placeholder token, so the hf layout is refused', () => {
    assertRefused(
      () => original({}, { layout: 'hf' }),
      'CONFIG_LAYOUT',
      /layout: the checkpoint is an original one/,
    )
  })
  test('fit', () => {
    for (const fit of ['pad', 'crop', 'squash'] as const) {
      assert.equal(fitOf(hf({}, { quirks: { fit } }).image!.processor), fit)
    }
  })
  test('resampleOrder', () => {
    assert.equal(
      hf({}, { quirks: { resampleOrder: 'pillow13' } }).image?.processor.order,
      'pillow13',
    )
    assert.equal(hf().image?.processor.order, 'pillow12')
  })
  test('tiles and base', () => {
    const next = { model_type: 'llava_next' }
    assert.equal(hf(next, { quirks: { tiles: 'one' } }).image?.processor.tiling.kind, 'none')
    const { tiling } = hf(next, { quirks: { base: 'pad' } }).image!.processor
    assert.equal(tiling.kind === 'anyres' && tiling.base, 'pad')
  })
  test('severalPictures', () => {
    const of = (change: object, options?: FamilyOptions) =>
      hf(change, options).image?.processor.severalPictures
    assert.equal(of({ model_type: 'llava_next' }), 'each')
    const rows = { vision_feature_layer: -2, vision_feature_select_strategy: 'default' }
    assert.equal(of({ model_type: 'llava_onevision', ...rows }), 'single')
    assert.equal(
      of({ model_type: 'llava_next' }, { quirks: { severalPictures: 'single' } }),
      'single',
    )
  })
  // Once they were taken and did nothing.
  test('quirks without a place in a checkpoint are refused, all at once', () => {
    const { image_grid_pinpoints: _, ...oneTile } = PROCESSOR
    const files = (processor: object) => ({ 'preprocessor_config.json': processor })
    const plain = documents(HF, files(oneTile))
    const tiled = documents({ ...HF, model_type: 'llava_next' }, files(PROCESSOR))
    const text = documents({ ...TEXT, model_type: 'llama' })
    const refused = (given: CheckpointDocuments, quirks: Quirks, ...reasons: RegExp[]) =>
      assert.throws(
        () => parseModelConfig(given, { quirks }),
        (error) =>
          error instanceof ConfigError &&
          error.code === 'CONFIG_QUIRK' &&
          reasons.every((reason) => reason.test(error.message)),
      )
    refused(
      plain,
      { base: 'pad', anyres: 'hf' },
      /base pad expects pictures cut into tiles; anyres hf/,
    )
    for (const severalPictures of ['each', 'single'] as const)
      parseModelConfig(plain, { quirks: { severalPictures, base: 'squash' } })
    refused(tiled, { tiles: 'one', base: 'pad' }, /base pad expects/)
    refused(
      tiled,
      { poolMode: 'none', poolStride: 3 },
      /poolStride 3 expects frames that are pooled/,
    )
    refused(text, { fit: 'pad', clipNewline: 'grid' }, /fit pad expects pictures; clipNewline/)
    const tiles = { base: 'pad', anyres: 'hf', severalPictures: 'single', fit: 'pad' } as const
    parseModelConfig(tiled, { quirks: { ...tiles, poolStride: 2, poolPlace: 'before' } })
    parseModelConfig(plain, { quirks: { fit: 'pad', poolMode: 'none', clipNewline: 'no_token' } })
    parseModelConfig(text, { quirks: { truncate: 'refuse', fit: undefined } })
  })
  test('tokenise', () => {
    assert.equal(hf().tokenise, 'whole')
    assert.equal(hf({}, { layout: 'original' }).tokenise, 'pieces')
    assert.equal(hf({}, { quirks: { tokenise: 'pieces' } }).tokenise, 'pieces')
  })
  test('truncate', () => {
    assert.equal(hf().truncate, 'refuse')
    assert.equal(hf({}, { quirks: { truncate: 'asOriginal' } }).truncate, 'asOriginal')
  })
})
