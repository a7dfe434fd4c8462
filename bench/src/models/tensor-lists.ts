/** Every tensor of a shape under the names that llava-hf and Llama checkpoints on the hub have. */
import { patchesOf, type DecoderShape, type TowerShape } from './shapes.ts'
import type { WeightKind } from './random-weights.ts'

export type TensorSpec = {
  readonly name: string
  readonly kind: WeightKind
  readonly shape: readonly number[]
}

export function decoderTensors(shape: DecoderShape): TensorSpec[] {
  const { hiddenSize: d, numLayers, vocabSize, tieEmbeddings } = shape
  const layers = Array.from({ length: numLayers }, (_, i) =>
    decoderLayer(`model.layers.${i}`, shape),
  )
  return [
    { name: 'model.embed_tokens.weight', kind: 'embedding', shape: [vocabSize, d] },
    ...layers.flat(),
    { name: 'model.norm.weight', kind: 'norm', shape: [d] },
    ...(tieEmbeddings ? [] : [linear('lm_head', vocabSize, d)]),
  ]
}

function decoderLayer(prefix: string, shape: DecoderShape): TensorSpec[] {
  const { hiddenSize: d, intermediateSize: f, numHeads, numKvHeads, kind } = shape
  const kv = (d / numHeads) * numKvHeads
  const attention = `${prefix}.self_attn`
  const biases: TensorSpec[] = [
    bias(`${attention}.q_proj`, d),
    bias(`${attention}.k_proj`, kv),
    bias(`${attention}.v_proj`, kv),
  ]
  return [
    { name: `${prefix}.input_layernorm.weight`, kind: 'norm', shape: [d] },
    linear(`${attention}.q_proj`, d, d),
    linear(`${attention}.k_proj`, kv, d),
    linear(`${attention}.v_proj`, kv, d),
    ...(kind === 'qwen2' ? biases : []),
    linear(`${attention}.o_proj`, d, d),
    { name: `${prefix}.post_attention_layernorm.weight`, kind: 'norm', shape: [d] },
    linear(`${prefix}.mlp.gate_proj`, f, d),
    linear(`${prefix}.mlp.up_proj`, f, d),
    linear(`${prefix}.mlp.down_proj`, d, f),
  ]
}

/** A tower's tensors, under `vision_tower.`; ViT has names of its own. */
export function towerTensors(tower: TowerShape): TensorSpec[] {
  return tower.kind === 'vit' ? vitTensors(tower) : clipTensors(tower)
}

function clipTensors(tower: TowerShape): TensorSpec[] {
  const { hiddenSize: d, patchSize, kind } = tower
  const root = 'vision_tower.vision_model'
  const isClip = kind === 'clip_vision_model'
  const patch = `${root}.embeddings.patch_embedding`
  const positions = patchesOf(tower) + (isClip ? 1 : 0)
  const classToken: TensorSpec[] = [
    { name: `${root}.embeddings.class_embedding`, kind: 'bias', shape: [d] },
    ...layerNorm(`${root}.pre_layrnorm`, d),
  ]
  return [
    { name: `${patch}.weight`, kind: 'embedding', shape: [d, 3, patchSize, patchSize] },
    ...(isClip ? classToken : [bias(patch, d)]),
    {
      name: `${root}.embeddings.position_embedding.weight`,
      kind: 'embedding',
      shape: [positions, d],
    },
    ...towerLayers(tower, `${root}.encoder.layers`, {
      norms: ['layer_norm1', 'layer_norm2'],
      attention: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj'],
      mlp: ['mlp.fc1', 'mlp.fc2'],
    }),
    ...layerNorm(`${root}.post_layernorm`, d),
  ]
}

function vitTensors(tower: TowerShape): TensorSpec[] {
  const { hiddenSize: d, patchSize } = tower
  const root = 'vision_tower'
  const patch = `${root}.embeddings.patch_embeddings.projection`
  const self = 'attention.attention'
  return [
    { name: `${root}.embeddings.cls_token`, kind: 'bias', shape: [1, 1, d] },
    { name: `${patch}.weight`, kind: 'embedding', shape: [d, 3, patchSize, patchSize] },
    bias(patch, d),
    {
      name: `${root}.embeddings.position_embeddings`,
      kind: 'embedding',
      shape: [1, patchesOf(tower) + 1, d],
    },
    ...towerLayers(tower, `${root}.encoder.layer`, {
      norms: ['layernorm_before', 'layernorm_after'],
      attention: [`${self}.query`, `${self}.key`, `${self}.value`, 'attention.output.dense'],
      mlp: ['intermediate.dense', 'output.dense'],
    }),
    ...layerNorm(`${root}.layernorm`, d),
  ]
}

type LayerNames = {
  readonly norms: readonly string[]
  readonly attention: readonly string[]
  readonly mlp: readonly [string, string]
}

function towerLayers(tower: TowerShape, prefix: string, names: LayerNames): TensorSpec[] {
  const { hiddenSize: d, intermediateSize: f, numLayers } = tower
  const withBias = (name: string, rows: number, columns: number) => [
    linear(name, rows, columns),
    bias(name, rows),
  ]
  return Array.from({ length: numLayers }, (_, i) => [
    ...names.norms.flatMap((name) => layerNorm(`${prefix}.${i}.${name}`, d)),
    ...names.attention.flatMap((name) => withBias(`${prefix}.${i}.${name}`, d, d)),
    ...withBias(`${prefix}.${i}.${names.mlp[0]}`, f, d),
    ...withBias(`${prefix}.${i}.${names.mlp[1]}`, d, f),
  ]).flat()
}

export function projectorTensors(tower: TowerShape, decoder: DecoderShape): TensorSpec[] {
  const projector = 'multi_modal_projector'
  return [
    linear(`${projector}.linear_1`, decoder.hiddenSize, tower.hiddenSize),
    bias(`${projector}.linear_1`, decoder.hiddenSize),
    linear(`${projector}.linear_2`, decoder.hiddenSize, decoder.hiddenSize),
    bias(`${projector}.linear_2`, decoder.hiddenSize),
  ]
}

/** What ends a row of a picture that is cut into tiles. */
export function newlineTensor({ hiddenSize }: DecoderShape): TensorSpec {
  return { name: 'image_newline', kind: 'bias', shape: [hiddenSize] }
}

function linear(name: string, rows: number, columns: number): TensorSpec {
  return { name: `${name}.weight`, kind: 'linear', shape: [rows, columns] }
}

function bias(name: string, size: number): TensorSpec {
  return { name: `${name}.bias`, kind: 'bias', shape: [size] }
}

function layerNorm(name: string, size: number): TensorSpec[] {
  return [
    { name: `${name}.weight`, kind: 'norm', shape: [size] },
    { name: `${name}.bias`, kind: 'bias', shape: [size] },
  ]
}
