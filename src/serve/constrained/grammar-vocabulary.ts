/** The tokens of a model as a grammar sees them. */
import type { ModelConfig } from '../../families/family.ts'
import { TOOL_MARKS } from '../../families/tool-format.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import type { VocabularyBytes } from './grammar-messages.ts'

const NOTHING = new Uint8Array(0)

/**
 * Control tokens have no text here: otherwise one could be chosen inside a JSON text, letter by letter what it is called.
 * Tags around calls are the exception where they are tokens that stay in a text: models were trained to write those.
 */
export function grammarVocabulary({
  config,
  tokenizer,
  stopIds,
}: {
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  readonly stopIds: readonly number[]
}): VocabularyBytes {
  const { vocabSize } = config.decoder
  const added = new Set(
    tokenizer.addedTokens
      .filter(({ special, content }) => special || !TOOL_MARKS.hermes.includes(content))
      .map(({ id }) => id),
  )
  for (const { placeholder } of [config.image, config.video].filter((one) => one !== null)) {
    added.add(placeholder)
  }
  return {
    vocabSize,
    stopIds,
    tokenBytes(id) {
      const bytes = added.has(id) ? NOTHING : tokenizer.tokenBytes(id)
      return bytes.some(isNeverUtf8) ? NOTHING : bytes
    },
  }
}

/** Bytes that no UTF-8 has (RFC 3629 §1): XGrammar takes them for beginnings of characters. */
function isNeverUtf8(byte: number): boolean {
  return byte === 0xc0 || byte === 0xc1 || byte >= 0xf5
}
