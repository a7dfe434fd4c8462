import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { decoderFields } from './convert/config-fields.ts'
import { isKnownDecoder, parseDecoderConfig } from './decoder-config.ts'
import { JsonReader } from './json-reader.ts'
import { parseOriginalDecoder } from './original-decoder.ts'

function parse(json: object, tieDefault?: boolean): DecoderConfig {
  return parseDecoderConfig(new JsonReader('config.text_config', json), { isTied: tieDefault })
}

const LLAMA: DecoderConfig = {
  kind: 'llama',
  hiddenSize: 4096,
  intermediateSize: 11008,
  numLayers: 32,
  attention: {
    numHeads: 32,
    numKvHeads: 32,
    headDim: 128,
    bias: false,
    outputBias: false,
    slidingWindow: null,
  },
  mlpBias: false,
  vocabSize: 32000,
  epsilon: 1e-6,
  rope: { theta: 10000, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 2048,
}

/** What files on the hub leave out, class by class. Source: transformers 5.23. */
const DEFAULTS: Readonly<Record<string, DecoderConfig>> = {
  llama: LLAMA,
  mistral: {
    ...LLAMA,
    kind: 'mistral',
    intermediateSize: 14336,
    attention: { ...LLAMA.attention, numKvHeads: 8, slidingWindow: 4096 },
    maxPositions: 131072,
  },
  qwen2: {
    ...LLAMA,
    kind: 'qwen2',
    intermediateSize: 22016,
    attention: { ...LLAMA.attention, bias: true },
    vocabSize: 151936,
    maxPositions: 32768,
  },
}

describe('what a file leaves out is the default of its class', () => {
  for (const [type, expected] of Object.entries(DEFAULTS)) {
    test(type, () => assert.deepEqual(parse({ model_type: type }), expected))
  }
  test('a text_config without model_type is a Llama', () => assert.deepEqual(parse({}), LLAMA))
  test('the names of original classes are those of their language models', () => {
    const kinds = ['llava', 'llava_llama', 'llava_mistral', 'llava_qwen'].map(
      (type) => parse({ model_type: type }).kind,
    )
    assert.deepEqual(kinds, ['llama', 'llama', 'mistral', 'qwen2'])
    assert.ok(
      isKnownDecoder('llava_qwen') && !isKnownDecoder('mamba') && !isKnownDecoder(undefined),
    )
  })
})

test('biases are where Llama says; Mistral has none and Qwen2 those of q, k and v, whatever is said', () => {
  const biases = (json: object) => {
    const { attention, mlpBias } = parse({ attention_bias: true, mlp_bias: true, ...json })
    return [attention.bias, attention.outputBias, mlpBias]
  }
  assert.deepEqual(biases({ model_type: 'llama' }), [true, true, true])
  assert.deepEqual(biases({ model_type: 'llama', mlp_bias: false }), [true, true, false])
  assert.deepEqual(biases({ model_type: 'mistral' }), [false, false, false])
  assert.deepEqual(biases({ model_type: 'qwen2' }), [true, false, false])
})

test('what a file says counts', () => {
  const json = {
    model_type: 'mistral',
    hidden_size: 96,
    intermediate_size: 200,
    num_hidden_layers: 3,
    num_attention_heads: 6,
    num_key_value_heads: 2,
    head_dim: 32,
    vocab_size: 500,
    rms_norm_eps: 1e-5,
    rope_theta: 1e6,
    sliding_window: 7,
    tie_word_embeddings: true,
    max_position_embeddings: 64,
    hidden_act: 'silu',
    torch_dtype: 'float16',
  }
  assert.deepEqual(parse(json), {
    kind: 'mistral',
    hiddenSize: 96,
    intermediateSize: 200,
    numLayers: 3,
    attention: {
      numHeads: 6,
      numKvHeads: 2,
      headDim: 32,
      bias: false,
      outputBias: false,
      slidingWindow: 7,
    },
    mlpBias: false,
    vocabSize: 500,
    epsilon: 1e-5,
    rope: { theta: 1e6, factor: 1 },
    tieEmbeddings: true,
    maxPositions: 64,
  })
})

test('heads default to all query heads in Llama, and their width to a share of the hidden size', () => {
  const { attention } = parse({ hidden_size: 96, num_attention_heads: 6 })
  assert.equal(attention.numKvHeads, 6)
  assert.equal(attention.headDim, 16)
})

test('the head is tied where text_config or what stands above it says so', () => {
  for (const above of [false, true]) {
    for (const said of [undefined, false, true]) {
      const { tieEmbeddings } = parse({ tie_word_embeddings: said ?? null }, above)
      assert.equal(tieEmbeddings, said === true || above)
    }
  }
})

describe('rotary scaling in every spelling', () => {
  const LLAMA3 = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  }
  const bands = { factor: 8, low: 1, high: 4, context: 8192 }
  const SPELLINGS: readonly (readonly [string, object, DecoderConfig['rope']])[] = [
    ['llama3', { rope_theta: 9, rope_scaling: LLAMA3 }, { theta: 9, factor: 1, bands }],
    [
      'llama3, transformers 5',
      { rope_parameters: { rope_theta: 9, ...LLAMA3 } },
      { theta: 9, factor: 1, bands },
    ],
    ['none', { rope_theta: 5 }, { theta: 5, factor: 1 }],
    ['null', { rope_scaling: null }, { theta: 10000, factor: 1 }],
    ['type', { rope_scaling: { type: 'linear', factor: 2 } }, { theta: 10000, factor: 2 }],
    [
      'rope_type',
      { rope_scaling: { rope_type: 'linear', factor: 2.5 } },
      { theta: 10000, factor: 2.5 },
    ],
    ['default', { rope_scaling: { rope_type: 'default' } }, { theta: 10000, factor: 1 }],
    [
      'transformers 5',
      { rope_parameters: { rope_theta: 7, rope_type: 'linear', factor: 4 } },
      { theta: 7, factor: 4 },
    ],
    [
      'transformers 5, theta outside',
      { rope_theta: 8, rope_parameters: { rope_type: 'default' } },
      { theta: 8, factor: 1 },
    ],
  ]
  for (const [name, json, expected] of SPELLINGS) {
    test(name, () => assert.deepEqual(parse(json).rope, expected))
  }
})

test('a window is seen where the class has one', () => {
  const windowOf = (json: object) => parse(json).attention.slidingWindow
  assert.equal(windowOf({ sliding_window: 5 }), null)
  assert.equal(windowOf({ model_type: 'mistral', sliding_window: null }), null)
  assert.equal(windowOf({ model_type: 'mistral' }), 4096)
  const qwen = { model_type: 'qwen2', sliding_window: 5, num_hidden_layers: 4 }
  assert.equal(windowOf(qwen), null)
  assert.equal(windowOf({ ...qwen, use_sliding_window: true }), null)
  assert.equal(windowOf({ ...qwen, use_sliding_window: true, max_window_layers: 0 }), 5)
})

test('Qwen2 has its window in the layers that its config names', () => {
  const qwen = { model_type: 'qwen2', use_sliding_window: true, num_hidden_layers: 3 }
  const fullLayers = (json: object) => {
    const decoder = parse({ ...qwen, ...json })
    return [decoder.attention.slidingWindow, decoder.fullLayers]
  }
  const [full, window] = ['full_attention', 'sliding_attention']
  assert.deepEqual(fullLayers({ max_window_layers: 2 }), [4096, [0, 1]])
  assert.deepEqual(fullLayers({ max_window_layers: 0 }), [4096, undefined])
  assert.deepEqual(fullLayers({ max_window_layers: 3 }), [null, undefined])
  assert.deepEqual(fullLayers({ layer_types: [window, full, window] }), [4096, [1]])
  assert.deepEqual(fullLayers({ layer_types: [full, full, full] }), [null, undefined])
  assert.deepEqual(fullLayers({ max_window_layers: 0, sliding_window: null }), [null, undefined])
})

test('windows of some layers are written as they are read', () => {
  const [full, window] = ['full_attention', 'sliding_attention']
  const qwen = { model_type: 'qwen2', use_sliding_window: true, num_hidden_layers: 3 }
  for (const json of [
    { max_window_layers: 0 },
    { max_window_layers: 2 },
    { layer_types: [window, full, window] },
    { use_sliding_window: false },
  ]) {
    const config = parse({ ...qwen, ...json })
    const tokens = { bos: undefined, eos: [], pad: undefined }
    const fields = decoderFields(config, { vocabSize: config.vocabSize, tokens, dtype: 'float32' })
    assert.deepEqual(parse({ model_type: 'qwen2', ...fields }), config)
  }
})

describe('what is not supported is refused by its name', () => {
  const REFUSED: readonly (readonly [object, string, RegExp])[] = [
    [
      { model_type: 'mamba' },
      'CONFIG_UNSUPPORTED',
      /model_type: "mamba" is not supported; known are llama, mistral/,
    ],
    [{ hidden_act: 'gelu' }, 'CONFIG_UNSUPPORTED', /hidden_act: "gelu" is not supported/],
    [
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      'CONFIG_UNSUPPORTED',
      /rope_scaling: rope type "yarn" is not supported; known are default, linear/,
    ],
    [
      { rope_parameters: { rope_type: 'longrope' } },
      'CONFIG_UNSUPPORTED',
      /rope_parameters: rope type "longrope"/,
    ],
    [
      {
        model_type: 'qwen2',
        num_hidden_layers: 4,
        use_sliding_window: true,
        layer_types: ['full_attention', 'sliding_attention', 'full_attention'],
      },
      'CONFIG_TYPE',
      /layer_types: expected 4 of full_attention or sliding_attention, one a layer/,
    ],
    [
      { num_attention_heads: 6, num_key_value_heads: 4, hidden_size: 96 },
      'CONFIG_HEADS',
      /num_attention_heads 6 is not a multiple of num_key_value_heads 4/,
    ],
    [{ hidden_size: 96, num_attention_heads: 32 }, 'CONFIG_HEADS', /head_dim 3 is odd/],
    [
      { hidden_size: 100, num_attention_heads: 8 },
      'CONFIG_HEADS',
      /hidden_size 100 is not a multiple of num_attention_heads 8, and no head_dim is there; correct/,
    ],
    [
      { hidden_size: '4096' },
      'CONFIG_TYPE',
      /hidden_size: expected a number ≥ 1, "4096" came; correct the file/,
    ],
    [{ num_hidden_layers: 0 }, 'CONFIG_TYPE', /num_hidden_layers: expected a number ≥ 1, 0 came/],
    [
      { num_hidden_layers: 1e9 },
      'CONFIG_TYPE',
      /num_hidden_layers: expected at most 1024, 1000000000/,
    ],
    [{ rope_theta: 0 }, 'CONFIG_TYPE', /rope_theta: expected a number ≥ 1, 0 came/],
    [
      { rope_scaling: nested(100_000) },
      'CONFIG_TYPE',
      /rope_scaling: expected an object, \[\["…"\]\]/,
    ],
    [
      { rope_scaling: { type: 'linear' } },
      'CONFIG_TYPE',
      /rope_scaling\.factor: expected a number ≥ 1, nothing came/,
    ],
    [
      { rope_scaling: { type: 'llama3', low_freq_factor: 4, high_freq_factor: 4 } },
      'CONFIG_ROPE',
      /rope_scaling: expected high_freq_factor above low_freq_factor above 0, 4 and 4 came/,
    ],
    [{ rope_scaling: 'linear' }, 'CONFIG_TYPE', /rope_scaling: expected an object, "linear" came/],
    [
      { tie_word_embeddings: 1 },
      'CONFIG_TYPE',
      /tie_word_embeddings: expected true or false, 1 came/,
    ],
  ]
  for (const [json, code, message] of REFUSED) {
    test(String(message), () => {
      assert.throws(
        () => parse(json),
        (error) => {
          assert.ok(error instanceof ConfigError)
          assert.equal(error.code, code)
          assert.match(error.message, message)
          assert.match(error.message, /^config\.text_config/)
          return true
        },
      )
    })
  }
})

describe('original classes do what they did', () => {
  const original = (json: object) => parseOriginalDecoder(new JsonReader('config.json', json))
  const SCALED = { rope_scaling: { type: 'linear', factor: 2 } }

  test('only Llama obeys rope_scaling', () => {
    assert.equal(original({ model_type: 'llava_llama', ...SCALED }).rope.factor, 2)
    assert.equal(original({ model_type: 'llava_mistral', ...SCALED }).rope.factor, 1)
    assert.equal(original({ model_type: 'llava_qwen', ...SCALED }).rope.factor, 1)
  })

  test("Qwen2's window is one longer than it says, whatever use_sliding_window says", () => {
    const qwen = { model_type: 'llava_qwen', max_position_embeddings: 100 }
    const windowOf = (json: object) => original({ ...qwen, ...json }).attention.slidingWindow
    assert.equal(windowOf({ sliding_window: 20, use_sliding_window: false }), 21)
    assert.equal(windowOf({ sliding_window: 100 }), null)
    assert.equal(windowOf({ sliding_window: null }), null)
  })
})

/** A list in a list in a list … */
function nested(depth: number): unknown {
  let list: unknown[] = []
  for (let i = 0; i < depth; i++) list = [list]
  return list
}
