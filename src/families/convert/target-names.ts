/**
 * From our dotted paths to the names of a layout: `parameter-names.ts` the other way round, where many names become one.
 *
 * Written are the names that the hub's files have, which every version of transformers reads. Source: transformers 5.23
 * `conversion_mapping.py`; LLaVA at c121f04 `llava_arch.py`.
 */
import { IMAGE_NEWLINE } from '../parameter-names.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'

type Leaf = readonly [RegExp, string]

const DECODER: readonly Leaf[] = [
  [/^embedTokens\.weight$/, 'embed_tokens.weight'],
  [/^norm\.weight$/, 'norm.weight'],
  [/^layers\.(\d+)\.attentionNorm\.weight$/, 'layers.$1.input_layernorm.weight'],
  [/^layers\.(\d+)\.mlpNorm\.weight$/, 'layers.$1.post_attention_layernorm.weight'],
  [/^layers\.(\d+)\.attention\.([qkvo])\.(weight|bias)$/, 'layers.$1.self_attn.$2_proj.$3'],
  [/^layers\.(\d+)\.mlp\.(gate|up|down)\.(weight|bias)$/, 'layers.$1.mlp.$2_proj.$3'],
]

const CLIP: readonly Leaf[] = [
  [/^classEmbedding$/, 'embeddings.class_embedding'],
  [/^patchEmbedding\.(weight|bias)$/, 'embeddings.patch_embedding.$1'],
  [/^positionEmbedding\.weight$/, 'embeddings.position_embedding.weight'],
  [/^preNorm\.(weight|bias)$/, 'pre_layrnorm.$1'],
  [/^layers\.(\d+)\.attentionNorm\.(weight|bias)$/, 'encoder.layers.$1.layer_norm1.$2'],
  [/^layers\.(\d+)\.mlpNorm\.(weight|bias)$/, 'encoder.layers.$1.layer_norm2.$2'],
  [/^layers\.(\d+)\.attention\.o\.(weight|bias)$/, 'encoder.layers.$1.self_attn.out_proj.$2'],
  [/^layers\.(\d+)\.attention\.([qkv])\.(weight|bias)$/, 'encoder.layers.$1.self_attn.$2_proj.$3'],
  [/^layers\.(\d+)\.mlp\.up\.(weight|bias)$/, 'encoder.layers.$1.mlp.fc1.$2'],
  [/^layers\.(\d+)\.mlp\.down\.(weight|bias)$/, 'encoder.layers.$1.mlp.fc2.$2'],
  [/^finalNorm\.(weight|bias)$/, 'post_layernorm.$1'],
]

const VIT: readonly Leaf[] = [
  [/^classEmbedding$/, 'embeddings.cls_token'],
  [/^patchEmbedding\.(weight|bias)$/, 'embeddings.patch_embeddings.projection.$1'],
  [/^positionEmbedding\.weight$/, 'embeddings.position_embeddings'],
  [/^layers\.(\d+)\.attentionNorm\.(weight|bias)$/, 'encoder.layer.$1.layernorm_before.$2'],
  [/^layers\.(\d+)\.mlpNorm\.(weight|bias)$/, 'encoder.layer.$1.layernorm_after.$2'],
  [/^layers\.(\d+)\.attention\.q\.(weight|bias)$/, 'encoder.layer.$1.attention.attention.query.$2'],
  [/^layers\.(\d+)\.attention\.k\.(weight|bias)$/, 'encoder.layer.$1.attention.attention.key.$2'],
  [/^layers\.(\d+)\.attention\.v\.(weight|bias)$/, 'encoder.layer.$1.attention.attention.value.$2'],
  [/^layers\.(\d+)\.attention\.o\.(weight|bias)$/, 'encoder.layer.$1.attention.output.dense.$2'],
  [/^layers\.(\d+)\.mlp\.up\.(weight|bias)$/, 'encoder.layer.$1.intermediate.dense.$2'],
  [/^layers\.(\d+)\.mlp\.down\.(weight|bias)$/, 'encoder.layer.$1.output.dense.$2'],
  [/^finalNorm\.(weight|bias)$/, 'layernorm.$1'],
]

/** Blocks as transformers 5 has them in memory; its files keep the names of version 4. */
const VIT_BLOCKS_IN_MEMORY: readonly Leaf[] = [
  [/^layers\.(\d+)\.attentionNorm\.(weight|bias)$/, 'layers.$1.layernorm_before.$2'],
  [/^layers\.(\d+)\.mlpNorm\.(weight|bias)$/, 'layers.$1.layernorm_after.$2'],
  [/^layers\.(\d+)\.attention\.([qkvo])\.(weight|bias)$/, 'layers.$1.attention.$2_proj.$3'],
  [/^layers\.(\d+)\.mlp\.up\.(weight|bias)$/, 'layers.$1.mlp.fc1.$2'],
  [/^layers\.(\d+)\.mlp\.down\.(weight|bias)$/, 'layers.$1.mlp.fc2.$2'],
]

/** The name in a `llava-hf` file. */
export function llavaHfName(path: string, kind: VisionConfig['kind']): string {
  if (path === IMAGE_NEWLINE) return 'image_newline'
  if (path === 'decoder.head.weight') return 'language_model.lm_head.weight'
  if (path.startsWith('decoder.')) return `language_model.model.${leaf(DECODER, path)}`
  if (path.startsWith('projector.')) return hfProjectorName(path)
  if (path.startsWith('standardise.')) return path.replace('standardise', 'vision_feature_scale')
  return `vision_tower.${towerName(path, kind)}`
}

/** The name in the memory of transformers 5, by which PEFT knows it. */
export function memoryName(path: string, kind: VisionConfig['kind']): string {
  if (path === 'decoder.head.weight') return 'lm_head.weight'
  if (path.startsWith('decoder.')) return `model.language_model.${leaf(DECODER, path)}`
  if (!path.startsWith('vision.')) return `model.${llavaHfName(path, kind)}`
  const table = kind === 'vit' ? [...VIT_BLOCKS_IN_MEMORY, ...VIT] : CLIP
  return `model.vision_tower.${leaf(table, path)}`
}

/** The same in the memory of the original code, which has the tower in a wrapper. */
export function originalMemoryName(
  path: string,
  {
    kind,
    projectorDepth,
  }: { readonly kind: VisionConfig['kind']; readonly projectorDepth: number },
): string {
  if (!path.startsWith('vision.')) return originalName(path, projectorDepth)
  return `model.vision_tower.vision_tower.${towerName(path, kind)}`
}

/** The name in an original file; the tower lies in a folder of its own. */
export function originalName(path: string, projectorDepth: number): string {
  if (path === IMAGE_NEWLINE) return 'model.image_newline'
  if (path === 'decoder.head.weight') return 'lm_head.weight'
  if (path.startsWith('decoder.')) return `model.${leaf(DECODER, path)}`
  const [, layer = '', rest = ''] = /^projector\.layers\.(\d+)\.(.*)$/.exec(path) ?? []
  // Layers of a Sequential are counted with the activations between them; a lone one is no Sequential.
  return projectorDepth === 1
    ? `model.mm_projector.${rest}`
    : `model.mm_projector.${2 * Number(layer)}.${rest}`
}

/** The name in a tower's own folder. */
export function towerName(path: string, kind: VisionConfig['kind']): string {
  return kind === 'vit' ? leaf(VIT, path) : `vision_model.${leaf(CLIP, path)}`
}

function hfProjectorName(path: string): string {
  const [, layer, rest] = /^projector\.layers\.(\d+)\.(.*)$/.exec(path) ?? []
  return `multi_modal_projector.linear_${Number(layer) + 1}.${rest}`
}

/** `path` without its room, as the table's layout calls it. */
function leaf(table: readonly Leaf[], path: string): string {
  const rest = path.slice(path.indexOf('.') + 1)
  const found = table.find(([pattern]) => pattern.test(rest))
  if (!found) throw new Error(`internal: ${path} has no name in the target layout`)
  return rest.replace(found[0], found[1])
}
