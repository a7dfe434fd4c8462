/**
 * Vision transformers in timm's layout under the names that transformers gives a ViT tower: queries, keys and values
 * stand in one matrix there, row after row.
 *
 * Source: huggingface/pytorch-image-models `timm/models/vision_transformer.py`.
 */
import type { TensorInfo, WeightSource } from '../weights/source.ts'
import { tensorRows } from '../weights/tensor-rows.ts'

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^cls_token$/, 'embeddings.cls_token'],
  [/^pos_embed$/, 'embeddings.position_embeddings'],
  [/^patch_embed\.proj\.(weight|bias)$/, 'embeddings.patch_embeddings.projection.$1'],
  [/^blocks\.(\d+)\.norm1\.(weight|bias)$/, 'layers.$1.layernorm_before.$2'],
  [/^blocks\.(\d+)\.norm2\.(weight|bias)$/, 'layers.$1.layernorm_after.$2'],
  [/^blocks\.(\d+)\.attn\.proj\.(weight|bias)$/, 'layers.$1.attention.o_proj.$2'],
  [/^blocks\.(\d+)\.mlp\.(fc1|fc2)\.(weight|bias)$/, 'layers.$1.mlp.$2.$3'],
  [/^norm\.(weight|bias)$/, 'layernorm.$1'],
  [/^head\.(weight|bias)$/, 'classifier.$1'],
]

const FUSED = /^blocks\.(\d+)\.attn\.qkv\.(weight|bias)$/

export function isTimmVit(source: WeightSource): boolean {
  return source.tensors.has('blocks.0.attn.qkv.weight')
}

/** The tensors under transformers' names. The source still owns the file. */
export function timmVitSource(source: WeightSource): WeightSource {
  const places = new Map<string, Place>()
  for (const name of source.tensors.keys()) {
    for (const [ours, place] of placesOf(name)) places.set(ours, place)
  }
  const find = (name: string): Place => places.get(name) ?? { name, part: null }
  const tensors = new Map<string, TensorInfo>()
  for (const [ours, { name, part }] of places) {
    const info = source.tensors.get(name) as TensorInfo
    const [rows = 0, ...inner] = info.shape
    tensors.set(ours, part === null ? info : { ...info, shape: [rows / 3, ...inner] })
  }
  return {
    tensors,
    read(ours) {
      const { name, part } = find(ours)
      if (part === null) return source.read(name)
      const third = (source.tensors.get(name)?.shape[0] ?? 0) / 3
      return tensorRows(source, name, part * third, (part + 1) * third)
    },
    release: (ours) => source.release?.(find(ours).name),
    close: () => source.close(),
  }
}

/** The tensor in the file; `part` is which third of its rows. */
type Place = { readonly name: string; readonly part: 0 | 1 | 2 | null }

function placesOf(name: string): [string, Place][] {
  const fused = FUSED.exec(name)
  if (fused) {
    return (['q', 'k', 'v'] as const).map((letter, part) => [
      `layers.${fused[1]}.attention.${letter}_proj.${fused[2]}`,
      { name, part: part as 0 | 1 | 2 },
    ])
  }
  const rule = NAMES.find(([pattern]) => pattern.test(name))
  return [[rule ? name.replace(rule[0], rule[1]) : name, { name, part: null }]]
}
