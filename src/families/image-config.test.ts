import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FamilyOptions, ModelConfig } from './family.ts'
import { familyOf } from './index.ts'
import { publishedTower } from './vision-config.ts'

const CLIP = publishedTower('openai/clip-vit-large-patch14-336')
const PROCESSOR = { size: { shortest_edge: 336 }, crop_size: { height: 336, width: 336 } }
const GRIDS = [
  [336, 672],
  [672, 336],
]

function original(config: object, options: FamilyOptions = {}): ModelConfig {
  const documents = {
    name: 'llava-v1.6-vicuna-7b',
    files: new Map([
      [
        'config.json',
        {
          model_type: 'llava',
          mm_vision_tower: 'openai/clip-vit-large-patch14-336',
          mm_projector_type: 'mlp2x_gelu',
          mm_vision_select_feature: 'cls_patch',
          image_grid_pinpoints: GRIDS,
          ...config,
        },
      ],
    ]),
  }
  return familyOf(documents).parseConfig(documents, options)
}

function hf(modelType: string, options: FamilyOptions = {}): ModelConfig {
  const documents = {
    name: 'test',
    files: new Map<string, unknown>([
      [
        'config.json',
        {
          model_type: modelType,
          vision_config: CLIP,
          text_config: { model_type: 'llama', max_position_embeddings: 4096 },
          vision_feature_select_strategy: 'full',
          image_grid_pinpoints: GRIDS,
        },
      ],
      [
        'preprocessor_config.json',
        {
          image_processor_type: `${modelType === 'llava' ? 'CLIP' : 'LlavaNext'}ImageProcessor`,
          ...PROCESSOR,
        },
      ],
    ]),
  }
  return familyOf(documents).parseConfig(documents, options)
}

const REFUSAL = {
  code: 'CONFIG_PATCH_MERGE',
  message: /tiles of 577 rows are no map of 24 × 24.*mm_vision_select_feature/,
}

describe('a class token that is kept', () => {
  // Once rows of a tile were taken for patches of the one before, without a word.
  test('is refused where tiles become one map', () => {
    const merges = ['spatial', 'spatial_unpad', 'spatial_maxpool2x2', 'spatial_unpad_nobase']
    for (const aspect of ['anyres', 'anyres_max_9']) {
      for (const merge of merges) {
        const config = { image_aspect_ratio: aspect, mm_patch_merge_type: merge }
        assert.throws(() => original(config), REFUSAL, `${aspect} ${merge}`)
      }
    }
    assert.throws(() => hf('llava_next'), REFUSAL)
  })

  test('is a row of its own where they are not', () => {
    const spatial = { mm_patch_merge_type: 'spatial_unpad' }
    const plain = [
      original({ image_aspect_ratio: 'pad' }),
      original({ image_aspect_ratio: 'pad', ...spatial }),
      original({ image_aspect_ratio: 'anyres', mm_patch_merge_type: 'flat' }),
      original({ image_aspect_ratio: 'anyres', ...spatial }, { quirks: { tiles: 'one' } }),
      hf('llava'),
    ]
    for (const { vision } of plain) assert.equal(vision?.dropFirstRow, false)
  })
})
