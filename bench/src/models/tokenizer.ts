/** A vocabulary of the right size that means nothing, in both formats: prompts are given as ids. */
import type { GgufField } from '../../../src/weights/gguf-writer.ts'

export const UNKNOWN = 0
export const BOS = 1
export const EOS = 2
/** First id that is an ordinary word: after three special tokens and the 256 bytes. */
export const FIRST_WORD = 259

function vocabulary(size: number): string[] {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  )
  const tokens = ['<unk>', '<s>', '</s>', ...bytes]
  while (tokens.length < size) tokens.push(`▁w${tokens.length}`)
  return tokens.slice(0, size)
}

/** `tokenizer.json` as `tokenizers` writes it for Llama 2; `image` is the id that stands for a picture. */
export function tokenizerJson(size: number, image: number): object {
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const tokens = vocabulary(size)
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      special(UNKNOWN, '<unk>'),
      special(BOS, '<s>'),
      special(EOS, '</s>'),
      special(image, '<image>'),
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(
        tokens.map((token, id) => [id === image ? '<image>' : token, id] as const),
      ),
      merges: [],
    },
  }
}

/** The same vocabulary as GGUF metadata. Token types: 1 a word, 2 unknown, 3 control, 6 a byte. */
export function tokenizerFields(size: number): Record<string, GgufField> {
  const tokens = vocabulary(size)
  const types = tokens.map((_, id) => {
    if (id === UNKNOWN) return 2
    if (id < 3) return 3
    return id < FIRST_WORD ? 6 : 1
  })
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'string[]', value: tokens },
    'tokenizer.ggml.scores': { type: 'float32[]', value: tokens.map((_, id) => -id) },
    'tokenizer.ggml.token_type': { type: 'int32[]', value: types },
    'tokenizer.ggml.unknown_token_id': { type: 'uint32', value: UNKNOWN },
    'tokenizer.ggml.bos_token_id': { type: 'uint32', value: BOS },
    'tokenizer.ggml.eos_token_id': { type: 'uint32', value: EOS },
  }
}
