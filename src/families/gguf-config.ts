/**
 * The metadata of a GGUF file as the config file of a checkpoint, field by field; what would change the numbers and is not
 * done here is refused by the field's name.
 *
 * Source: ggml `docs/gguf.md` (keys); llama.cpp `src/llama-model.cpp`, `load_hparams` (what an absent one means).
 */
import { ConfigError } from '../core/errors.ts'
import { toFloat32 } from '../core/tensor.ts'
import type { GgufSource } from '../weights/gguf.ts'
import { llama3Scaling } from './gguf-rope.ts'
import { describe, JsonReader } from './json-reader.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = { llama: 'llama', qwen2: 'qwen2' }

const ROPE_DIVISORS = 'rope_freqs.weight'

/** Throws ConfigError, which names file and field. */
export function ggufConfig(file: string, source: GgufSource): object {
  const { metadata } = source
  checkWhole(file, metadata)
  const architecture = architectureOf(file, metadata)
  const fields = fieldsOf(file, architecture, metadata)
  const numHeads = fields.integer('attention.head_count')
  const hiddenSize = fields.integer('embedding_length')
  const headDim = fields.integer('attention.key_length', evenShare(fields, hiddenSize, numHeads))
  const maxPositions = fields.integer('context_length')
  checkNeutral(fields, { headDim, maxPositions })
  const theta = fields.number('rope.freq_base', 10000, 1)
  const vocabSize = source.tensors.get('token_embd.weight')?.shape[0]
  return {
    model_type: ARCHITECTURES[architecture],
    hidden_size: hiddenSize,
    intermediate_size: fields.integer('feed_forward_length'),
    num_hidden_layers: fields.layerCount('block_count'),
    num_attention_heads: numHeads,
    num_key_value_heads: kvHeads(fields, numHeads),
    head_dim: headDim,
    max_position_embeddings: maxPositions,
    rms_norm_eps: fields.number('attention.layer_norm_rms_epsilon', undefined, 0),
    rope_theta: theta,
    rope_scaling: linearScaling(fields) ?? dividedScaling(source, theta),
    vocab_size: vocabSize ?? fields.integer('vocab_size'),
    tie_word_embeddings: !source.tensors.has('output.weight'),
    bos_token_id: metadata.get('tokenizer.ggml.bos_token_id'),
    eos_token_id: endTokens(metadata),
  }
}

/** How many heads of queries, and of keys, the rows of a matrix are. Whole numbers once `ggufConfig` has read the file. */
export function headCounts({ metadata }: GgufSource): { readonly q: number; readonly k: number } {
  const architecture = String(metadata.get('general.architecture'))
  const q = metadata.get(`${architecture}.attention.head_count`)
  const k = metadata.get(`${architecture}.attention.head_count_kv`) ?? q
  return { q: Number(q), k: Number(k) }
}

/** Only the first file of a split one says what the model is, and none holds all of it. */
function checkWhole(file: string, metadata: GgufSource['metadata']): void {
  const count = Number(metadata.get('split.count') ?? 1)
  if (count <= 1) return
  const place = Number(metadata.get('split.no') ?? 0) + 1
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${file}: expected a whole GGUF file, part ${place} of ${count} came; join them with llama.cpp's llama-gguf-split --merge.`,
  )
}

function architectureOf(file: string, metadata: GgufSource['metadata']): string {
  const architecture = String(metadata.get('general.architecture'))
  if (Object.hasOwn(ARCHITECTURES, architecture)) return architecture
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${file}: general.architecture "${architecture}" is not supported; known are ${Object.keys(ARCHITECTURES).join(', ')}; take a file of one of these.`,
  )
}

/** The architecture's own fields, by what follows its name. */
function fieldsOf(
  file: string,
  architecture: string,
  metadata: GgufSource['metadata'],
): JsonReader {
  const start = `${architecture}.`
  const own = [...metadata]
    .filter(([key]) => key.startsWith(start))
    .map(([key, value]) => {
      // Beyond what a number holds exactly: shown, and no number.
      return [key.slice(start.length), typeof value === 'bigint' ? String(value) : value] as const
    })
  return new JsonReader(`${file}: ${architecture}`, Object.fromEntries(own))
}

function evenShare(fields: JsonReader, hiddenSize: number, numHeads: number): number {
  if (fields.has('attention.key_length') || hiddenSize % numHeads === 0)
    return hiddenSize / numHeads
  throw new ConfigError(
    'CONFIG_HEADS',
    `${fields.path}: embedding_length ${hiddenSize} is not a multiple of attention.head_count ${numHeads}, and no attention.key_length is there; take another file.`,
  )
}

function kvHeads(fields: JsonReader, numHeads: number): number {
  const count = fields.integer('attention.head_count_kv', numHeads)
  if (numHeads % count === 0) return count
  throw new ConfigError(
    'CONFIG_HEADS',
    `${fields.path}: attention.head_count ${numHeads} is not a multiple of attention.head_count_kv ${count}; take another file.`,
  )
}

type Sizes = { readonly headDim: number; readonly maxPositions: number }

/** Fields of other models of the same architectures, and the values with which they change nothing. */
const NEUTRAL: Readonly<Record<string, (value: unknown, sizes: Sizes) => boolean>> = {
  'rope.dimension_count': (value, { headDim }) => value === headDim,
  'attention.value_length': (value, { headDim }) => value === headDim,
  'attention.sliding_window': (value, { maxPositions }) =>
    value === 0 || (typeof value === 'number' && value >= maxPositions),
  'attention.causal': (value) => value === true,
  'attention.scale': isNoFactor,
  'rope.scaling.attn_factor': isNoFactor,
  embedding_scale: isNoFactor,
  residual_scale: isNoFactor,
  logit_scale: isNoFactor,
  attn_logit_softcapping: (value) => value === 0,
  final_logit_softcapping: (value) => value === 0,
  expert_count: (value) => value === 0,
}

/** Nought stands for a scale that is not set. */
function isNoFactor(value: unknown): boolean {
  return value === 0 || value === 1
}

function checkNeutral(fields: JsonReader, sizes: Sizes): void {
  const others = Object.entries(NEUTRAL)
    .filter(([key, isNeutral]) => fields.has(key) && !isNeutral(fields.raw(key), sizes))
    .map(([key]) => `${key} ${describe(fields.raw(key))}`)
  if (others.length === 0) return
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${fields.path}: expected a model that ${others.join(', ')} ${others.length === 1 ? 'does' : 'do'} not change, which ${others.length === 1 ? 'is' : 'are'} not supported; take another checkpoint.`,
  )
}

/** A factor alone is linear, under its older name too. */
function linearScaling(fields: JsonReader): object | null {
  const isScaled = fields.choice('rope.scaling.type', { linear: true, none: false }, 'linear')
  const factor = fields.number('rope.scaling.factor', fields.number('rope.scale_linear', 0))
  return isScaled && factor !== 0 && factor !== 1 ? { type: 'linear', factor } : null
}

function dividedScaling(source: GgufSource, theta: number): object | null {
  if (!source.tensors.has(ROPE_DIVISORS)) return null
  return llama3Scaling(toFloat32(source.read(ROPE_DIVISORS)), theta)
}

/** The end of a text, and of a turn where the file knows another token for that. */
function endTokens(metadata: GgufSource['metadata']): unknown {
  const [text, turn] = ['eos', 'eot'].map((end) => metadata.get(`tokenizer.ggml.${end}_token_id`))
  return turn === undefined || turn === text ? text : [text, turn].filter((id) => id !== undefined)
}
