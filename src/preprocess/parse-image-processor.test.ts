import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConfigError } from '../core/errors.ts'
import { fitOf, withFit } from './image-processor.ts'
import { originalImageProcessor } from './original-image-processor.ts'
import { parseImageProcessor } from './parse-image-processor.ts'
import { parsePinpoints } from './pinpoints.ts'

const CLIP = {
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 336 },
  crop_size: { height: 336, width: 336 },
}

test('keys decide: a ViT processor that crops is a CLIP processor', () => {
  const keys = {
    size: { shortest_edge: 248 },
    crop_size: { height: 224, width: 224 },
    do_center_crop: true,
    resample: 3,
  }
  const half = [0.5, 0.5, 0.5]
  const vit = parseImageProcessor({ image_processor_type: 'ViTImageProcessor', ...keys })
  const clip = parseImageProcessor({
    image_processor_type: 'CLIPImageProcessorFast',
    ...keys,
    image_mean: half,
    image_std: half,
  })
  assert.deepEqual(vit, clip)
  assert.equal(fitOf(vit), 'crop')
})

test('files of transformers 5, with the processor inside, are the same', () => {
  assert.deepEqual(
    parseImageProcessor({
      image_processor: CLIP,
      patch_size: 14,
      processor_class: 'LlavaProcessor',
    }),
    parseImageProcessor(CLIP),
  )
})

test('old files with plain numbers as sizes are understood', () => {
  const old = { feature_extractor_type: 'CLIPFeatureExtractor', size: 336, crop_size: 336 }
  assert.deepEqual(parseImageProcessor(old), parseImageProcessor(CLIP))
})

test('do_pad pads to a square with the mean, cut to whole numbers', () => {
  const padded = parseImageProcessor({
    ...CLIP,
    image_processor_type: 'LlavaImageProcessor',
    do_pad: true,
  })
  assert.deepEqual(padded.pad, [122, 116, 104])
  assert.deepEqual(withFit(parseImageProcessor(CLIP), 'pad').pad, [122, 116, 104])
})

test('do_pad is nothing to CLIP, SigLIP and ViT; a file that names no class has it as it says', () => {
  for (const name of ['CLIP', 'Siglip', 'ViT']) {
    for (const end of ['ImageProcessor', 'ImageProcessorFast', 'FeatureExtractor']) {
      const file = { image_processor_type: `${name}${end}` }
      assert.deepEqual(parseImageProcessor({ ...file, do_pad: true }), parseImageProcessor(file))
    }
  }
  const { image_processor_type: _, ...keys } = CLIP
  const steps = { do_center_crop: true, resample: 3, image_mean: 0.5, image_std: 0.5, do_pad: true }
  assert.deepEqual(parseImageProcessor({ ...keys, ...steps }).pad, [127, 127, 127])
})

test('with grids do_pad fills batches and pads nothing; pairs are height and width', () => {
  const next = parseImageProcessor({
    ...CLIP,
    image_processor_type: 'LlavaNextImageProcessor',
    do_pad: true,
    image_grid_pinpoints: [[336, 672]],
  })
  assert.equal(next.pad, null)
  assert.deepEqual(next.tiling, {
    kind: 'anyres',
    pinpoints: [{ width: 672, height: 336 }],
    maxTiles: null,
    base: 'squash',
  })
})

test('anyres_base says in either layout how the base tile is made', () => {
  const grids = { image_grid_pinpoints: [[336, 672]] }
  const base = (keys: object) => {
    const hf = parseImageProcessor({ ...CLIP, ...grids, ...keys }).tiling
    const config = { image_aspect_ratio: 'anyres', ...grids, ...keys }
    const original = originalImageProcessor({ config, tower: { processor: CLIP } }).tiling
    return [hf, original].map((tiling) => tiling.kind === 'anyres' && tiling.base)
  }
  assert.deepEqual(base({}), ['squash', 'squash'])
  assert.deepEqual(base({ anyres_base: 'pad' }), ['pad', 'pad'])
  const code = 'CONFIG_IMAGE_PROCESSOR'
  assert.throws(() => base({ anyres_base: 'crop' }), {
    code,
    message: /squash or pad, came "crop"/,
  })
})

test('the result cannot be changed', () => {
  const processor = parseImageProcessor(CLIP)
  assert.throws(() => Object.assign(processor.tile, { width: 1 }), TypeError)
})

test('a mean or deviation that is one number is that of each channel', () => {
  const { normalise } = parseImageProcessor({ ...CLIP, image_mean: 0.5, image_std: 0.25 })
  assert.deepEqual(normalise, { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] })
})

test('everything wrong with a file is said at once', () => {
  const image_std = [0.5, 0, 0.5]
  const broken = { ...CLIP, image_mean: [0.5], image_std, resample: 9, do_rescale: 'yes' }
  assert.throws(
    () => parseImageProcessor(broken),
    (error: ConfigError) => {
      assert.equal(error.code, 'CONFIG_IMAGE_PROCESSOR')
      for (const key of ['image_mean', 'image_std', 'resample', 'do_rescale'])
        assert.match(error.message, new RegExp(key))
      return true
    },
  )
})

test('any JSON gives a processor or a ConfigError', () => {
  const keys = fc.constantFrom(
    'size',
    'crop_size',
    'do_center_crop',
    'do_resize',
    'image_mean',
    'image_grid_pinpoints',
    'resample',
    'image_processor',
    'do_pad',
  )
  fc.assert(
    fc.property(fc.dictionary(keys, fc.jsonValue()), (json) => {
      try {
        parseImageProcessor({ ...CLIP, ...json })
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error))
      }
    }),
    { numRuns: 300 },
  )
})

test('the original layout follows image_aspect_ratio and the tower', () => {
  const clip = { name: 'openai/clip-vit-large-patch14-336' }
  const siglip = { name: 'google/siglip-so400m-patch14-384' }
  const fit = (config: object, tower: object) => fitOf(originalImageProcessor({ config, tower }))
  assert.equal(fit({}, clip), 'crop')
  assert.equal(fit({ image_aspect_ratio: 'pad' }, clip), 'pad')
  assert.equal(fit({ image_aspect_ratio: 'square' }, siglip), 'squash')
  assert.deepEqual(
    originalImageProcessor({
      config: {},
      tower: { name: 'clip', config: { model_type: 'clip_vision_model', image_size: 224 } },
    }).tile,
    { width: 224, height: 224 },
  )
  const max = { image_aspect_ratio: 'anyres_max_9', image_grid_pinpoints: '(1x1),...,(6x6)' }
  const { tiling } = originalImageProcessor({ config: max, tower: siglip })
  assert.ok(tiling.kind === 'anyres' && tiling.maxTiles === 9 && tiling.pinpoints.length === 36)
  assert.throws(() => fit({ image_aspect_ratio: 'round' }, clip), { code: 'CONFIG_ASPECT_RATIO' })
  assert.throws(() => fit({}, { name: 'eva' }), { code: 'CONFIG_IMAGE_PROCESSOR' })
})

test('pinpoints are read in every spelling', () => {
  const pairs = [{ width: 336, height: 672 }]
  assert.deepEqual(parsePinpoints([[336, 672]], 336, 'original'), pairs)
  assert.deepEqual(parsePinpoints([[672, 336]], 336, 'hf'), pairs)
  assert.deepEqual(parsePinpoints('[(336, 672)]', 336, 'original'), pairs)
  assert.deepEqual(parsePinpoints('[[336, 672]]', 336, 'original'), pairs)
  assert.deepEqual(
    parsePinpoints('(1x1),...,(2x3)', 336, 'original').map(({ width, height }) => [
      width / 336,
      height / 336,
    ]),
    [
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [2, 2],
      [2, 3],
    ],
  )
  assert.equal(parsePinpoints('blog2024', 336, 'original').length, 7)
  assert.equal(parsePinpoints('1.5-hd', 224, 'original').length, 14)
  for (const wrong of [undefined, [], [[1, 2, 3]], 'x', [[100, 336]], {}, '(0x1),(0x0)']) {
    assert.throws(() => parsePinpoints(wrong, 336, 'hf'), { code: 'CONFIG_PINPOINTS' })
  }
})
