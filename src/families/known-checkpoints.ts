/**
 * Published LLaVA checkpoints by hub id, as their config files describe them: what can be said of one without fetching
 * a byte of it.
 *
 * Sources: haotian-liu/LLaVA `docs/MODEL_ZOO.md`, LLaVA-VL/LLaVA-NeXT `docs/`, the model pages of `llava-hf`.
 */
import type { CheckpointDocuments } from './family.ts'
import {
  KNOWN_LANGUAGE_MODELS,
  type KnownLanguageModel,
  type LanguageModelName,
} from './known-language-models.ts'

export type KnownCheckpoint = {
  readonly id: string
  readonly layout: 'original' | 'hf'
  /** What its files hold: a whole model, the difference to LLaMA, an adapter on a base, or a projector for one. */
  readonly form: 'whole' | 'delta' | 'lora' | 'projector'
  /** Whether the vision tower is among its files; else it is that of `mm_vision_tower`. */
  readonly hasTower: boolean
  readonly documents: CheckpointDocuments
  /** What nobody here has seen in a file; empty for most. */
  readonly unverified: readonly string[]
}

/** The checkpoint of a hub id, whatever the case of its letters, or undefined. */
export function knownCheckpoint(id: string): KnownCheckpoint | undefined {
  return KNOWN.get(id.toLowerCase())
}

export function knownCheckpoints(): readonly KnownCheckpoint[] {
  return [...KNOWN.values()]
}

const CLIP_224 = 'openai/clip-vit-large-patch14'
const CLIP_336 = 'openai/clip-vit-large-patch14-336'
const SIGLIP = 'google/siglip-so400m-patch14-384'

const FIVE_GRIDS = [
  [1, 2],
  [2, 1],
  [2, 2],
  [3, 1],
  [1, 3],
]
const GRIDS_336 = grids(FIVE_GRIDS, 336)
const GRIDS_384 = grids(FIVE_GRIDS, 384)
const ALL_GRIDS = grids(
  [1, 2, 3, 4, 5, 6].flatMap((i) => [1, 2, 3, 4, 5, 6].map((j) => [i, j])),
  384,
)

function grids(pairs: readonly (readonly number[])[], side: number): number[][] {
  return pairs.map((pair) => pair.map((tiles) => tiles * side))
}

type Keys = Readonly<Record<string, unknown>>

/** How each generation of the original repositories cuts pictures. */
const ORIGINAL_KEYS = {
  v1: { mm_vision_tower: CLIP_224, mm_projector_type: 'linear' },
  'v1-336': { mm_vision_tower: CLIP_336, mm_projector_type: 'linear' },
  '1.5': {
    mm_vision_tower: CLIP_336,
    mm_projector_type: 'mlp2x_gelu',
    image_aspect_ratio: 'pad',
    tokenizer_model_max_length: 2048,
  },
  '1.6': anyres(CLIP_336, GRIDS_336),
  video: {
    ...anyres(CLIP_336, GRIDS_336),
    mm_resampler_type: 'spatial_pool',
    mm_spatial_pool_stride: 2,
    mm_spatial_pool_mode: 'average',
    mm_spatial_pool_out_channels: 1024,
    mm_newline_position: 'no_token',
  },
  'siglip-image': anyres(SIGLIP, GRIDS_384),
  'siglip-video': {
    ...anyres(SIGLIP, GRIDS_384),
    mm_spatial_pool_mode: 'average',
    mm_spatial_pool_stride: 2,
    mm_newline_position: 'grid',
  },
  onevision: {
    ...anyres(SIGLIP, '(1x1),...,(6x6)'),
    image_aspect_ratio: 'anyres_max_9',
    mm_spatial_pool_mode: 'bilinear',
    mm_newline_position: 'one_token',
  },
} as const satisfies Readonly<Record<string, Keys>>

function anyres(tower: string, pinpoints: unknown) {
  return {
    mm_vision_tower: tower,
    mm_projector_type: 'mlp2x_gelu',
    image_aspect_ratio: 'anyres',
    mm_patch_merge_type: 'spatial_unpad',
    image_grid_pinpoints: pinpoints,
    unfreeze_mm_vision_tower: true,
  }
}

type Extra = Partial<Pick<KnownCheckpoint, 'form' | 'unverified'>> & { readonly keys?: Keys }

const ORIGINAL_TYPES: Keys = { llama: 'llava_llama', mistral: 'llava_mistral', qwen2: 'llava_qwen' }

function original(
  id: string,
  generation: keyof typeof ORIGINAL_KEYS,
  name: LanguageModelName,
  { form = 'whole', unverified = [], keys = {} }: Extra = {},
): KnownCheckpoint {
  const language: KnownLanguageModel = KNOWN_LANGUAGE_MODELS[name]
  const cuts: Keys = ORIGINAL_KEYS[generation]
  const config = {
    ...language.config,
    model_type: ORIGINAL_TYPES[String(language.config['model_type'])],
    mm_vision_select_layer: -2,
    mm_vision_select_feature: 'patch',
    mm_use_im_start_end: false,
    tokenizer_model_max_length: language.config['max_position_embeddings'],
    ...cuts,
    ...keys,
  }
  return {
    id,
    layout: 'original',
    form,
    hasTower: cuts['unfreeze_mm_vision_tower'] === true,
    documents: { name: id, files: new Map([['config.json', config]]) },
    unverified: [...language.unverified, ...unverified],
  }
}

const CLIP_CONFIG = {
  model_type: 'clip_vision_model',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 336,
  patch_size: 14,
  projection_dim: 768,
  vocab_size: 32000,
}
/** The last of its 27 blocks was never used and is not in the files. */
const SIGLIP_CONFIG = {
  model_type: 'siglip_vision_model',
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 26,
  num_attention_heads: 16,
  image_size: 384,
  patch_size: 14,
  vision_use_head: false,
}

const ON_CLIP = {
  vision_config: CLIP_CONFIG,
  vision_feature_layer: -2,
  vision_feature_select_strategy: 'default',
}
const ON_SIGLIP = {
  vision_config: SIGLIP_CONFIG,
  vision_feature_layer: -1,
  vision_feature_select_strategy: 'full',
}

const CLIP_PROCESSOR = {
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 336 },
  crop_size: { height: 336, width: 336 },
}
const SIGLIP_PROCESSOR = {
  image_processor_type: 'SiglipImageProcessor',
  size: { height: 384, width: 384 },
}
const NEXT_PROCESSOR = {
  ...CLIP_PROCESSOR,
  image_processor_type: 'LlavaNextImageProcessor',
  image_grid_pinpoints: GRIDS_336,
}

/** How each class of transformers is configured. */
const HF_CLASSES = {
  '1.5': {
    config: { model_type: 'llava', ...ON_CLIP, image_token_index: 32000 },
    processor: CLIP_PROCESSOR,
  },
  '1.6': {
    config: { model_type: 'llava_next', ...ON_CLIP, image_grid_pinpoints: GRIDS_336 },
    processor: NEXT_PROCESSOR,
  },
  video: {
    config: {
      model_type: 'llava_next_video',
      ...ON_CLIP,
      image_grid_pinpoints: GRIDS_336,
      spatial_pool_mode: 'average',
      spatial_pool_stride: 2,
      image_token_index: 32001,
      video_token_index: 32000,
    },
    processor: NEXT_PROCESSOR,
  },
  interleave: {
    config: { model_type: 'llava', ...ON_SIGLIP, image_token_index: 151646 },
    processor: SIGLIP_PROCESSOR,
  },
  onevision: {
    config: {
      model_type: 'llava_onevision',
      ...ON_SIGLIP,
      image_grid_pinpoints: ALL_GRIDS,
      vision_aspect_ratio: 'anyres_max_9',
      image_token_index: 151646,
      video_token_index: 151647,
    },
    processor: {
      ...SIGLIP_PROCESSOR,
      image_processor_type: 'LlavaOnevisionImageProcessor',
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      image_grid_pinpoints: ALL_GRIDS,
    },
  },
} as const satisfies Readonly<Record<string, { config: Keys; processor: Keys }>>

function hf(
  id: string,
  generation: keyof typeof HF_CLASSES,
  name: LanguageModelName,
  { unverified = [], keys = {}, text = {} }: Extra & { readonly text?: Keys } = {},
): KnownCheckpoint {
  const language: KnownLanguageModel = KNOWN_LANGUAGE_MODELS[name]
  const { config, processor } = HF_CLASSES[generation]
  const files = new Map<string, unknown>([
    [
      'config.json',
      {
        ...config,
        projector_hidden_act: 'gelu',
        tie_word_embeddings: language.config['tie_word_embeddings'],
        ...keys,
        text_config: { ...language.config, vocab_size: language.hfVocabSize, ...text },
      },
    ],
    ['preprocessor_config.json', processor],
  ])
  return {
    id: `llava-hf/${id}`,
    layout: 'hf',
    form: 'whole',
    hasTower: true,
    documents: { name: `llava-hf/${id}`, files },
    unverified: [...language.unverified, ...unverified],
  }
}

const UNSEEN_ID = { unverified: ['the spelling of the id'] }
/** Linear scaling of positions in the converted NeXT-Video checkpoints of Vicuna. */
const SCALED = { text: { rope_scaling: { type: 'linear', factor: 2.5 } } }
const IMAGE_151646 = { keys: { image_token_index: 151646 } }
const YI_IMAGE = { keys: { image_token_index: 64000 } }
const YI_VIDEO = { keys: { image_token_index: 64001, video_token_index: 64000 } }
const YI_8K = { keys: { tokenizer_model_max_length: 8192 } }

const LIST: readonly KnownCheckpoint[] = [
  v1('LLaVA-7b-delta-v0', 'vicuna-7b-old', { form: 'delta' }),
  ...['LLaVA-13b-delta-v0', 'LLaVA-13b-delta-v0-science_qa', 'LLaVA-13b-delta-v1-1'].map((id) =>
    v1(id, 'vicuna-13b-old', { form: 'delta' }),
  ),
  v1('LLaVA-Lightning-7B-delta-v1-1', 'vicuna-7b-old', { form: 'delta' }),
  v1('LLaVA-Lightning-MPT-7B-preview', 'llama-2-7b', { keys: { model_type: 'llava_mpt' } }),
  original('liuhaotian/llava-v1-0719-336px-lora-vicuna-13b-v1.3', 'v1-336', 'vicuna-13b-old', {
    form: 'lora',
  }),
  original('liuhaotian/llava-v1-0719-336px-lora-merge-vicuna-13b-v1.3', 'v1-336', 'vicuna-13b-old'),
  v1('llava-llama-2-13b-chat-lightning-preview', 'llama-2-13b'),
  v1('llava-llama-2-7b-chat-lightning-lora-preview', 'llama-2-7b', { form: 'lora' }),
  v1('llava-lcs558k-scienceqa-vicuna-13b-v1.3', 'vicuna-13b-old'),

  ...(['7b', '13b'] as const).flatMap((size) => [
    original(`liuhaotian/llava-v1.5-${size}`, '1.5', `vicuna-${size}`),
    original(`liuhaotian/llava-v1.5-${size}-lora`, '1.5', `vicuna-${size}`, { form: 'lora' }),
    original(
      `liuhaotian/llava-v1.5-mlp2x-336px-pretrain-vicuna-${size}-v1.5`,
      '1.5',
      `vicuna-${size}`,
      { form: 'projector' },
    ),
    hf(`llava-1.5-${size}-hf`, '1.5', `vicuna-${size}`),
    original(`liuhaotian/llava-v1.6-vicuna-${size}`, '1.6', `vicuna-${size}`),
    hf(`llava-v1.6-vicuna-${size}-hf`, '1.6', `vicuna-${size}`),
  ]),
  original('liuhaotian/llava-v1.6-mistral-7b', '1.6', 'mistral-7b'),
  hf('llava-v1.6-mistral-7b-hf', '1.6', 'mistral-7b'),
  original('liuhaotian/llava-v1.6-34b', '1.6', 'yi-34b'),
  hf('llava-v1.6-34b-hf', '1.6', 'yi-34b', YI_IMAGE),

  original('lmms-lab/llama3-llava-next-8b', '1.6', 'llama-3-8b'),
  hf('llama3-llava-next-8b-hf', '1.6', 'llama-3-8b', { keys: { image_token_index: 128256 } }),
  original('lmms-lab/llava-next-72b', '1.6', 'qwen1.5-72b'),
  hf('llava-next-72b-hf', '1.6', 'qwen1.5-72b', { ...IMAGE_151646, ...UNSEEN_ID }),
  original('lmms-lab/llava-next-110b', '1.6', 'qwen1.5-110b'),
  hf('llava-next-110b-hf', '1.6', 'qwen1.5-110b', { ...IMAGE_151646, ...UNSEEN_ID }),
  original('lmms-lab/llava-next-qwen-32b', 'siglip-image', 'qwen1.5-32b'),

  ...['', '-DPO'].flatMap((kind) => [
    original(`lmms-lab/LLaVA-NeXT-Video-7B${kind}`, 'video', 'vicuna-7b'),
    hf(`LLaVA-NeXT-Video-7B${kind}-hf`, 'video', 'vicuna-7b', SCALED),
    original(`lmms-lab/LLaVA-NeXT-Video-34B${kind}`, 'video', 'yi-34b', YI_8K),
    hf(`LLaVA-NeXT-Video-34B${kind}-hf`, 'video', 'yi-34b', {
      ...YI_VIDEO,
      ...(kind !== '' && UNSEEN_ID),
    }),
  ]),
  original('lmms-lab/LLaVA-NeXT-Video-7B-32K', 'video', 'mistral-7b'),
  hf('LLaVA-NeXT-Video-7B-32K-hf', 'video', 'mistral-7b'),
  original('lmms-lab/LLaVA-NeXT-Video-32B-Qwen', 'siglip-video', 'qwen1.5-32b'),

  ...(
    [
      ['0.5b', 'qwen1.5-0.5b'],
      ['7b', 'qwen1.5-7b'],
      ['7b-dpo', 'qwen1.5-7b'],
    ] as const
  ).flatMap(([size, language]) => [
    original(`lmms-lab/llava-next-interleave-qwen-${size}`, 'siglip-image', language),
    hf(`llava-interleave-qwen-${size}-hf`, 'interleave', language),
  ]),

  ...(['0.5b', '7b', '72b'] as const).flatMap((size) =>
    ['si', 'ov', ...(size === '0.5b' ? [] : ['ov-chat'])].flatMap((kind) => [
      original(`lmms-lab/llava-onevision-qwen2-${size}-${kind}`, 'onevision', `qwen2-${size}`),
      hf(
        `llava-onevision-qwen2-${size}-${kind}-hf`,
        'onevision',
        `qwen2-${size}`,
        kind === 'ov-chat' ? UNSEEN_ID : {},
      ),
    ]),
  ),
]

function v1(id: string, name: LanguageModelName, extra: Extra = {}): KnownCheckpoint {
  return original(`liuhaotian/${id}`, 'v1', name, extra)
}

const KNOWN = new Map(LIST.map((one) => [one.id.toLowerCase(), one]))
