/**
 * From tensor names in checkpoints to our dotted paths.
 *
 * Six sets of names are in use for the same weights: the original repositories', the hub's `llava-hf` files', those of
 * transformers 4.52 and 5 in memory and as saved, and ViT towers under old and new names. They differ in prefixes and in
 * the words for leaves, so two small tables say all of them: a prefix names the part, a leaf names the weight in it.
 * Source: transformers 5.23 `conversion_mapping.py`; LLaVA at c121f04, `llava_arch.py`.
 */

/** A pattern over a whole checkpoint name and our path, `$1` being its layer; null is known and not needed. */
export type NameRule = { readonly pattern: RegExp; readonly path: string | null }

/** Our path for a checkpoint's name, null for a known one that nothing reads, undefined for an unknown one. */
export function parameterPath(rules: readonly NameRule[], name: string): string | null | undefined {
  for (const { pattern, path } of rules) {
    if (!pattern.test(name)) continue
    return path === null ? null : name.replace(pattern, path)
  }
  return undefined
}

const DECODER_LEAVES: readonly (readonly [string, string | null])[] = [
  ['embed_tokens.weight', 'embedTokens.weight'],
  ['norm.weight', 'norm.weight'],
  ['layers.(\\d+).input_layernorm.weight', 'layers.$1.attentionNorm.weight'],
  ['layers.(\\d+).post_attention_layernorm.weight', 'layers.$1.mlpNorm.weight'],
  ['layers.(\\d+).self_attn.([qkvo])_proj.(weight|bias)', 'layers.$1.attention.$2.$3'],
  ['layers.(\\d+).mlp.(gate|up|down)_proj.(weight|bias)', 'layers.$1.mlp.$2.$3'],
  ['(?:layers.\\d+.self_attn.)?rotary_emb.inv_freq', null],
]

const VISION_LEAVES: readonly (readonly [string, string | null])[] = [
  ['embeddings.(?:class_embedding|cls_token)', 'classEmbedding'],
  ['embeddings.patch_embedding.(weight|bias)', 'patchEmbedding.$1'],
  ['embeddings.patch_embeddings.projection.(weight|bias)', 'patchEmbedding.$1'],
  ['embeddings.position_embedding.weight', 'positionEmbedding.weight'],
  ['embeddings.position_embeddings', 'positionEmbedding.weight'],
  ['embeddings.position_ids', null],
  ['pre_layrnorm.(weight|bias)', 'preNorm.$1'],
  // CLIP and SigLIP.
  ['encoder.layers.(\\d+).layer_norm1.(weight|bias)', 'layers.$1.attentionNorm.$2'],
  ['encoder.layers.(\\d+).layer_norm2.(weight|bias)', 'layers.$1.mlpNorm.$2'],
  ['encoder.layers.(\\d+).self_attn.([qkv])_proj.(weight|bias)', 'layers.$1.attention.$2.$3'],
  ['encoder.layers.(\\d+).self_attn.out_proj.(weight|bias)', 'layers.$1.attention.o.$2'],
  ['encoder.layers.(\\d+).mlp.fc1.(weight|bias)', 'layers.$1.mlp.up.$2'],
  ['encoder.layers.(\\d+).mlp.fc2.(weight|bias)', 'layers.$1.mlp.down.$2'],
  // ViT, transformers 4 and 5.
  ['(?:encoder.)?layers?.(\\d+).layernorm_before.(weight|bias)', 'layers.$1.attentionNorm.$2'],
  ['(?:encoder.)?layers?.(\\d+).layernorm_after.(weight|bias)', 'layers.$1.mlpNorm.$2'],
  ['encoder.layer.(\\d+).attention.attention.query.(weight|bias)', 'layers.$1.attention.q.$2'],
  ['encoder.layer.(\\d+).attention.attention.key.(weight|bias)', 'layers.$1.attention.k.$2'],
  ['encoder.layer.(\\d+).attention.attention.value.(weight|bias)', 'layers.$1.attention.v.$2'],
  ['encoder.layer.(\\d+).attention.output.dense.(weight|bias)', 'layers.$1.attention.o.$2'],
  ['encoder.layer.(\\d+).intermediate.dense.(weight|bias)', 'layers.$1.mlp.up.$2'],
  ['encoder.layer.(\\d+).output.dense.(weight|bias)', 'layers.$1.mlp.down.$2'],
  ['layers.(\\d+).attention.([qkvo])_proj.(weight|bias)', 'layers.$1.attention.$2.$3'],
  ['layers.(\\d+).mlp.fc1.(weight|bias)', 'layers.$1.mlp.up.$2'],
  ['layers.(\\d+).mlp.fc2.(weight|bias)', 'layers.$1.mlp.down.$2'],
  // Behind the last block that is read.
  ['(?:post_layernorm|layernorm|pooler.dense).(?:weight|bias)', null],
  ['head\\..*', null],
]

/** Decoder weights: bare as in text checkpoints and original LLaVA, or under `language_model`. */
export const DECODER_NAMES: readonly NameRule[] = [
  ...rules('(?:model.)?(?:language_model.)?(?:model.)?', 'decoder', DECODER_LEAVES),
  ...rules('(?:language_model.)?', 'decoder', [['lm_head.weight', 'head.weight']]),
]

export const VISION_NAMES: readonly NameRule[] = rules(
  '(?:(?:model.)?vision_tower.)?(?:vision_tower.)?(?:vision_model.)?',
  'vision',
  VISION_LEAVES,
)

/** What a tower's own folder holds beside the tower: CLIP's and SigLIP's text halves. */
export const TOWER_EXTRAS: readonly NameRule[] = [
  {
    pattern:
      /^(?:text_model|visual_projection|text_projection|logit_scale|logit_bias|classifier)\b.*$/,
    path: null,
  },
]

export const PROJECTOR_NAMES: readonly NameRule[] = [
  ...rules('(?:model.)?', 'projector', [
    ['multi_modal_projector.linear_1.(weight|bias)', 'layers.0.$1'],
    ['multi_modal_projector.linear_2.(weight|bias)', 'layers.1.$1'],
    ['mm_projector.(weight|bias)', 'layers.0.$1'],
  ]),
  // Layers of a Sequential are counted with the activations between them: 0, 2, 4, …
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((layer) => ({
    pattern: new RegExp(`^(?:model\\.)?mm_projector\\.${2 * layer}\\.(weight|bias)$`),
    path: `projector.layers.${layer}.$1`,
  })),
  // What brings the tower's features to one size, in checkpoints of our own.
  { pattern: /^(?:model\.)?vision_feature_scale\.(weight|bias)$/, path: 'standardise.$1' },
]

/** The learned row that ends each row of a map of patches. */
export const IMAGE_NEWLINE = 'imageNewline'

export const NEWLINE_NAMES: readonly NameRule[] = [
  { pattern: /^(?:model\.)?image_newline$/, path: IMAGE_NEWLINE },
]

function rules(
  prefix: string,
  part: string,
  leaves: readonly (readonly [string, string | null])[],
): NameRule[] {
  return leaves.map(([leaf, path]) => ({
    pattern: new RegExp(`^${prefix}${leaf}$`.replace(/(?<!\\)\.(?!\*)/g, '\\.')),
    path: path === null ? null : `${part}.${path}`,
  }))
}
