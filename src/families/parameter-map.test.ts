/** Every set of names that files use leads to our parameters, and what does not is told by the names of the file. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CheckpointError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph, liveParameters, type Value } from '../graph/index.ts'
import { decoderGraph } from '../serve/decoder-graph.ts'
import { visionGraph } from '../serve/vision-runner.ts'
import { EMBEDDING } from '../decoder/decoder.ts'
import type { TensorInfo, WeightSource } from '../weights/source.ts'
import { tinyConfig, type TinyCheckpoint } from '../../test/tiny/checkpoint.ts'
import { LLAVA_CLIP, LLAVA_SIGLIP, MINI, NEXT, TEXT_ONLY } from '../../test/tiny/checkpoints.ts'
import { tensorName, type NameSet } from '../../test/tiny/tensor-names.ts'
import { mapParameters, type WeightPart } from './parameter-map.ts'
import { llava } from './llava.ts'
import { next } from './next.ts'
import { PROJECTOR_NAMES, TOWER_EXTRAS, VISION_NAMES, type NameRule } from './parameter-names.ts'

const UNUSED = /^$/

type Kind = 'clip' | 'siglip' | 'vit'

/** Everything that a model reads. */
function wantedOf(checkpoint: TinyCheckpoint): { wanted: Value[]; kind: Kind } {
  const { vision, projector, decoder, image } = tinyConfig(checkpoint)
  const host = new Graph('host')
  host.parameter(EMBEDDING, [decoder.vocabSize, decoder.hiddenSize])
  if (image?.hasNewline) host.parameter('imageNewline', [decoder.hiddenSize])
  const graphs = [
    decoderGraph(decoder),
    ...(vision && projector ? [visionGraph(vision, projector)] : []),
  ]
  const values = [...graphs.flatMap(liveParameters), ...host.parameters.values()]
  const wanted = [...new Map(values.map((value) => [value.name, value])).values()]
  return { wanted, kind: vision?.kind ?? 'clip' }
}

/** A source of zeros under the names of a set. */
function sourceOf(
  shapes: Iterable<readonly [string, readonly number[]]>,
  file = 'model.safetensors',
) {
  const tensors = new Map(
    [...shapes].map(([name, shape]): [string, TensorInfo] => [
      name,
      { dtype: 'float16', shape, file },
    ]),
  )
  return {
    tensors,
    read(name: string): HostTensor {
      const { shape } = tensors.get(name)!
      return hostTensor('float16', shape, new Uint16Array(elementCount(shape)))
    },
    close() {},
  } satisfies WeightSource
}

function shapesIn(set: NameSet, checkpoint: TinyCheckpoint): Map<string, readonly number[]> {
  const { wanted, kind } = wantedOf(checkpoint)
  return new Map(
    wanted.map(({ name, shape }) => [
      tensorName(set, name, kind),
      storedShape(name, shape as number[], kind),
    ]),
  )
}

/** Files hold patch embeddings as kernels, and class token and positions of ViT with a batch of one. */
function storedShape(path: string, shape: readonly number[], kind: Kind): readonly number[] {
  if (path === 'vision.patchEmbedding.weight') return [shape[0]!, 3, 14, 14]
  if (path === 'vision.classEmbedding') return kind === 'vit' ? [1, 1, shape[1]!] : [shape[1]!]
  if (path === 'vision.positionEmbedding.weight' && kind === 'vit') return [1, ...shape]
  return shape
}

/** Tensors that files hold and nobody reads. */
const UNREAD: Readonly<Record<NameSet, readonly string[]>> = {
  hub: [
    'vision_tower.vision_model.embeddings.position_ids',
    'vision_tower.vision_model.post_layernorm.weight',
    'language_model.model.layers.1.self_attn.rotary_emb.inv_freq',
  ],
  '4.52': ['model.vision_tower.vision_model.post_layernorm.bias'],
  '5-memory': ['model.vision_tower.pooler.dense.weight', 'model.vision_tower.layernorm.weight'],
  '5-saved': ['vision_tower.post_layernorm.weight', 'language_model.model.rotary_emb.inv_freq'],
  original: [
    'model.layers.0.self_attn.rotary_emb.inv_freq',
    'model.vision_tower.vision_tower.vision_model.head.probe',
    'model.vision_tower.vision_tower.vision_model.post_layernorm.weight',
  ],
  'original-apart': ['vision_model.post_layernorm.weight'],
  text: ['model.rotary_emb.inv_freq'],
}

function mapped(parts: readonly WeightPart[], checkpoint: TinyCheckpoint) {
  return mapParameters(parts, wantedOf(checkpoint).wanted, { unused: UNUSED })
}

describe('every name set leads to every parameter', () => {
  const sets = ['hub', '4.52', '5-memory', '5-saved', 'original'] as const
  for (const checkpoint of [LLAVA_CLIP, LLAVA_SIGLIP, MINI, NEXT]) {
    for (const set of sets) {
      test(`${set}: ${checkpoint.name}`, () => {
        const shapes = shapesIn(set, checkpoint)
        for (const name of UNREAD[set]) shapes.set(name, [1])
        const parameters = mapped(
          [{ source: sourceOf(shapes), rules: next.parameterNames }],
          checkpoint,
        )
        for (const { name, shape } of wantedOf(checkpoint).wanted) {
          assert.ok(parameters.has(name))
          assert.deepEqual(parameters.read(name).shape, shape)
        }
      })
    }
  }
  test(`text: ${TEXT_ONLY.name}`, () => {
    const shapes = shapesIn('text', TEXT_ONLY)
    shapes.set('model.rotary_emb.inv_freq', [1])
    mapped([{ source: sourceOf(shapes), rules: next.parameterNames }], TEXT_ONLY)
  })
})

test('a newline that no row ends with is known', () => {
  const shapes = shapesIn('original', LLAVA_CLIP).set('model.image_newline', [32])
  const parts = [{ source: sourceOf(shapes), rules: llava.parameterNames }]
  mapParameters(parts, wantedOf(LLAVA_CLIP).wanted, { unused: /^imageNewline$/ })
})

test('tower and projector may lie in files of their own', () => {
  const { wanted, kind } = wantedOf(LLAVA_CLIP)
  const shapesOf = (part: RegExp, set: NameSet) =>
    new Map(
      wanted
        .filter(({ name }) => part.test(name))
        .map(({ name, shape }) => [
          tensorName(set, name, kind),
          storedShape(name, shape as number[], kind),
        ]),
    )
  const tower = shapesOf(/^vision/, 'original-apart')
  for (const name of [
    'text_model.final_layer_norm.weight',
    'logit_scale',
    'visual_projection.weight',
  ]) {
    tower.set(name, [2])
  }
  const parts: readonly (readonly [Map<string, readonly number[]>, readonly NameRule[], string])[] =
    [
      [tower, [...VISION_NAMES, ...TOWER_EXTRAS], 'clip/model.safetensors'],
      [shapesOf(/^decoder/, 'original'), next.parameterNames, 'model.safetensors'],
      [shapesOf(/^projector/, 'original-apart'), PROJECTOR_NAMES, 'mm_projector.bin'],
    ]
  const parameters = mapped(
    parts.map(([shapes, rules, file]) => ({ source: sourceOf(shapes, file), rules })),
    LLAVA_CLIP,
  )
  assert.equal(parameters.stored('projector.layers.1.bias').name, 'mm_projector.2.bias')
})

test('a later part wins: a projector over that of the base', () => {
  const shapes = shapesIn('original', LLAVA_CLIP)
  const base = sourceOf(shapes)
  const own = sourceOf(
    [['model.mm_projector.0.weight', shapes.get('model.mm_projector.0.weight')!]],
    'own.bin',
  )
  let read = ''
  const watched = {
    ...own,
    read: (name: string) => {
      read = name
      return own.read(name)
    },
  }
  const parameters = mapped(
    [
      { source: base, rules: next.parameterNames },
      { source: watched, rules: PROJECTOR_NAMES },
    ],
    LLAVA_CLIP,
  )
  parameters.read('projector.layers.0.weight')
  assert.equal(read, 'model.mm_projector.0.weight')
})

describe('a missing tensor is named as its file would name it', () => {
  const MISSING: readonly (readonly [NameSet, TinyCheckpoint, string, string])[] = [
    ['4.52', LLAVA_CLIP, 'decoder.norm.weight', 'model.language_model.norm.weight [32]'],
    ['hub', LLAVA_CLIP, 'decoder.norm.weight', 'language_model.model.norm.weight [32]'],
    ['original', LLAVA_CLIP, 'decoder.norm.weight', 'model.norm.weight [32]'],
    ['hub', LLAVA_CLIP, 'decoder.head.weight', 'language_model.lm_head.weight [263,32]'],
    ['original', LLAVA_CLIP, 'decoder.head.weight', 'lm_head.weight [263,32]'],
    ['5-memory', LLAVA_CLIP, 'decoder.head.weight', 'lm_head.weight [263,32]'],
    ['4.52', LLAVA_SIGLIP, EMBEDDING, 'model.language_model.embed_tokens.weight [263,32]'],
    [
      'hub',
      LLAVA_CLIP,
      'decoder.layers.1.mlp.down.weight',
      'language_model.model.layers.1.mlp.down_proj.weight [32,48]',
    ],
    [
      '5-saved',
      LLAVA_CLIP,
      'vision.layers.0.attention.o.bias',
      'vision_tower.encoder.layers.0.self_attn.out_proj.bias [32]',
    ],
    [
      'original',
      LLAVA_CLIP,
      'vision.preNorm.bias',
      'model.vision_tower.vision_tower.vision_model.pre_layrnorm.bias [32]',
    ],
    ['hub', MINI, 'vision.classEmbedding', 'vision_tower.embeddings.cls_token [1,32]'],
    [
      '5-memory',
      MINI,
      'vision.layers.2.mlp.up.bias',
      'model.vision_tower.layers.2.mlp.fc1.bias [40]',
    ],
    [
      'hub',
      MINI,
      'vision.layers.2.attention.q.weight',
      'vision_tower.encoder.layer.2.attention.attention.query.weight [32,32]',
    ],
    [
      '4.52',
      LLAVA_CLIP,
      'projector.layers.1.bias',
      'model.multi_modal_projector.linear_2.bias [32]',
    ],
    ['original', LLAVA_CLIP, 'projector.layers.1.bias', 'model.mm_projector.2.bias [32]'],
    ['original', NEXT, 'imageNewline', 'model.image_newline [32]'],
    ['hub', NEXT, 'imageNewline', 'image_newline [32]'],
  ]
  for (const [set, checkpoint, path, expected] of MISSING) {
    test(`${set}: ${path}`, () => {
      const shapes = shapesIn(set, checkpoint)
      assert.ok(shapes.delete(tensorName(set, path, wantedOf(checkpoint).kind)))
      const [first] = faults(shapes, checkpoint)
      assert.ok(first?.startsWith(`missing: ${expected} (${path})`), first)
    })
  }

  test('without a sibling to go by, our own path is given', () => {
    const shapes = shapesIn('hub', LLAVA_CLIP)
    for (const name of shapes.keys()) if (name.startsWith('vision_tower')) shapes.delete(name)
    assert.match(
      faults(shapes, LLAVA_CLIP)[0]!,
      /^missing: vision\.patchEmbedding\.weight \[32,588\]/,
    )
  })
})

test('a misspelt tensor is missing and extra, each naming the other', () => {
  const shapes = shapesIn('4.52', LLAVA_CLIP)
  shapes.delete('model.language_model.norm.weight')
  shapes.set('model.language_model.nrom.weight', [32])
  assert.deepEqual(faults(shapes, LLAVA_CLIP), [
    'extra: model.language_model.nrom.weight float16[32] in model.safetensors; the nearest name is model.language_model.norm.weight',
    'missing: model.language_model.norm.weight [32] (decoder.norm.weight); the nearest name is model.language_model.nrom.weight',
  ])
})

test('a misshapen tensor is told with its file and both shapes', () => {
  const shapes = shapesIn('hub', LLAVA_CLIP)
  shapes.set('language_model.model.layers.0.mlp.up_proj.weight', [48, 16])
  assert.deepEqual(faults(shapes, LLAVA_CLIP), [
    'language_model.model.layers.0.mlp.up_proj.weight (decoder.layers.0.mlp.up.weight) should be float32[48,32] but model.safetensors has float16[48,16]',
  ])
})

test('whole numbers are no weights', () => {
  const source = sourceOf(shapesIn('hub', LLAVA_CLIP))
  const name = 'language_model.model.norm.weight'
  const tensors = new Map([...source.tensors, [name, { dtype: 'int16', shape: [32], file: 'f' }]])
  assert.throws(
    () => mapped([{ source: { ...source, tensors }, rules: next.parameterNames }], LLAVA_CLIP),
    /norm\.weight \(decoder\.norm\.weight\) should be float32\[32\] but f has int16\[32\]/,
  )
})

test('a layer too many, and one weight under two names, are told', () => {
  const shapes = shapesIn('hub', LLAVA_CLIP)
  shapes.set('language_model.model.layers.2.input_layernorm.weight', [32])
  shapes.set('model.language_model.norm.weight', [32])
  const told = faults(shapes, LLAVA_CLIP)
  assert.equal(
    told[0],
    'twice: language_model.model.norm.weight and model.language_model.norm.weight are one weight',
  )
  assert.match(
    told[1]!,
    /^extra: language_model\.model\.layers\.2\.input_layernorm\.weight float16\[32\] in model\.safetensors; the nearest name is language_model\.model\.layers\./,
  )
})

test('of many faults the first are told and the rest counted', () => {
  const told = faults(new Map([['nothing.known', [1]]]), LLAVA_CLIP)
  assert.equal(told.length, 21)
  assert.match(told[20]!, /^and \d+ more$/)
})

/** The faults of the one error that mapping these tensors throws. */
function faults(shapes: Map<string, readonly number[]>, checkpoint: TinyCheckpoint): string[] {
  try {
    mapped([{ source: sourceOf(shapes), rules: next.parameterNames }], checkpoint)
  } catch (error) {
    assert.ok(error instanceof CheckpointError)
    assert.equal(error.code, 'CHECKPOINT_MISMATCH')
    const [head, ...lines] = error.message.split('\n  ')
    assert.match(
      head!,
      /^weights: \d+ (?:tensor does|tensors do) not fit the config; do config and weights/,
    )
    return lines
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' })
}
