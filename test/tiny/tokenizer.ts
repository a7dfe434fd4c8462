/** A tokenizer of bytes: every text has ids, every id that is no control token is one byte. */

export const CONTROL_TOKENS = [
  '<s>',
  '</s>',
  '<|im_start|>',
  '<|im_end|>',
  '<image>',
  '<pad>',
  '<video>',
] as const
export type ControlToken = (typeof CONTROL_TOKENS)[number]

const BYTES = 256

export const TINY_VOCABULARY = BYTES + CONTROL_TOKENS.length

export function controlId(token: ControlToken): number {
  return BYTES + CONTROL_TOKENS.indexOf(token)
}

/** tokenizer.json and tokenizer_config.json; `addBos` puts `<s>` in front of a text. */
export function tinyTokenizer({ addBos }: { readonly addBos: boolean }): Record<string, unknown> {
  const bos = { SpecialToken: { id: '<s>', type_id: 0 } }
  const text = { Sequence: { id: 'A', type_id: 0 } }
  const postProcessor = {
    type: 'TemplateProcessing',
    single: addBos ? [bos, text] : [text],
    pair: [text],
    special_tokens: { '<s>': { id: '<s>', ids: [controlId('<s>')], tokens: ['<s>'] } },
  }
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: CONTROL_TOKENS.map((content) => ({
        id: controlId(content),
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      post_processor: postProcessor,
      decoder: { type: 'ByteLevel' },
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(tinyVocabulary().map((character, byte) => [character, byte])),
        merges: [],
      },
    },
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: addBos ? '<s>' : null,
      eos_token: '<|im_end|>',
      pad_token: '<pad>',
    },
  }
}

/** The character that stands for each byte: itself where it is printable, else one from 256 on. Source: GPT-2. */
export function tinyVocabulary(): string[] {
  let next = 256
  return Array.from({ length: BYTES }, (_, byte) => {
    const isPrintable =
      (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255)
    return String.fromCharCode(isPrintable ? byte : next++)
  })
}
