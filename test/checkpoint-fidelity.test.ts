/**
 * Every published checkpoint that we know of, at its full dimensions and without a byte of it: each tensor that its files
 * hold, by name and shape, is one that the model reads or one that is known not to be needed, and none is missing.
 *
 * What files hold is written down here a second time, from the repositories' own words, so that the tables under test
 * are not asked. Totals are those that the LLaVA-NeXT posts of 2024-01-30 and 2024-05-10 and arXiv:2408.03326 (table 1)
 * publish.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { elementCount } from '../src/core/shape.ts'
import { familyOf } from '../src/families/index.ts'
import {
  knownCheckpoint,
  knownCheckpoints,
  type KnownCheckpoint,
} from '../src/families/known-checkpoints.ts'
import type { WeightPart } from '../src/families/parameter-map.ts'
import {
  PROJECTOR_NAMES,
  TOWER_EXTRAS,
  VISION_NAMES,
  type NameRule,
} from '../src/families/parameter-names.ts'
import { loadModel, modelGraphs, parameterMap } from '../src/load-model.ts'
import { mergeLora } from '../src/weights/lora-merge.ts'
import { parseLoraConfig } from '../src/weights/lora-config.ts'
import { readLoraAdapter } from '../src/weights/lora.ts'
import type { WeightSource } from '../src/weights/source.ts'

type Shapes = Record<string, readonly number[]>
type Json = Record<string, any> // oxlint-disable-line typescript/no-explicit-any

const MPT = 'liuhaotian/LLaVA-Lightning-MPT-7B-preview'

/** Behind the features that are read, angles that are computed, and CLIP's text half. */
const SIGLIP_UNREAD = /post_layernorm|lm_head/
const UNREAD =
  /post_layernorm|encoder\.layers\.23\.|rotary_emb\.inv_freq|position_ids|^text_|^visual_|^logit_|lm_head/

/** Names of the files of transformers and the hub: language model, head, tower, projector, newline. */
const HF_NAMES: Readonly<Record<string, readonly [string, string, string, string, string]>> = {
  'hub files': [
    'language_model.model.',
    'language_model.',
    'vision_tower.vision_model.',
    'multi_modal_projector.',
    '',
  ],
  'transformers 4.52': [
    'model.language_model.',
    '',
    'model.vision_tower.vision_model.',
    'model.multi_modal_projector.',
    'model.',
  ],
  'transformers 5': [
    'model.language_model.',
    '',
    'model.vision_tower.',
    'model.multi_modal_projector.',
    'model.',
  ],
}

/** As the training scripts of 1.5 make them: every linear layer of the language model. */
const ADAPTER = {
  peft_type: 'LORA',
  r: 128,
  lora_alpha: 256,
  target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  bias: 'none',
}

describe('the tensors of every published checkpoint are accounted for', () => {
  for (const known of knownCheckpoints()) {
    if (known.id === MPT) continue
    const doubts =
      known.unverified.length > 0 ? ` (unverified: ${known.unverified.join(', ')})` : ''
    for (const [names, parts] of Object.entries(layoutsOf(known))) {
      test(`${known.id}, ${names}${doubts}`, () => checkParts(known, parts))
    }
  }
})

test('MPT decoders are refused by name', () => {
  const { documents } = knownCheckpoint(MPT)!
  assert.throws(() => familyOf(documents).parseConfig(documents, {}), {
    code: 'CONFIG_UNSUPPORTED',
    message: /model_type: "llava_mpt" is not supported/,
  })
})

test('they are refused before a tower or weights are looked for, and before anything is fetched', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-mpt-'))
  const refused = {
    code: 'CONFIG_UNSUPPORTED',
    message: /model_type: "llava_mpt" is not supported/,
  }
  const hub = { endpoint: 'http://127.0.0.1:9', offline: true, cacheDir: join(folder, 'hub') }
  try {
    const config = { model_type: 'llava_mpt', mm_vision_tower: 'openai/clip-vit-large-patch14' }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    await assert.rejects(loadModel(folder, { hub }), refused)
    await assert.rejects(loadModel(MPT, { hub }), refused)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a tensor too many, one too few and one of another shape are noticed', () => {
  const known = knownCheckpoint('llava-hf/llava-1.5-7b-hf')!
  const shapes = hfShapes(known, HF_NAMES['hub files']!)
  const { 'multi_modal_projector.linear_1.bias': _, ...fewer } = shapes
  const norm = 'language_model.model.norm.weight'
  for (const [broken, message] of [
    [{ ...shapes, 'model.other.weight': [2] }, /model\.other\.weight/],
    [fewer, /linear_1\.bias/],
    [{ ...shapes, [norm]: [4095] }, /norm\.weight.*4095/s],
  ] as const) {
    assert.throws(() => checkParts(known, [part(broken, rulesOf(known))]), message)
  }
})

/** Billions, as published; their rounding. */
const TOTALS: Readonly<Record<string, readonly [number, number]>> = {
  'liuhaotian/llava-v1.6-vicuna-7b': [7.06, 0.01],
  'liuhaotian/llava-v1.6-vicuna-13b': [13.35, 0.01],
  'liuhaotian/llava-v1.6-34b': [34.75, 0.01],
  'lmms-lab/llama3-llava-next-8b': [8.35, 0.01],
  'lmms-lab/llava-next-72b': [72.7, 0.1],
  'lmms-lab/llava-next-110b': [111.5, 0.1],
  'lmms-lab/llava-onevision-qwen2-7b-ov': [8.0, 0.05],
}

test('dimensions add up to the published totals', () => {
  for (const [id, [billions, rounding]] of Object.entries(TOTALS)) {
    const known = knownCheckpoint(id)!
    const total = sum(Object.values(originalShapes(known)))
    assert.ok(Math.abs(total / 1e9 - billions) <= rounding, `${id}: ${total / 1e9} B`)
  }
})

test('projectors have the published sizes', () => {
  const millions = {
    'liuhaotian/llava-v1.6-vicuna-7b': 21,
    'liuhaotian/llava-v1.6-vicuna-13b': 31.5,
    'liuhaotian/llava-v1.6-34b': 58.7,
    'lmms-lab/llava-onevision-qwen2-0.5b-si': 1.8,
  }
  for (const [name, size] of Object.entries(millions)) {
    const shapes = originalShapes(knownCheckpoint(name)!)
    const projector = Object.entries(shapes).filter(([tensor]) => tensor.includes('mm_projector'))
    assert.ok(Math.abs(sum(projector.map(([, shape]) => shape)) / 1e6 - size) < 0.06, name)
  }
})

/** All tensors have a place or are known not to be needed, and the model finds all it wants. */
function checkParts(known: KnownCheckpoint, parts: readonly WeightPart[]): void {
  const { documents } = known
  const config = familyOf(documents).parseConfig(documents, {})
  const { unread } = parameterMap({ parts, config }, modelGraphs({ config }))
  const needless =
    known.layout === 'original' && known.hasTower && usesSiglip(known) ? SIGLIP_UNREAD : UNREAD
  assert.deepEqual(
    unread.map(({ name }) => name).filter((name) => !needless.test(name)),
    [],
  )
}

function usesSiglip({ documents }: KnownCheckpoint): boolean {
  return String(configOf(documents)['mm_vision_tower']).includes('siglip')
}

function layoutsOf(known: KnownCheckpoint): Record<string, WeightPart[]> {
  const rules = rulesOf(known)
  if (known.layout === 'hf') {
    return Object.fromEntries(
      Object.entries(HF_NAMES).map(([names, prefixes]) => [
        names,
        [part(hfShapes(known, prefixes), rules)],
      ]),
    )
  }
  const tower = known.hasTower
    ? []
    : [part(clipRepository(known), [...VISION_NAMES, ...TOWER_EXTRAS])]
  return { 'original files': [...tower, ...originalParts(known, rules)] }
}

/** A whole model; or a base with a projector file, with or without an adapter. */
function originalParts(known: KnownCheckpoint, rules: readonly NameRule[]): WeightPart[] {
  const all = Object.entries(originalShapes(known))
  if (known.form === 'whole' || known.form === 'delta')
    return [part(Object.fromEntries(all), rules)]
  const isProjector = ([name]: (typeof all)[number]) => name.includes('mm_projector')
  const base = Object.fromEntries(all.filter((one) => !isProjector(one)))
  const projector = part(Object.fromEntries(all.filter(isProjector)), [
    ...PROJECTOR_NAMES,
    ...rules,
  ])
  if (known.form === 'projector') return [part(base, rules), projector]
  const adapter = readLoraAdapter(parseLoraConfig(ADAPTER), sourceOf(adapterShapes(base)))
  return [{ source: mergeLora(sourceOf(base), [adapter]), rules }, projector]
}

function adapterShapes(base: Shapes): Shapes {
  const linear = Object.entries(base).filter(([name]) => name.endsWith('_proj.weight'))
  return Object.fromEntries(
    linear.flatMap(([name, [rows = 0, columns = 0]]) => {
      const path = `base_model.model.${name.replace(/\.weight$/, '')}`
      return [
        [`${path}.lora_A.weight`, [ADAPTER.r, columns]],
        [`${path}.lora_B.weight`, [rows, ADAPTER.r]],
      ]
    }),
  )
}

function originalShapes({ documents, hasTower }: KnownCheckpoint): Shapes {
  const config = configOf(documents)
  const isSiglip = String(config['mm_vision_tower']).includes('siglip')
  const width = isSiglip ? 1152 : 1024
  const { hidden_size: hidden } = config
  const projector: Shapes =
    config['mm_projector_type'] === 'linear'
      ? linear('model.mm_projector', hidden, width)
      : {
          ...linear('model.mm_projector.0', hidden, width),
          ...linear('model.mm_projector.2', hidden, hidden),
        }
  const isOld = config['mm_projector_type'] === 'linear'
  return {
    ...languageShapes(config, 'model.', ''),
    ...(isOld && angles(config)),
    ...projector,
    ...(config['mm_patch_merge_type'] === 'spatial_unpad' && { 'model.image_newline': [hidden] }),
    ...(hasTower && towerShapes('model.vision_tower.vision_tower.vision_model.', isSiglip)),
  }
}

function hfShapes({ documents }: KnownCheckpoint, prefixes: readonly string[]): Shapes {
  const [text = '', head = '', tower = '', projector = '', newline = ''] = prefixes
  const { text_config: config, vision_config: vision, model_type: kind } = configOf(documents)
  const isSiglip = vision.model_type === 'siglip_vision_model'
  return {
    ...languageShapes(config, text, head),
    ...towerShapes(tower, isSiglip),
    ...linear(`${projector}linear_1`, config.hidden_size, vision.hidden_size),
    ...linear(`${projector}linear_2`, config.hidden_size, config.hidden_size),
    ...(kind !== 'llava' && { [`${newline}image_newline`]: [config.hidden_size] }),
  }
}

function languageShapes(config: Json, text: string, head: string): Shapes {
  const { hidden_size: D, intermediate_size: F, vocab_size: V } = config
  const headDim = D / config['num_attention_heads']
  const keys = headDim * config['num_key_value_heads']
  const shapes: Shapes = {
    [`${text}embed_tokens.weight`]: [V, D],
    [`${text}norm.weight`]: [D],
    // Tied models' files may hold a copy.
    [`${head}lm_head.weight`]: [V, D],
  }
  const isQwen = ['qwen2', 'llava_qwen'].includes(config['model_type'])
  for (let i = 0; i < config['num_hidden_layers']; i++) {
    const layer = `${text}layers.${i}`
    Object.assign(shapes, {
      [`${layer}.input_layernorm.weight`]: [D],
      [`${layer}.post_attention_layernorm.weight`]: [D],
      [`${layer}.self_attn.q_proj.weight`]: [D, D],
      [`${layer}.self_attn.k_proj.weight`]: [keys, D],
      [`${layer}.self_attn.v_proj.weight`]: [keys, D],
      [`${layer}.self_attn.o_proj.weight`]: [D, D],
      [`${layer}.mlp.gate_proj.weight`]: [F, D],
      [`${layer}.mlp.up_proj.weight`]: [F, D],
      [`${layer}.mlp.down_proj.weight`]: [D, F],
      ...(isQwen && {
        [`${layer}.self_attn.q_proj.bias`]: [D],
        [`${layer}.self_attn.k_proj.bias`]: [keys],
        [`${layer}.self_attn.v_proj.bias`]: [keys],
      }),
    })
  }
  return shapes
}

/** Files of old transformers keep them. */
function angles(config: Json): Shapes {
  const size = config['hidden_size'] / config['num_attention_heads'] / 2
  return Object.fromEntries(
    Array.from({ length: config['num_hidden_layers'] }, (_, i) => [
      `model.layers.${i}.self_attn.rotary_emb.inv_freq`,
      [size],
    ]),
  )
}

function towerShapes(prefix: string, isSiglip: boolean, imageSize = isSiglip ? 384 : 336): Shapes {
  const [D, F, layers] = isSiglip ? [1152, 4304, 26] : [1024, 4096, 24]
  const patches = Math.floor(imageSize / 14) ** 2
  const pair = (name: string): Shapes => ({ [`${name}.weight`]: [D], [`${name}.bias`]: [D] })
  const embeddings = `${prefix}embeddings`
  const shapes: Shapes = {
    [`${embeddings}.patch_embedding.weight`]: [D, 3, 14, 14],
    [`${embeddings}.position_embedding.weight`]: [patches + (isSiglip ? 0 : 1), D],
    ...(isSiglip
      ? { [`${embeddings}.patch_embedding.bias`]: [D] }
      : { [`${embeddings}.class_embedding`]: [D], ...pair(`${prefix}pre_layrnorm`) }),
    ...pair(`${prefix}post_layernorm`),
  }
  for (let i = 0; i < layers; i++) {
    const layer = `${prefix}encoder.layers.${i}`
    const attention = ['q', 'k', 'v', 'out'].map((name) =>
      linear(`${layer}.self_attn.${name}_proj`, D, D),
    )
    Object.assign(
      shapes,
      ...attention,
      pair(`${layer}.layer_norm1`),
      pair(`${layer}.layer_norm2`),
      linear(`${layer}.mlp.fc1`, F, D),
      linear(`${layer}.mlp.fc2`, D, F),
    )
  }
  return shapes
}

/** The repository of the tower, with the half that reads text. */
function clipRepository({ documents }: KnownCheckpoint): Shapes {
  const name = String(configOf(documents)['mm_vision_tower'])
  return {
    ...towerShapes('vision_model.', false, name.endsWith('336') ? 336 : 224),
    'vision_model.embeddings.position_ids': [1, 577],
    'text_model.embeddings.token_embedding.weight': [49408, 768],
    'text_projection.weight': [768, 768],
    'visual_projection.weight': [768, 1024],
    logit_scale: [],
  }
}

function linear(name: string, rows: number, columns: number): Shapes {
  return { [`${name}.weight`]: [rows, columns], [`${name}.bias`]: [rows] }
}

function configOf(documents: KnownCheckpoint['documents']): Json {
  return documents.files.get('config.json') as Json
}

function rulesOf({ documents }: KnownCheckpoint): readonly NameRule[] {
  return familyOf(documents).parameterNames
}

function part(shapes: Shapes, rules: readonly NameRule[]): WeightPart {
  return { source: sourceOf(shapes), rules }
}

/** Tensors without bytes. */
function sourceOf(shapes: Shapes): WeightSource {
  const file = 'model.safetensors'
  return {
    tensors: new Map(
      Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'float16', shape, file }]),
    ),
    read: (name) => assert.fail(`${name} was read`),
    close() {},
  }
}

function sum(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((total, shape) => total + elementCount(shape), 0)
}
