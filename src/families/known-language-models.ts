/**
 * The language models under published LLaVA checkpoints, in the words of their config files.
 *
 * Source: config.json of each on the Hugging Face hub, as far as `unverified` is empty; else the published dimensions of
 * the base model.
 */

export type KnownLanguageModel = {
  /** As `text_config`, or the top level of an original checkpoint, has it. */
  readonly config: Readonly<Record<string, unknown>>
  /** Rows of the vocabulary in `llava-hf` files, which add tokens and fill up to multiples of 64. */
  readonly hfVocabSize: number
  /** What nobody here has seen in a file. */
  readonly unverified: readonly string[]
}

/** Width, blocks, query heads, key heads, width of the MLP, rows of the vocabulary. */
type Sizes = readonly [number, number, number, number, number, number]

type Facts = {
  readonly positions: number
  readonly theta: number
  readonly epsilon: number
  readonly tied?: boolean
  readonly bos: number
  readonly eos: number
  readonly hfVocabSize: number
  readonly unverified?: readonly string[]
}

function languageModel(modelType: string, sizes: Sizes, facts: Facts): KnownLanguageModel {
  const [width, blocks, heads, keyHeads, intermediate, vocabSize] = sizes
  return {
    config: {
      model_type: modelType,
      hidden_size: width,
      num_hidden_layers: blocks,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      intermediate_size: intermediate,
      vocab_size: vocabSize,
      max_position_embeddings: facts.positions,
      rope_theta: facts.theta,
      rms_norm_eps: facts.epsilon,
      tie_word_embeddings: facts.tied ?? false,
      hidden_act: 'silu',
      bos_token_id: facts.bos,
      eos_token_id: facts.eos,
      ...(modelType === 'mistral' && { sliding_window: null }),
      ...(modelType === 'qwen2' && { use_sliding_window: false, sliding_window: facts.positions }),
    },
    hfVocabSize: facts.hfVocabSize,
    unverified: facts.unverified ?? [],
  }
}

const VICUNA = { positions: 4096, theta: 1e4, epsilon: 1e-5, bos: 1, eos: 2, hfVocabSize: 32064 }
/** Before 1.5: half the context, and rows for `<im_patch>`, `<im_start>` and `<im_end>` that differ from file to file. */
const OLD_VICUNA = {
  ...VICUNA,
  positions: 2048,
  epsilon: 1e-6,
  unverified: ['rms_norm_eps', 'rows that were added to the vocabulary'],
}
const LLAMA_2 = { ...VICUNA, unverified: ['dimensions'] }
const QWEN = { positions: 32768, theta: 1e6, epsilon: 1e-6, bos: 151643, eos: 151645 }

const VICUNA_7B: Sizes = [4096, 32, 32, 32, 11008, 32000]
const VICUNA_13B: Sizes = [5120, 40, 40, 40, 13824, 32000]

export const KNOWN_LANGUAGE_MODELS = {
  'vicuna-7b-old': languageModel('llama', VICUNA_7B, OLD_VICUNA),
  'vicuna-13b-old': languageModel('llama', VICUNA_13B, OLD_VICUNA),
  'llama-2-7b': languageModel('llama', VICUNA_7B, LLAMA_2),
  'llama-2-13b': languageModel('llama', VICUNA_13B, LLAMA_2),
  'vicuna-7b': languageModel('llama', VICUNA_7B, VICUNA),
  'vicuna-13b': languageModel('llama', VICUNA_13B, VICUNA),
  'mistral-7b': languageModel('mistral', [4096, 32, 32, 8, 14336, 32000], {
    ...VICUNA,
    positions: 32768,
    theta: 1e6,
  }),
  'yi-34b': languageModel('llama', [7168, 60, 56, 8, 20480, 64000], {
    ...VICUNA,
    theta: 5e6,
    eos: 7,
    hfVocabSize: 64064,
  }),
  'llama-3-8b': languageModel('llama', [4096, 32, 32, 8, 14336, 128256], {
    ...VICUNA,
    positions: 8192,
    theta: 5e5,
    bos: 128000,
    eos: 128001,
    hfVocabSize: 128320,
  }),
  'qwen1.5-0.5b': languageModel('qwen2', [1024, 24, 16, 16, 2816, 151936], {
    ...QWEN,
    tied: true,
    hfVocabSize: 152000,
  }),
  'qwen1.5-7b': languageModel('qwen2', [4096, 32, 32, 32, 11008, 151936], {
    ...QWEN,
    hfVocabSize: 152000,
    unverified: ['dimensions', 'rows of the vocabulary'],
  }),
  'qwen1.5-32b': languageModel('qwen2', [5120, 64, 40, 8, 27392, 152064], {
    ...QWEN,
    hfVocabSize: 152128,
    unverified: ['dimensions', 'rows of the vocabulary'],
  }),
  'qwen1.5-72b': languageModel('qwen2', [8192, 80, 64, 64, 24576, 152064], {
    ...QWEN,
    hfVocabSize: 152128,
    unverified: ['rows of the vocabulary'],
  }),
  'qwen1.5-110b': languageModel('qwen2', [8192, 80, 64, 8, 49152, 152064], {
    ...QWEN,
    hfVocabSize: 152128,
    unverified: ['rows of the vocabulary'],
  }),
  'qwen2-0.5b': languageModel('qwen2', [896, 24, 14, 2, 4864, 151936], {
    ...QWEN,
    tied: true,
    hfVocabSize: 152000,
    unverified: ['rows of the vocabulary'],
  }),
  'qwen2-7b': languageModel('qwen2', [3584, 28, 28, 4, 18944, 152064], {
    ...QWEN,
    hfVocabSize: 152128,
  }),
  'qwen2-72b': languageModel('qwen2', [8192, 80, 64, 8, 29568, 152064], {
    ...QWEN,
    hfVocabSize: 152128,
  }),
} as const satisfies Readonly<Record<string, KnownLanguageModel>>

export type LanguageModelName = keyof typeof KNOWN_LANGUAGE_MODELS
