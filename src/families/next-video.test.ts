import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countVideoTokens } from '../preprocess/video-tokens.ts'
import type { FamilyOptions, ModelConfig } from './family.ts'
import { familyOf } from './index.ts'
import { defaultFrames } from './video-config.ts'
import { publishedTower } from './vision-config.ts'

const CLIP = publishedTower('openai/clip-vit-large-patch14-336')
const SIGLIP = {
  ...CLIP,
  model_type: 'siglip_vision_model',
  image_size: 384,
  vision_use_head: false,
}
const SIZED = { height: 384, width: 384 }
const CLIP_PROCESSOR = {
  image_processor_type: 'LlavaNextImageProcessor',
  size: { shortest_edge: 336 },
  crop_size: { height: 336, width: 336 },
}
const SIGLIP_PROCESSOR = {
  image_processor_type: 'LlavaOnevisionImageProcessor',
  size: SIZED,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
}

const WHOLE = { vision_feature_select_strategy: 'full', vision_feature_layer: -1 }

function hf(
  modelType: string,
  {
    config = {},
    text = {},
    options = {},
    files = {},
  }: { config?: object; text?: object; options?: FamilyOptions; files?: object },
): ModelConfig {
  const isSiglip = modelType === 'llava_onevision'
  const documents = {
    name: 'test',
    files: new Map<string, unknown>([
      [
        'config.json',
        {
          model_type: modelType,
          vision_config: isSiglip ? SIGLIP : CLIP,
          text_config: {
            model_type: isSiglip ? 'qwen2' : 'llama',
            max_position_embeddings: 4096,
            ...text,
          },
          ...(isSiglip && WHOLE),
          ...config,
        },
      ],
      ['preprocessor_config.json', isSiglip ? SIGLIP_PROCESSOR : CLIP_PROCESSOR],
      ...Object.entries(files),
    ]),
  }
  return familyOf(documents).parseConfig(documents, options)
}

function original(config: object, tower = 'openai/clip-vit-large-patch14-336'): ModelConfig {
  const documents = {
    name: 'llava-v1.6-vicuna-7b',
    files: new Map<string, unknown>([
      [
        'config.json',
        {
          model_type: 'llava_llama',
          mm_vision_tower: tower,
          mm_projector_type: 'mlp2x_gelu',
          mm_patch_merge_type: 'spatial_unpad',
          image_aspect_ratio: 'anyres',
          image_grid_pinpoints: [[672, 672]],
          max_position_embeddings: 4096,
          ...config,
        },
      ],
    ]),
    tower: new Map<string, unknown>([['config.json', tower.includes('siglip') ? SIGLIP : CLIP]]),
  }
  return familyOf(documents).parseConfig(documents, {})
}

function habits({ video }: ModelConfig) {
  const { tokens, poolPlace, placeholder, processor } = video!
  return {
    pooling: tokens.pooling,
    newline: tokens.newline,
    poolPlace,
    placeholder,
    tiling: processor.tiling.kind,
  }
}

test('NeXT-Video of transformers pools before the projector and has places of its own', () => {
  const config = { video_token_index: 32000, image_token_index: 32001, spatial_pool_mode: 'max' }
  assert.deepEqual(habits(hf('llava_next_video', { config })), {
    pooling: { mode: 'max', stride: 2 },
    newline: 'none',
    poolPlace: 'before',
    placeholder: 32000,
    tiling: 'none',
  })
})

test('a OneVision config that does not name its layer takes all rows of the last block, as transformers does', () => {
  const bare = Object.fromEntries(Object.keys(WHOLE).map((key) => [key, undefined]))
  const config = { image_token_index: 151646 }
  const [named, unnamed] = [config, { ...config, ...bare }].map((one) =>
    hf('llava_onevision', { config: one }),
  )
  assert.deepEqual(unnamed!.vision, named!.vision)
})

test('OneVision interpolates behind the projector and ends a clip with one newline', () => {
  assert.deepEqual(habits(hf('llava_onevision', { config: { image_token_index: 151646 } })), {
    pooling: { mode: 'bilinear', stride: 2 },
    newline: 'end',
    poolPlace: 'after',
    placeholder: 151647,
    tiling: 'none',
  })
})

test('a model that never saw a clip takes one in a place of a picture, 16 frames of 144 in 4096', () => {
  const config = hf('llava_next', { config: { image_token_index: 32000 } })
  assert.deepEqual(habits(config), {
    pooling: { mode: 'average', stride: 2 },
    newline: 'end',
    poolPlace: 'after',
    placeholder: 32000,
    tiling: 'none',
  })
  assert.equal(defaultFrames(config, 1), 16)
  assert.equal(countVideoTokens(16, config.video!.tokens).tokens, 2305)
})

// Once such a checkpoint was refused for a pooling of clips that nobody asked for.
test('a model of pictures whose tiles are one patch is read, its frames are not pooled', () => {
  const vision_config = { ...CLIP, image_size: 14, patch_size: 14 }
  const tile = { height: 14, width: 14 }
  const processor = { ...CLIP_PROCESSOR, size: { shortest_edge: 14 }, crop_size: tile }
  const image_grid_pinpoints = [[14, 28]]
  const files = { 'preprocessor_config.json': { ...processor, image_grid_pinpoints } }
  const config = hf('llava_next', { config: { vision_config, image_grid_pinpoints }, files })
  assert.deepEqual(habits(config).pooling, { mode: 'none' })
})

// Once the key was passed over, and all frames were taken.
test('frames that a video processor samples are taken unless others are asked for', () => {
  const processed = (keys: object) => {
    const files = { 'video_preprocessor_config.json': { ...CLIP_PROCESSOR, ...keys } }
    return defaultFrames(hf('llava_next_video', { files }), 1)
  }
  assert.equal(processed({ do_sample_frames: true, num_frames: 2 }), 2)
  assert.equal(processed({ do_sample_frames: false, num_frames: 2 }), 21)
  assert.equal(processed({ do_sample_frames: true }), 21)
  assert.throws(() => processed({ do_sample_frames: true, num_frames: 0 }), /num_frames: expected/)
  const rated = { do_sample_frames: true, fps: 2 }
  assert.throws(() => processed(rated), /video processor\.fps: .* 2 frames a second came/)
  assert.equal(processed({ ...rated, num_frames: 3 }), 3)
})

// Once the key was passed over, and every frame had all its tokens.
test('slow and fast frames of the original are refused by name where it makes them', () => {
  const faster = { mm_spatial_pool_mode: 'average', add_faster_video: true }
  const refused = /config\.json\.add_faster_video: true is not supported/
  assert.throws(() => original({ ...faster, mm_newline_position: 'grid' }), refused)
  for (const keys of [
    { mm_newline_position: 'frame' },
    { mm_newline_position: 'grid', mm_patch_merge_type: 'flat' },
    { mm_newline_position: 'grid', add_faster_video: false },
  ]) {
    assert.doesNotThrow(() => original({ ...faster, ...keys }))
  }
})

test('the original layout halves whatever the stride, and reads where newlines go', () => {
  const trained = { mm_spatial_pool_mode: 'bilinear', mm_spatial_pool_stride: 4 }
  assert.deepEqual(habits(original({ ...trained, mm_newline_position: 'grid' })), {
    pooling: { mode: 'bilinear', stride: 2 },
    newline: 'rows',
    poolPlace: 'after',
    placeholder: -200,
    tiling: 'none',
  })
  assert.equal(habits(original(trained)).newline, 'end')
  assert.equal(habits(original({ ...trained, mm_patch_merge_type: 'spatial' })).newline, 'none')
  const flat = { ...trained, mm_patch_merge_type: 'flat', mm_newline_position: 'frame' }
  assert.equal(habits(original(flat)).newline, 'none')
})

test('Interleave takes frames as so many pictures', () => {
  const config = original(
    { image_grid_pinpoints: [[768, 768]] },
    'google/siglip-so400m-patch14-384',
  )
  assert.equal(habits(config).newline, 'frames')
  assert.deepEqual(habits(config).pooling, { mode: 'none' })
})

test('quirks change pooling, its place and newlines, each alone', () => {
  const quirks = {
    poolMode: 'max',
    poolStride: 3,
    poolPlace: 'after',
    clipNewline: 'frame',
  } as const
  const { pooling, poolPlace, newline } = habits(hf('llava_next_video', { options: { quirks } }))
  assert.deepEqual(
    { pooling, poolPlace, newline },
    {
      pooling: { mode: 'max', stride: 3 },
      poolPlace: 'after',
      newline: 'frames',
    },
  )
  const none = hf('llava_next_video', { options: { quirks: { poolMode: 'none' } } })
  assert.equal(countVideoTokens(2, none.video!.tokens).tokens, 2 * 576)
})

test('frames are as many as fit beside a text, shared between clips, at most 32', () => {
  const scaled = { rope_scaling: { type: 'linear', factor: 2.5 } }
  assert.equal(defaultFrames(hf('llava_next_video', { text: scaled }), 1), 32)
  assert.equal(defaultFrames(hf('llava_next_video', {}), 1), 21)
  assert.equal(defaultFrames(hf('llava_next_video', {}), 3), 7)
  const cut = hf('llava_next_video', { options: { quirks: { truncate: 'asOriginal' } } })
  assert.equal(defaultFrames(cut, 3), 32)
  assert.equal(
    defaultFrames(hf('llava_onevision', { text: { max_position_embeddings: 32768 } }), 1),
    32,
  )
})
