/**
 * The names that each kind of file gives to our parameters: the way back through `families/parameter-names.ts`, written
 * down a second time so that the tests do not ask the tables under test.
 *
 * Source: the files of `fixtures/inference` and `fixtures/original`, whose README describes the sets.
 */

export type NameSet =
  | 'hub'
  | '4.52'
  | '5-memory'
  | '5-saved'
  | 'original'
  | 'original-apart'
  | 'text'

type Prefixes = {
  readonly text: string
  readonly head: string
  readonly vision: string
  readonly projector: string
  readonly newline: string
  /** Which words a ViT tower's leaves have. */
  readonly vit: '4' | '5'
}

export const NAME_SETS: { readonly [S in NameSet]: Prefixes } = {
  hub: {
    text: 'language_model.model.',
    head: 'language_model.',
    vision: 'vision_tower.vision_model.',
    projector: 'multi_modal_projector.',
    newline: '',
    vit: '4',
  },
  '4.52': {
    text: 'model.language_model.',
    head: '',
    vision: 'model.vision_tower.vision_model.',
    projector: 'model.multi_modal_projector.',
    newline: 'model.',
    vit: '4',
  },
  '5-memory': {
    text: 'model.language_model.',
    head: '',
    vision: 'model.vision_tower.',
    projector: 'model.multi_modal_projector.',
    newline: 'model.',
    vit: '5',
  },
  '5-saved': {
    text: 'language_model.model.',
    head: 'language_model.',
    vision: 'vision_tower.',
    projector: 'multi_modal_projector.',
    newline: '',
    vit: '4',
  },
  original: {
    text: 'model.',
    head: '',
    vision: 'model.vision_tower.vision_tower.vision_model.',
    projector: 'model.mm_projector.',
    newline: 'model.',
    vit: '4',
  },
  /** A file of the tower, or of the projector, alone. */
  'original-apart': {
    text: 'model.',
    head: '',
    vision: 'vision_model.',
    projector: 'mm_projector.',
    newline: '',
    vit: '4',
  },
  text: { text: 'model.', head: '', vision: '', projector: '', newline: '', vit: '4' },
}

/** The name that files of `set` give to the parameter at `path`. */
export function tensorName(set: NameSet, path: string, tower: 'clip' | 'siglip' | 'vit'): string {
  const prefixes = NAME_SETS[set]
  const [part = '', ...rest] = path.split('.')
  const leaf = rest.join('.')
  if (part === 'imageNewline') return `${prefixes.newline}image_newline`
  if (leaf === 'head.weight') return `${prefixes.head}lm_head.weight`
  if (part === 'decoder') return prefixes.text + replaced(leaf, DECODER)
  if (part === 'projector') return prefixes.projector + projectorLeaf(leaf, set)
  // Without a level of its own a ViT tower has no `vision_model`.
  if (tower !== 'vit') return prefixes.vision + replaced(leaf, CLIP)
  return (
    prefixes.vision.replace('vision_model.', '') +
    replaced(leaf, prefixes.vit === '4' ? VIT_4 : VIT_5)
  )
}

type Replacements = readonly (readonly [RegExp, string])[]

function replaced(leaf: string, table: Replacements): string {
  const rule = table.find(([pattern]) => pattern.test(leaf))
  if (!rule) throw new Error(`internal: no checkpoint name for ${leaf}`)
  return leaf.replace(...rule)
}

const DECODER: Replacements = [
  [/^embedTokens\.weight$/, 'embed_tokens.weight'],
  [/^norm\.weight$/, 'norm.weight'],
  [/^layers\.(\d+)\.attentionNorm/, 'layers.$1.input_layernorm'],
  [/^layers\.(\d+)\.mlpNorm/, 'layers.$1.post_attention_layernorm'],
  [/^layers\.(\d+)\.attention\.(\w)\./, 'layers.$1.self_attn.$2_proj.'],
  [/^layers\.(\d+)\.mlp\.(\w+)\./, 'layers.$1.mlp.$2_proj.'],
]

const CLIP: Replacements = [
  [/^classEmbedding$/, 'embeddings.class_embedding'],
  [/^patchEmbedding\./, 'embeddings.patch_embedding.'],
  [/^positionEmbedding\./, 'embeddings.position_embedding.'],
  [/^preNorm\./, 'pre_layrnorm.'],
  [/^layers\.(\d+)\.attentionNorm/, 'encoder.layers.$1.layer_norm1'],
  [/^layers\.(\d+)\.mlpNorm/, 'encoder.layers.$1.layer_norm2'],
  [/^layers\.(\d+)\.attention\.o\./, 'encoder.layers.$1.self_attn.out_proj.'],
  [/^layers\.(\d+)\.attention\.(\w)\./, 'encoder.layers.$1.self_attn.$2_proj.'],
  [/^layers\.(\d+)\.mlp\.up\./, 'encoder.layers.$1.mlp.fc1.'],
  [/^layers\.(\d+)\.mlp\.down\./, 'encoder.layers.$1.mlp.fc2.'],
]

const VIT_EMBEDDINGS: Replacements = [
  [/^classEmbedding$/, 'embeddings.cls_token'],
  [/^patchEmbedding\./, 'embeddings.patch_embeddings.projection.'],
  [/^positionEmbedding\.weight$/, 'embeddings.position_embeddings'],
]

const VIT_4: Replacements = [
  ...VIT_EMBEDDINGS,
  [/^layers\.(\d+)\.attentionNorm/, 'encoder.layer.$1.layernorm_before'],
  [/^layers\.(\d+)\.mlpNorm/, 'encoder.layer.$1.layernorm_after'],
  [/^layers\.(\d+)\.attention\.q\./, 'encoder.layer.$1.attention.attention.query.'],
  [/^layers\.(\d+)\.attention\.k\./, 'encoder.layer.$1.attention.attention.key.'],
  [/^layers\.(\d+)\.attention\.v\./, 'encoder.layer.$1.attention.attention.value.'],
  [/^layers\.(\d+)\.attention\.o\./, 'encoder.layer.$1.attention.output.dense.'],
  [/^layers\.(\d+)\.mlp\.up\./, 'encoder.layer.$1.intermediate.dense.'],
  [/^layers\.(\d+)\.mlp\.down\./, 'encoder.layer.$1.output.dense.'],
]

const VIT_5: Replacements = [
  ...VIT_EMBEDDINGS,
  [/^layers\.(\d+)\.attentionNorm/, 'layers.$1.layernorm_before'],
  [/^layers\.(\d+)\.mlpNorm/, 'layers.$1.layernorm_after'],
  [/^layers\.(\d+)\.attention\.(\w)\./, 'layers.$1.attention.$2_proj.'],
  [/^layers\.(\d+)\.mlp\.up\./, 'layers.$1.mlp.fc1.'],
  [/^layers\.(\d+)\.mlp\.down\./, 'layers.$1.mlp.fc2.'],
]

/** Layers of the original's Sequential are counted with the activations between them. */
function projectorLeaf(leaf: string, set: NameSet): string {
  const [, layer, kind] = /^layers\.(\d+)\.(\w+)$/.exec(leaf) as unknown as [string, string, string]
  return set.startsWith('original')
    ? `${2 * Number(layer)}.${kind}`
    : `linear_${Number(layer) + 1}.${kind}`
}
