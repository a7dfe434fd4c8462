/** A GGUF file says what the folder says that it was made from: the same config, and the same numbers bit for bit. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, toFloat32, type HostTensor } from '../core/tensor.ts'
import { loadModel, type Model } from '../index.ts'
import { permuteRotary, writeGguf, type GgufField } from '../weights/index.ts'
import { writeTinyAdapter } from '../../test/tiny/adapter.ts'
import {
  writeTinyCheckpoint,
  type TinyCheckpoint,
  type WrittenCheckpoint,
} from '../../test/tiny/checkpoint.ts'
import { SLIDING_WINDOW, TEXT_ONLY } from '../../test/tiny/checkpoints.ts'
import { CONTROL_TOKENS, controlId, tinyVocabulary } from '../../test/tiny/tokenizer.ts'
import { ggufDocuments } from './gguf.ts'
import { textOnly } from './text-only.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-gguf-'))
after(() => rmSync(folder, { recursive: true }))

const LLAMA: TinyCheckpoint = {
  ...TEXT_ONLY,
  name: 'llama',
  config: {
    ...SLIDING_WINDOW.config,
    model_type: 'llama',
    rms_norm_eps: 1e-5,
    rope_theta: 5000,
    tie_word_embeddings: false,
  },
}

/** The names of llama.cpp. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^decoder\.embedTokens\.weight$/, 'token_embd.weight'],
  [/^decoder\.norm\.weight$/, 'output_norm.weight'],
  [/^decoder\.head\.weight$/, 'output.weight'],
  [/^decoder\.layers\.(\d+)\.attentionNorm/, 'blk.$1.attn_norm'],
  [/^decoder\.layers\.(\d+)\.mlpNorm/, 'blk.$1.ffn_norm'],
  [/^decoder\.layers\.(\d+)\.attention\.o\./, 'blk.$1.attn_output.'],
  [/^decoder\.layers\.(\d+)\.attention\.(\w)\./, 'blk.$1.attn_$2.'],
  [/^decoder\.layers\.(\d+)\.mlp\.(\w+)\./, 'blk.$1.ffn_$2.'],
]

async function writeTwin(
  checkpoint: WrittenCheckpoint,
  file: string,
  template: string,
): Promise<void> {
  const { decoder } = checkpoint.config
  const { numHeads, numKvHeads, headDim } = decoder.attention
  const architecture = decoder.kind
  const tensors = new Map(
    [...checkpoint.weights].map(([path, tensor]) => {
      const [pattern, replacement] = NAMES.find(([pattern]) => pattern.test(path))!
      const part = /\.attention\.([qk])\./.exec(path)?.[1]
      const isReordered = architecture === 'llama' && part !== undefined
      const heads = part === 'q' ? numHeads : numKvHeads
      const rows = isReordered ? permuteRotary(tensor, heads) : tensor
      return [path.replace(pattern, replacement), rows] as const
    }),
  )
  const uint = (value: number): GgufField => ({ type: 'uint32', value })
  const float = (value: number): GgufField => ({ type: 'float32', value })
  const tokens = [...tinyVocabulary(), ...CONTROL_TOKENS]
  const types = tokens.map((_, id) => (id < 256 ? 1 : 3))
  await writeGguf(
    file,
    {
      'general.architecture': { type: 'string', value: architecture },
      [`${architecture}.embedding_length`]: uint(decoder.hiddenSize),
      [`${architecture}.feed_forward_length`]: uint(decoder.intermediateSize),
      [`${architecture}.block_count`]: uint(decoder.numLayers),
      [`${architecture}.attention.head_count`]: uint(numHeads),
      [`${architecture}.attention.head_count_kv`]: uint(numKvHeads),
      [`${architecture}.attention.key_length`]: uint(headDim),
      [`${architecture}.context_length`]: uint(decoder.maxPositions),
      [`${architecture}.attention.layer_norm_rms_epsilon`]: float(decoder.epsilon),
      [`${architecture}.rope.freq_base`]: float(decoder.rope.theta),
      ...(decoder.rope.factor !== 1 && {
        [`${architecture}.rope.scaling.type`]: { type: 'string', value: 'linear' },
        [`${architecture}.rope.scaling.factor`]: float(decoder.rope.factor),
      }),
      'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
      'tokenizer.ggml.pre': { type: 'string', value: 'gpt-2' },
      'tokenizer.ggml.tokens': { type: 'string[]', value: tokens },
      'tokenizer.ggml.token_type': { type: 'int32[]', value: types },
      'tokenizer.ggml.merges': { type: 'string[]', value: [] },
      'tokenizer.ggml.eos_token_id': uint(controlId('<|im_end|>')),
      'tokenizer.ggml.eot_token_id': uint(TURN_END),
      'tokenizer.chat_template': { type: 'string', value: template },
    },
    [...tensors].map(([name, { shape }]) => ({ name, type: 'F32' as const, shape })),
    ({ name }) => toFloat32(tensors.get(name)!),
  )
}

/** The end of a turn, which no config of the twin knows. */
const TURN_END = controlId('<|im_start|>')

for (const checkpoint of [LLAMA, TEXT_ONLY]) {
  describe(`${checkpoint.name} from a GGUF file`, () => {
    let twin: Model
    let original: Model
    let written: WrittenCheckpoint
    before(async () => {
      written = await writeTinyCheckpoint(join(folder, checkpoint.name), checkpoint)
      const file = join(folder, `${checkpoint.name}.gguf`)
      await writeTwin(written, file, checkpoint.files['chat_template.jinja'] as string)
      original = await loadModel(written.folder, { precision: 'f32' })
      twin = await loadModel(file, { precision: 'f32' })
    })
    after(async () => {
      await original.dispose()
      await twin.dispose()
    })

    test('has the same config', () => {
      const { epsilon, rope, ...decoder } = twin.config.decoder
      const { epsilon: wanted, rope: turned, ...expected } = written.config.decoder
      assert.deepEqual(decoder, expected)
      // float32 in the file
      assert.equal(epsilon, Math.fround(wanted))
      assert.deepEqual(rope, turned)
      assert.deepEqual(twin.config.prompt, written.config.prompt)
      assert.deepEqual(twin.config.endTokens, [...written.config.endTokens, TURN_END])
      assert.equal(twin.config.maxContext, written.config.maxContext)
    })

    test('gives the same ids and answers', async () => {
      const messages = [{ role: 'user', content: 'What is <|im_end|> it, 2 + 2?' }] as const
      const prepared = await original.prepare({ messages })
      assert.deepEqual((await twin.prepare({ messages })).inputIds, prepared.inputIds)
      const request = { messages, maxTokens: 8, ignoreEos: true }
      assert.deepEqual(
        (await twin.generate(request)).tokens,
        (await original.generate(request)).tokens,
      )
      const [ours, theirs] = [await twin.logits({ messages }), await original.logits({ messages })]
      ours.data.forEach((value, i) => assert.ok(Math.abs(value - theirs.data[i]!) < 1e-4))
    })

    test('takes an adapter as the folder does, and no other part', async () => {
      const rng = new Rng(8)
      const names = [
        'layers.0.self_attn.q_proj',
        'layers.1.self_attn.k_proj',
        'layers.1.mlp.up_proj',
      ]
      const paths = ['layers.0.attention.q', 'layers.1.attention.k', 'layers.1.mlp.up']
      const matrices = names.map((name, i) => {
        const { shape } = written.weights.get(`decoder.${paths[i]}.weight`)!
        // Trained on a model that has eyes: transformers names its decoder so.
        return [`model.language_model.${name}.weight`, shape] as const
      })
      const adapter = join(folder, `${checkpoint.name}-adapter`)
      await writeTinyAdapter(adapter, new Map(matrices), () => rng.normal())
      const file = join(folder, `${checkpoint.name}.gguf`)
      const logitsOf = async (path: string, adapters: string[]) => {
        await using model = await loadModel(path, { precision: 'f32', adapters })
        return (await model.logits({ inputIds: [1, 2, 3] })).data
      }
      const [ours, theirs] = [
        await logitsOf(file, [adapter]),
        await logitsOf(written.folder, [adapter]),
      ]
      ours.forEach((value, i) => assert.ok(Math.abs(value - theirs[i]!) < 1e-4))
      const plain = await logitsOf(file, [])
      assert.ok(ours.some((value, i) => Math.abs(value - plain[i]!) > 0.1))
      for (const part of ['base', 'projector', 'visionTower']) {
        await assert.rejects(loadModel(file, { [part]: 'elsewhere' }), {
          code: 'CONFIG_OPTION',
          message: new RegExp(`^${part}: expected nothing beside a .gguf file.*elsewhere came`),
        })
      }
      await assert.rejects(loadModel(adapter, { base: file }), {
        code: 'CONFIG_OPTION',
        message: /base \(--base\) names .*; give the .gguf file as the model and .* as adapters/,
      })
    })
  })
}

test('an architecture that is not supported is refused by its name', () => {
  const source = {
    tensors: new Map(),
    metadata: new Map([['general.architecture', 'mamba']]),
  } as unknown as Parameters<typeof ggufDocuments>[1]
  assert.throws(
    () => ggufDocuments('model.gguf', source),
    (error) =>
      error instanceof ConfigError &&
      /model\.gguf: general\.architecture "mamba" is not supported; known are llama, qwen2/.test(
        error.message,
      ),
  )
})

/** Metadata of the least that a file says, and what differs. */
function sourceOf(fields: Readonly<Record<string, unknown>>, tensor: HostTensor | null = null) {
  const least = {
    'general.architecture': 'llama',
    'llama.vocab_size': 8,
    'llama.embedding_length': 32,
    'llama.feed_forward_length': 64,
    'llama.block_count': 1,
    'llama.context_length': 64,
    'llama.attention.head_count': 4,
    'llama.attention.layer_norm_rms_epsilon': 1e-5,
  }
  return {
    tensors: new Map(tensor ? [['rope_freqs.weight', tensor]] : []),
    metadata: new Map(
      Object.entries({ ...least, ...fields }).filter(([, value]) => value !== undefined),
    ),
    read: () => tensor,
  } as unknown as Parameters<typeof ggufDocuments>[1]
}

function decoderOf(fields: Readonly<Record<string, unknown>>) {
  return textOnly.parseConfig(ggufDocuments('model.gguf', sourceOf(fields)), {}).decoder
}

test('what a file leaves out is what llama.cpp takes it for', () => {
  assert.equal(decoderOf({}).attention.numKvHeads, 4)
  assert.equal(decoderOf({ 'llama.attention.head_count_kv': 2 }).attention.numKvHeads, 2)
  assert.equal(decoderOf({ 'llama.rope.scale_linear': 4 }).rope.factor, 4)
  assert.equal(decoderOf({ 'llama.rope.scaling.factor': 2 }).rope.factor, 2)
  const none = { 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 2 }
  assert.equal(decoderOf(none).rope.factor, 1)
})

test('fields that would change the numbers are refused by name, and pass where they do not', () => {
  const refused = {
    'llama.rope.dimension_count': 4,
    'llama.logit_scale': 0.5,
    'llama.expert_count': 8,
    'llama.attention.sliding_window': 16,
    'llama.attention.value_length': 16,
  }
  for (const [key, value] of Object.entries(refused)) {
    assert.throws(() => decoderOf({ [key]: value }), {
      code: 'CONFIG_UNSUPPORTED',
      message: new RegExp(`^model\\.gguf: llama: .*${key.replace('llama.', '')} ${value} `),
    })
  }
  decoderOf({
    'llama.rope.dimension_count': 8,
    'llama.logit_scale': 1,
    'llama.expert_count': 0,
    'llama.attention.sliding_window': 64,
  })
  assert.throws(() => decoderOf({ 'llama.rope.scaling.type': 'yarn' }), {
    message: /model\.gguf: llama\.rope\.scaling\.type: "yarn" is not supported/,
  })
})

test('a field that is missing or wrong is told by its own name, and a part of a split file as that', () => {
  const told = (fields: Readonly<Record<string, unknown>>, message: RegExp) =>
    assert.throws(() => decoderOf(fields), { message })
  told(
    { 'llama.attention.head_count': undefined },
    /^model\.gguf: llama\.attention\.head_count: expected a number ≥ 1, nothing came/,
  )
  told(
    { 'llama.attention.head_count_kv': [4, 2] },
    /llama\.attention\.head_count_kv: .* \[4,2\] came/,
  )
  told(
    { 'llama.context_length': 2n ** 60n },
    /llama\.context_length: .* "1152921504606846976" came/,
  )
  told({ 'llama.attention.head_count_kv': 3 }, /head_count 4 is not a multiple of .*_kv 3/)
  const second = { 'general.architecture': undefined, 'split.count': 2, 'split.no': 1 }
  told(second, /^model\.gguf: expected a whole GGUF file, part 2 of 2 came; join them/)
})

test("divisors of frequencies are Llama 3.1's scaling, in any other file nothing", () => {
  const configOf = (divisors: readonly number[] | null) => {
    const tensor = divisors && hostTensor('float32', [4], Float32Array.from(divisors))
    const source = sourceOf({ 'llama.rope.freq_base': 500000 }, tensor)
    return ggufDocuments('model.gguf', source).files.get('config.json') as {
      readonly rope_scaling: object | null
    }
  }
  assert.equal(configOf(null).rope_scaling, null)
  // The third pair turns once in 4,443 positions, between the bands: 1 / ((1 − s) / 8 + s) with s = 0.28128.
  assert.deepEqual(configOf([1, 1, 2.694527, 8]).rope_scaling, {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  })
  assert.throws(() => configOf([1, 1, 3, 8]), ConfigError)
})
