import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { featureRows, patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import { JsonReader } from './json-reader.ts'
import {
  ONEVISION_DEFAULT,
  parseVisionConfig,
  publishedTower,
  withFeatureMap,
} from './vision-config.ts'

function parse(json: object, layers: readonly number[] = [-2], dropFirstRow = true): VisionConfig {
  return parseVisionConfig(reader(json), choose(layers, dropFirstRow))
}

function reader(json: object): JsonReader {
  return new JsonReader('config.vision_config', json)
}

function choose(layers: readonly number[], dropFirstRow = true) {
  return () => ({ layers, dropFirstRow })
}

const CLIP: VisionConfig = {
  kind: 'clip',
  imageSize: 224,
  patchSize: 32,
  hiddenSize: 768,
  intermediateSize: 3072,
  numLayers: 12,
  numHeads: 12,
  activation: 'quickGelu',
  epsilon: 1e-5,
  hasClassToken: true,
  hasPreNorm: true,
  hasPatchBias: false,
  hasAttentionBias: true,
  featureLayers: [11],
  dropFirstRow: true,
  isStandardised: false,
  patchMerge: 1,
}

const SIGLIP: VisionConfig = {
  ...CLIP,
  kind: 'siglip',
  patchSize: 16,
  activation: 'geluTanh',
  epsilon: 1e-6,
  hasClassToken: false,
  hasPreNorm: false,
  hasPatchBias: true,
  hasAttentionBias: true,
}

const VIT: VisionConfig = {
  ...CLIP,
  kind: 'vit',
  patchSize: 16,
  activation: 'gelu',
  epsilon: 1e-12,
  hasPreNorm: false,
  hasPatchBias: true,
  hasAttentionBias: true,
}

/** The tower of a LLaVA config that says nothing of it. */
const LLAVA: VisionConfig = {
  ...CLIP,
  imageSize: 336,
  patchSize: 14,
  hiddenSize: 1024,
  intermediateSize: 4096,
  numLayers: 24,
  numHeads: 16,
  featureLayers: [23],
}

describe('what a file leaves out is the default of its class', () => {
  const TABLE: readonly (readonly [object, VisionConfig])[] = [
    [{ model_type: 'clip_vision_model' }, CLIP],
    [{ model_type: 'siglip_vision_model' }, SIGLIP],
    [{ model_type: 'vit' }, VIT],
    [{}, LLAVA],
  ]
  for (const [json, expected] of TABLE) {
    test(JSON.stringify(json), () => assert.deepEqual(parse(json), expected))
  }

  // As transformers 5.23 reads them: LlavaConfig and LlavaOnevisionConfig of such a `vision_config`.
  test('without a model_type the others still count', () => {
    const json = { hidden_size: 96, num_hidden_layers: 3 }
    const sizes = { hiddenSize: 96, numLayers: 3, featureLayers: [2] }
    assert.deepEqual(parse(json), { ...CLIP, ...sizes })
    const ofOneVision = parseVisionConfig(reader(json), choose([-2]), ONEVISION_DEFAULT)
    assert.deepEqual(ofOneVision, { ...SIGLIP, ...sizes })
    const whole = parseVisionConfig(reader({}), choose([-1], false), ONEVISION_DEFAULT)
    assert.equal(whole.kind, 'siglip')
    assert.equal(whole.hiddenSize, 1152)
    assert.equal(whole.numLayers, 26)
  })
})

test('what a file says counts', () => {
  const json = {
    model_type: 'siglip',
    image_size: 384,
    patch_size: 14,
    hidden_size: 36,
    intermediate_size: 50,
    num_hidden_layers: 5,
    num_attention_heads: 3,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-3,
  }
  const config = parse(json, [-1], false)
  assert.deepEqual(config, {
    ...SIGLIP,
    imageSize: 384,
    patchSize: 14,
    hiddenSize: 36,
    intermediateSize: 50,
    numLayers: 5,
    numHeads: 3,
    activation: 'gelu',
    epsilon: 1e-3,
    featureLayers: [5],
    dropFirstRow: false,
    isStandardised: false,
    patchMerge: 1,
  })
  // 384 is no multiple of 14: six pixels are not seen.
  assert.equal(patchesPerSide(config), 27)
  assert.equal(featureRows(config), 729)
})

test('feature layers count hidden states: 0 the embeddings, −1 the last block', () => {
  const layersOf = (...layers: number[]) => parse({ model_type: 'vit' }, layers).featureLayers
  assert.deepEqual(layersOf(0, 1, -1, -13), [0, 1, 12, 0])
  for (const layer of [13, -14]) {
    assert.throws(
      () => layersOf(layer),
      (error) =>
        error instanceof ConfigError &&
        error.code === 'CONFIG_FEATURE_LAYER' &&
        error.message.includes(`feature layer ${layer} does not exist`),
    )
  }
  assert.throws(() => layersOf(), /expected at least one feature layer/)
  const many = Array.from({ length: 14 }, () => -1)
  assert.throws(() => layersOf(...many), /at most the 13 feature layers that there are, 14 came/)
})

test('a class token that is kept is a row of its own', () => {
  assert.equal(featureRows(CLIP), 49)
  assert.equal(featureRows({ ...CLIP, dropFirstRow: false }), 50)
  assert.equal(featureRows({ ...SIGLIP, dropFirstRow: false }), 196)
})

describe('what is not supported is refused by its name', () => {
  const REFUSED: readonly (readonly [object, RegExp])[] = [
    [
      { model_type: 'pixtral' },
      /model_type: "pixtral" is not supported; known are clip_vision_model/,
    ],
    [{ model_type: 'vit', hidden_act: 'tanh' }, /hidden_act: "tanh" is not supported/],
    [
      { model_type: 'vit', hidden_size: 100, num_attention_heads: 3 },
      /hidden_size 100 is not a multiple/,
    ],
    [{ model_type: 'vit', image_size: 'large' }, /image_size: expected a number ≥ 1, "large" came/],
    [{ model_type: 'vit', num_channels: 1 }, /num_channels: expected 3, 1 came/],
    [{ model_type: 'vit', image_size: 8 }, /image_size 8 has no room for a patch of 16/],
  ]
  for (const [json, message] of REFUSED) {
    test(String(message), () =>
      assert.throws(
        () => parse(json),
        (error) => error instanceof ConfigError && message.test(error.message),
      ),
    )
  }
})

test('the towers that original checkpoints name are known without their files', () => {
  assert.equal(publishedTower('openai/clip-vit-large-patch14')?.['image_size'], 224)
  assert.equal(publishedTower('google/siglip-so400m-patch14-384')?.['num_hidden_layers'], 27)
  assert.equal(publishedTower('constructor'), undefined)
})

test('patches merge where squares of them fill a tile, and the class token is none of them', () => {
  const merged = (vision: VisionConfig, side: number) =>
    withFeatureMap(vision, new JsonReader('config.json', { projector_patch_merge: side }))
  const six = { ...CLIP, imageSize: 6 * CLIP.patchSize }
  assert.equal(featureRows(merged(six, 2)), 9)
  assert.equal(featureRows(merged(six, 3)), 4)
  assert.equal(featureRows(merged(six, 1)), 36)
  assert.throws(() => merged(six, 4), { code: 'CONFIG_PATCH_MERGE' })
  assert.throws(() => merged({ ...six, dropFirstRow: false }, 2), { code: 'CONFIG_PATCH_MERGE' })
})
