/** The same decoder for llama.cpp. The head is in 8 bits in every quantised file, as ours is. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { WrittenGgmlType } from '../../../src/weights/ggml-quantize.ts'
import { writeGguf, type GgufField } from '../../../src/weights/gguf-writer.ts'
import { permuteRotary } from '../../../src/weights/rotary-order.ts'
import type { DecoderShape } from './shapes.ts'
import { decoderTensors, type TensorSpec } from './tensor-lists.ts'
import { tokenizerFields } from './tokenizer.ts'
import { tensorValues } from './write-checkpoint.ts'

export type GgufType = 'Q4_0' | 'Q8_0' | 'F16'

/** Writes the file unless it is there, and gives its path. */
export async function writeDecoderGguf(
  workFolder: string,
  shape: DecoderShape,
  type: GgufType,
): Promise<string> {
  const path = join(workFolder, `${shape.name}.${type}.gguf`)
  if (existsSync(path)) return path
  const specs = new Map(decoderTensors(shape).map((spec) => [ggufName(spec.name), spec]))
  const plans = [...specs].map(([name, spec]) => ({
    name,
    shape: spec.shape,
    type: storedType(name, spec, { shape, type }),
  }))
  await writeGguf(path, metadata(shape), plans, ({ name }) =>
    rotaryOrder(specs.get(name) as TensorSpec, shape),
  )
  return path
}

function storedType(
  name: string,
  spec: TensorSpec,
  { shape, type }: { readonly shape: DecoderShape; readonly type: GgufType },
): WrittenGgmlType {
  if (spec.kind === 'norm' || spec.kind === 'bias') return 'F32'
  const isHead = name === 'output.weight' || (name === 'token_embd.weight' && shape.tieEmbeddings)
  return isHead && type === 'Q4_0' ? 'Q8_0' : type
}

/** llama.cpp's architecture `llama` rotates adjacent rows, `qwen2` does as transformers. */
function rotaryOrder(spec: TensorSpec, { kind, numHeads, numKvHeads }: DecoderShape): Float32Array {
  const data = tensorValues(spec)
  const part = /\.([qk])_proj\./.exec(spec.name)?.[1]
  if (part === undefined || kind !== 'llama') return data
  const heads = part === 'q' ? numHeads : numKvHeads
  return permuteRotary({ dtype: 'float32', shape: spec.shape, data }, heads).data as Float32Array
}

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\./, 'token_embd.'],
  [/^model\.norm\./, 'output_norm.'],
  [/^lm_head\./, 'output.'],
  [/^model\.layers\.(\d+)\.input_layernorm\./, 'blk.$1.attn_norm.'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\./, 'blk.$1.ffn_norm.'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\./, 'blk.$1.attn_output.'],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj\./, 'blk.$1.attn_$2.'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\./, 'blk.$1.ffn_$2.'],
]

function ggufName(name: string): string {
  const [pattern, replacement] = NAMES.find(([rule]) => rule.test(name)) ?? []
  if (!pattern || replacement === undefined) throw new Error(`bench: no GGUF name for ${name}.`)
  return name.replace(pattern, replacement)
}

function metadata(shape: DecoderShape): Record<string, GgufField> {
  const { kind } = shape
  const whole = (value: number) => ({ type: 'uint32', value }) as const
  return {
    'general.architecture': { type: 'string', value: kind },
    'general.name': { type: 'string', value: shape.name },
    [`${kind}.block_count`]: whole(shape.numLayers),
    [`${kind}.context_length`]: whole(shape.maxPositions),
    [`${kind}.embedding_length`]: whole(shape.hiddenSize),
    [`${kind}.feed_forward_length`]: whole(shape.intermediateSize),
    [`${kind}.attention.head_count`]: whole(shape.numHeads),
    [`${kind}.attention.head_count_kv`]: whole(shape.numKvHeads),
    [`${kind}.attention.layer_norm_rms_epsilon`]: { type: 'float32', value: 1e-5 },
    [`${kind}.rope.dimension_count`]: whole(shape.hiddenSize / shape.numHeads),
    [`${kind}.rope.freq_base`]: { type: 'float32', value: shape.ropeTheta },
    [`${kind}.vocab_size`]: whole(shape.vocabSize),
    ...tokenizerFields(shape.vocabSize),
  }
}
