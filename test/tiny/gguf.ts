/** The smallest language model in a GGUF file: one layer, stored in blocks. */
import { Rng } from '../../src/core/rng.ts'
import { writeGguf, type GgufTensorPlan } from '../../src/weights/index.ts'

const D = 64
const VOCABULARY = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<unused>', ...byteTokens()]
export const VOCABULARY_SIZE = VOCABULARY.length

/** Layers of blocks and norms of float32, words of bytes, and a template in ChatML. */
export async function writeTinyGguf(path: string): Promise<void> {
  const plan = (name: string, shape: number[], type: GgufTensorPlan['type'] = 'Q8_0') => ({
    name,
    shape,
    type,
  })
  const plans = [
    plan('token_embd.weight', [VOCABULARY.length, D]),
    plan('output_norm.weight', [D], 'F32'),
    plan('blk.0.attn_norm.weight', [D], 'F32'),
    plan('blk.0.ffn_norm.weight', [D], 'F32'),
    ...['q', 'output'].map((name) => plan(`blk.0.attn_${name}.weight`, [D, D])),
    ...['k', 'v'].map((name) => plan(`blk.0.attn_${name}.weight`, [D / 2, D])),
    ...['gate', 'up'].map((name) => plan(`blk.0.ffn_${name}.weight`, [96, D])),
    plan('blk.0.ffn_down.weight', [D, 96]),
  ]
  const number = (value: number) => ({ type: 'uint32', value }) as const
  const text = (value: string) => ({ type: 'string', value }) as const
  const metadata = {
    'general.architecture': text('llama'),
    'llama.block_count': number(1),
    'llama.context_length': number(256),
    'llama.embedding_length': number(D),
    'llama.feed_forward_length': number(96),
    'llama.attention.head_count': number(2),
    'llama.attention.head_count_kv': number(1),
    'llama.attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-5 } as const,
    'llama.vocab_size': number(VOCABULARY.length),
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text('smollm'),
    'tokenizer.ggml.tokens': { type: 'string[]', value: VOCABULARY } as const,
    'tokenizer.ggml.token_type': {
      type: 'int32[]',
      value: VOCABULARY.map((_, id) => (id < 4 ? 3 : 1)),
    } as const,
    'tokenizer.ggml.merges': { type: 'string[]', value: ['W h', 'Wh y'].slice(0, 0) } as const,
    'tokenizer.ggml.bos_token_id': number(1),
    'tokenizer.ggml.eos_token_id': number(2),
    'tokenizer.chat_template': text(
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    ),
  }
  const rng = new Rng(3)
  await writeGguf(path, metadata, plans, ({ name, shape }) => tinyNumbers(rng, name, shape))
}

/** What a tensor of that name may hold: norms are near 1. */
export function tinyNumbers(rng: Rng, name: string, shape: readonly number[]): Float32Array {
  const isNorm = /norm\d?\.weight$/.test(name)
  const size = isNorm ? 0.1 : 0.25
  const count = shape.reduce((a, b) => a * b, 1)
  return Float32Array.from({ length: count }, () => (isNorm ? 1 : 0) + size * rng.normal())
}

/** Bytes as GPT-2 writes them: printable ones as themselves, the others from U+0100 on. */
function byteTokens(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const isShown = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    return String.fromCodePoint(isShown ? byte : next++)
  })
}
