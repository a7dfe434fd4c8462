/**
 * Language models from GGUF files: their metadata as a config file, their tensors under transformers' names.
 *
 * Source: llama.cpp `gguf-py/gguf/constants.py` (names).
 */
import type { HostTensor } from '../core/tensor.ts'
import type { GgufSource } from '../weights/gguf.ts'
import { unpermuteRotary } from '../weights/rotary-order.ts'
import type { TensorInfo, WeightSource } from '../weights/source.ts'
import { sliceRows, tensorRows } from '../weights/tensor-rows.ts'
import type { CheckpointDocuments } from './family.ts'
import { ggufConfig, headCounts } from './gguf-config.ts'

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd\.weight$/, 'model.embed_tokens.weight'],
  [/^output_norm\.weight$/, 'model.norm.weight'],
  [/^output\.weight$/, 'lm_head.weight'],
  [/^blk\.(\d+)\.attn_norm\.weight$/, 'model.layers.$1.input_layernorm.weight'],
  [/^blk\.(\d+)\.ffn_norm\.weight$/, 'model.layers.$1.post_attention_layernorm.weight'],
  [/^blk\.(\d+)\.attn_([qkv])\.(weight|bias)$/, 'model.layers.$1.self_attn.$2_proj.$3'],
  [/^blk\.(\d+)\.attn_output\.weight$/, 'model.layers.$1.self_attn.o_proj.weight'],
  [/^blk\.(\d+)\.ffn_(gate|up|down)\.weight$/, 'model.layers.$1.mlp.$2_proj.weight'],
  [/^rope_freqs\.weight$/, 'model.rotary_emb.inv_freq'],
]

/** What a GGUF file says of its model, as the files of a checkpoint's folder. */
export function ggufDocuments(name: string, source: GgufSource): CheckpointDocuments {
  const template = source.metadata.get('tokenizer.chat_template')
  return {
    name,
    files: new Map<string, unknown>([
      ['config.json', ggufConfig(name, source)],
      ...(typeof template === 'string' ? [['chat_template.jinja', template] as const] : []),
    ]),
  }
}

/** The tensors under transformers' names, queries and keys in its order of rows. The source still owns the file. */
export function ggufSource(source: GgufSource): WeightSource {
  const names = new Map([...source.tensors.keys()].map((name) => [transformersName(name), name]))
  const tensors = new Map<string, TensorInfo>()
  for (const [ours, theirs] of names) tensors.set(ours, source.tensors.get(theirs) as TensorInfo)
  const architecture = String(source.metadata.get('general.architecture'))
  const heads = headCounts(source)
  /** How many heads' rows are in another order: only llama's converter reorders, for llama.cpp's adjacent pairs. */
  const reordered = (name: string): number | null => {
    const kind = /\.([qk])_proj\./.exec(name)?.[1] as 'q' | 'k' | undefined
    return kind && architecture === 'llama' ? heads[kind] : null
  }
  return {
    tensors,
    read(name) {
      const tensor = source.read(names.get(name) ?? name)
      const count = reordered(name)
      return count === null ? tensor : unpermuteRotary(tensor, count)
    },
    readRows(name, from, to) {
      const theirs = names.get(name) ?? name
      const count = reordered(name)
      if (count === null) return tensorRows(source, theirs, from, to)
      const [rows = 0] = tensors.get(name)?.shape ?? []
      if (rows % count !== 0) return sliceRows(this.read(name), from, to)
      // Rows change places within their heads.
      const size = rows / count
      const [first, end] = [Math.floor(from / size), Math.ceil(to / size)]
      const whole = tensorRows(source, theirs, first * size, end * size)
      return sliceRows(unpermuteRotary(whole, end - first), from - first * size, to - first * size)
    },
    isView: (name) => reordered(name) === null && source.isView?.(names.get(name) ?? name) === true,
    release: (name) => source.release?.(names.get(name) ?? name),
    close: () => source.close(),
  }
}

/** A tensor as its file holds it: the bytes of blocks uint8 [rows, bytes of a row], or plain numbers. */
export type GgufStored = { readonly type: string; readonly tensor: HostTensor }

/** Every tensor under transformers' name and in its order of rows, not widened. The source still owns the file. */
export function ggufStored(source: GgufSource): ReadonlyMap<string, () => GgufStored> {
  const architecture = String(source.metadata.get('general.architecture'))
  const heads = headCounts(source)
  return new Map(
    [...source.tensors.keys()].map((theirs) => {
      const name = transformersName(theirs)
      const kind = /\.([qk])_proj\./.exec(name)?.[1] as 'q' | 'k' | undefined
      const read = () => {
        const { type, shape, bytes } = source.blocks(theirs)
        const rows = shape.length === 1 ? 1 : (shape[0] as number)
        const tensor: HostTensor =
          type === 'F32' || type === 'F16' || type === 'BF16'
            ? source.read(theirs)
            : { dtype: 'uint8', shape: [rows, bytes.length / rows], data: bytes }
        const isReordered = kind !== undefined && architecture === 'llama'
        return { type, tensor: isReordered ? unpermuteRotary(tensor, heads[kind]) : tensor }
      }
      return [name, read] as const
    }),
  )
}

function transformersName(name: string): string {
  for (const [pattern, replacement] of NAMES) {
    if (pattern.test(name)) return name.replace(pattern, replacement)
  }
  return name
}
