/** One tiny checkpoint for each kind of model: every tower, decoder, projector, layout of tensor names and stored type. */
import type { TinyCheckpoint } from './checkpoint.ts'
import { controlId, TINY_VOCABULARY } from './tokenizer.ts'

const TOWER = {
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  image_size: 28,
  patch_size: 14,
}
const CLIP = { model_type: 'clip_vision_model', ...TOWER }
const SIGLIP = { model_type: 'siglip_vision_model', ...TOWER }
const VIT = { model_type: 'vit', ...TOWER, layer_norm_eps: 1e-6 }

const DECODER = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 2048,
  vocab_size: TINY_VOCABULARY,
  eos_token_id: controlId('<|im_end|>'),
}

const MEAN = [0.48, 0.46, 0.41]
const STD = [0.27, 0.26, 0.28]

const CROP = {
  image_processor_type: 'CLIPImageProcessor',
  do_resize: true,
  size: { shortest_edge: 28 },
  do_center_crop: true,
  crop_size: { height: 28, width: 28 },
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: MEAN,
  image_std: STD,
  do_convert_rgb: true,
}

const SQUASH = {
  image_processor_type: 'SiglipImageProcessor',
  do_resize: true,
  size: { height: 28, width: 28 },
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
}

const ANYRES = {
  ...CROP,
  image_processor_type: 'LlavaNextImageProcessor',
  image_grid_pinpoints: [
    [28, 56],
    [56, 28],
    [56, 56],
  ],
}

/** Every message has its role in front; content is a text or a list of parts. */
const TEMPLATE = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\n' }}{% elif part['type'] == 'video' %}{{ '<video>\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

const FILES = { 'chat_template.jinja': TEMPLATE }

export const LLAVA_CLIP: TinyCheckpoint = {
  name: 'llava, CLIP, Llama',
  names: 'hub',
  config: {
    model_type: 'llava',
    image_token_index: controlId('<image>'),
    projector_hidden_act: 'gelu',
    vision_config: CLIP,
    text_config: { model_type: 'llama', ...DECODER },
    vision_feature_layer: -2,
    vision_feature_select_strategy: 'default',
  },
  files: { ...FILES, 'preprocessor_config.json': CROP },
  addBos: true,
}

export const LLAVA_SIGLIP: TinyCheckpoint = {
  name: 'llava, SigLIP, Qwen2 with grouped heads, biases and a tied head',
  names: '4.52',
  dtype: 'bfloat16',
  config: {
    model_type: 'llava',
    image_token_index: controlId('<image>'),
    vision_config: SIGLIP,
    text_config: {
      model_type: 'qwen2',
      ...DECODER,
      num_key_value_heads: 2,
      tie_word_embeddings: true,
      rope_parameters: { rope_type: 'default', rope_theta: 1e6 },
    },
    tie_word_embeddings: true,
    vision_feature_layer: -1,
    vision_feature_select_strategy: 'full',
  },
  files: { ...FILES, 'preprocessor_config.json': SQUASH },
}

export const MINI: TinyCheckpoint = {
  name: 'mini, ViT, Llama with grouped heads of 12',
  names: '5-memory',
  config: {
    model_type: 'llava',
    image_token_index: controlId('<image>'),
    vision_config: VIT,
    text_config: {
      model_type: 'llama',
      ...DECODER,
      hidden_size: 48,
      num_key_value_heads: 1,
      tie_word_embeddings: true,
      rope_theta: 1e5,
    },
    tie_word_embeddings: true,
    vision_feature_layer: [-3, -1],
    vision_feature_select_strategy: 'default',
  },
  files: { ...FILES, 'preprocessor_config.json': SQUASH },
}

export const NEXT: TinyCheckpoint = {
  name: 'next, pictures in tiles, Mistral',
  names: '5-saved',
  dtype: 'float16',
  config: {
    model_type: 'llava_next',
    image_token_index: controlId('<image>'),
    image_grid_pinpoints: ANYRES.image_grid_pinpoints,
    vision_config: CLIP,
    text_config: {
      model_type: 'mistral',
      ...DECODER,
      num_key_value_heads: 2,
      sliding_window: null,
    },
    vision_feature_layer: -2,
    vision_feature_select_strategy: 'default',
  },
  files: { ...FILES, 'preprocessor_config.json': ANYRES },
  addBos: true,
}

export const NEXT_VIDEO: TinyCheckpoint = {
  name: 'next-video, frames pooled before the projector',
  names: 'hub',
  config: {
    ...NEXT.config,
    model_type: 'llava_next_video',
    video_token_index: controlId('<video>'),
    text_config: { model_type: 'llama', ...DECODER },
    spatial_pool_mode: 'average',
    spatial_pool_stride: 2,
  },
  files: { ...FILES, 'preprocessor_config.json': ANYRES },
  addBos: true,
}

export const TEXT_ONLY: TinyCheckpoint = {
  name: 'text, Qwen2',
  names: 'text',
  config: { model_type: 'qwen2', ...DECODER, num_key_value_heads: 4, tie_word_embeddings: true },
  files: FILES,
}

export const SLIDING_WINDOW: TinyCheckpoint = {
  name: 'text, Mistral that sees nine positions back',
  names: 'text',
  config: {
    model_type: 'mistral',
    ...DECODER,
    num_key_value_heads: 2,
    head_dim: 16,
    sliding_window: 9,
    rope_scaling: { type: 'linear', factor: 2 },
  },
  files: FILES,
}

export const TINY_CHECKPOINTS = [
  LLAVA_CLIP,
  LLAVA_SIGLIP,
  MINI,
  NEXT,
  NEXT_VIDEO,
  TEXT_ONLY,
  SLIDING_WINDOW,
]
