/** A synthetic checkpoint as the hub has them: bfloat16 safetensors, configs, a tokenizer. Made once, then reused. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { float32ToBfloat16 } from '../../../src/core/dtype.ts'
import { writeShardedSafetensors } from '../../../src/weights/safetensors-writer.ts'
import { randomWeights } from './random-weights.ts'
import type { DecoderShape, TowerShape } from './shapes.ts'
import {
  decoderTensors,
  newlineTensor,
  projectorTensors,
  towerTensors,
  type TensorSpec,
} from './tensor-lists.ts'
import { BOS, EOS, tokenizerJson } from './tokenizer.ts'

/** The id that stands for a picture: the last of the vocabulary. */
export function imageToken({ vocabSize }: DecoderShape): number {
  return vocabSize - 1
}

/** What becomes of a picture: LLaVA-1.5's one tile, or the tiles of LLaVA-1.6. */
export type PictureCut = 'one tile' | 'anyres'

type Tower = TowerShape & { readonly cut: PictureCut }

/** Writes the checkpoint unless it is there, and gives its folder. With a tower it is a llava-hf model. */
export async function writeCheckpoint(
  workFolder: string,
  decoder: DecoderShape,
  tower: Tower | null = null,
): Promise<string> {
  const folder = join(workFolder, nameOf(decoder, tower))
  if (existsSync(folder)) return folder
  const unfinished = `${folder}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  for (const [name, content] of Object.entries(documents(decoder, tower))) {
    writeFileSync(join(unfinished, name), JSON.stringify(content, null, 1))
  }
  await writeWeights(unfinished, decoder, tower)
  renameSync(unfinished, folder)
  return folder
}

function nameOf(decoder: DecoderShape, tower: Tower | null): string {
  if (!tower) return decoder.name
  return `${tower.name}${tower.cut === 'anyres' ? '-anyres' : ''}+${decoder.name}`
}

async function writeWeights(
  folder: string,
  decoder: DecoderShape,
  tower: Tower | null,
): Promise<void> {
  const text = decoderTensors(decoder)
  const specs = tower
    ? [
        ...text.map((spec) => ({ ...spec, name: `language_model.${spec.name}` })),
        ...towerTensors(tower),
        ...projectorTensors(tower, decoder),
        ...(tower.cut === 'anyres' ? [newlineTensor(decoder)] : []),
      ]
    : text
  const byName = new Map(specs.map((spec) => [spec.name, spec]))
  await writeShardedSafetensors(
    folder,
    specs.map(({ name, shape }) => ({ name, shape, dtype: 'bfloat16' })),
    ({ name }) => float32ToBfloat16(tensorValues(byName.get(name) as TensorSpec)),
  )
}

/** The values of a tensor. A decoder's are the same in every file that holds it. */
export function tensorValues({ name, kind, shape }: TensorSpec): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1)
  const own = name.replace(/^language_model\./, '')
  return randomWeights(own, kind, { count, columns: count / (shape[0] ?? 1) })
}

function documents(decoder: DecoderShape, tower: Tower | null): Record<string, object> {
  const image = imageToken(decoder)
  return {
    'config.json': tower ? llavaConfig(decoder, tower) : textConfig(decoder),
    'generation_config.json': { bos_token_id: BOS, eos_token_id: EOS },
    'tokenizer.json': tokenizerJson(decoder.vocabSize, image),
    'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>', add_bos_token: false },
    ...(tower && { 'preprocessor_config.json': processorConfig(tower) }),
  }
}

function textConfig(shape: DecoderShape): object {
  return {
    model_type: shape.kind,
    architectures: [shape.kind === 'llama' ? 'LlamaForCausalLM' : 'Qwen2ForCausalLM'],
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.numLayers,
    num_attention_heads: shape.numHeads,
    num_key_value_heads: shape.numKvHeads,
    vocab_size: shape.vocabSize,
    tie_word_embeddings: shape.tieEmbeddings,
    max_position_embeddings: shape.maxPositions,
    rope_theta: shape.ropeTheta,
    rms_norm_eps: 1e-5,
    hidden_act: 'silu',
    bos_token_id: BOS,
    eos_token_id: EOS,
  }
}

function llavaConfig(decoder: DecoderShape, tower: Tower): object {
  const isNext = tower.cut === 'anyres'
  return {
    model_type: isNext ? 'llava_next' : 'llava',
    architectures: [isNext ? 'LlavaNextForConditionalGeneration' : 'LlavaForConditionalGeneration'],
    ...(isNext && { image_grid_pinpoints: pinpoints(tower) }),
    image_token_index: imageToken(decoder),
    projector_hidden_act: 'gelu',
    vision_feature_layer: -1,
    vision_feature_select_strategy: tower.kind === 'siglip_vision_model' ? 'full' : 'default',
    tie_word_embeddings: decoder.tieEmbeddings,
    text_config: textConfig(decoder),
    vision_config: {
      model_type: tower.kind,
      hidden_size: tower.hiddenSize,
      intermediate_size: tower.intermediateSize,
      num_hidden_layers: tower.numLayers,
      num_attention_heads: tower.numHeads,
      patch_size: tower.patchSize,
      image_size: tower.imageSize,
    },
  }
}

/** Those of LLaVA-1.6, as (height, width). */
function pinpoints({ imageSize }: TowerShape): number[][] {
  const grids = [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]]
  return grids.map((pair) => pair.map((tiles) => tiles * imageSize))
}

function processorConfig(tower: Tower): object {
  const { imageSize, cut } = tower
  const isNext = cut === 'anyres'
  return {
    image_processor_type: isNext ? 'LlavaNextImageProcessor' : 'CLIPImageProcessor',
    ...(isNext && { image_grid_pinpoints: pinpoints(tower) }),
    do_resize: true,
    size: { shortest_edge: imageSize },
    do_center_crop: true,
    crop_size: { height: imageSize, width: imageSize },
    resample: 3,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    do_convert_rgb: true,
  }
}
