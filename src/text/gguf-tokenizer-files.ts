/**
 * The vocabulary of a GGUF file as `tokenizer.json` and `tokenizer_config.json`, for folders that others read as well.
 *
 * Format: huggingface/tokenizers 0.23, tokenizer/serialization.rs.
 */
import type { AddedToken } from './tokenizer-added.ts'
import { damaged } from './tokenizer-fields.ts'
import {
  ignoresMerges,
  readGgufBpe,
  wordSteps,
  type GgufBpe,
  type GgufMetadata,
} from './tokenizer-gguf.ts'

/**
 * Both files' contents. `renamed` gives special tokens other names: an unused one becomes the place of a picture.
 *
 * Throws CheckpointError for a token to rename that is not special, ConfigError for a vocabulary that is not byte-level BPE.
 */
export function ggufTokenizerFiles(
  metadata: GgufMetadata,
  renamed: ReadonlyMap<string, string>,
): { readonly tokenizer: object; readonly config: object } {
  const bpe = readGgufBpe(metadata)
  const specials = new Set(bpe.added.map(({ content }) => content))
  for (const name of renamed.keys()) {
    if (!specials.has(name)) throw damaged('tokenizer.ggml.tokens', `a special token ${name}`, null)
  }
  const named = (token: string) => renamed.get(token) ?? token
  const added = bpe.added.map((token) => ({ ...token, content: named(token.content) }))
  const { bos, eos, pad, unk } = bpe.roles
  const role = (name: string, token: string | undefined) =>
    token === undefined ? {} : { [name]: named(token) }
  return {
    tokenizer: tokenizerJson(bpe, added, named),
    config: {
      added_tokens_decoder: Object.fromEntries(added.map((token) => [token.id, entry(token)])),
      ...role('bos_token', bos),
      ...role('eos_token', eos),
      ...role('pad_token', pad),
      ...role('unk_token', unk),
      clean_up_tokenization_spaces: false,
      tokenizer_class: 'GPT2Tokenizer',
    },
  }
}

function tokenizerJson(
  { tokens, merges, rule }: GgufBpe,
  added: readonly AddedToken[],
  named: (token: string) => string,
): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((token) => ({ id: token.id, ...entry(token) })),
    normalizer: rule.normalizer ? { type: rule.normalizer } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: wordSteps(rule) },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoresMerges(rule),
      vocab: Object.fromEntries(tokens.map((token, id) => [named(token), id])),
      merges,
    },
  }
}

function entry({ content, lstrip, rstrip, normalized, singleWord, special }: AddedToken): object {
  return { content, single_word: singleWord, lstrip, rstrip, normalized, special }
}
