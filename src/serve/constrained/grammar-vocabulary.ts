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
      return isPartOfUtf8(bytes) ? bytes : NOTHING
    },
  }
}

/**
 * XGrammar takes bytes that no UTF-8 has for beginnings of characters, and characters that are written longer than they
 * should be, or are halves of pairs, for characters (RFC 3629 §4). Where their bytes are tokens of their own they may still
 * come one after another.
 */
export function isPartOfUtf8(bytes: Uint8Array): boolean {
  return bytes.every((byte, i) => {
    if (byte === 0xc0 || byte === 0xc1 || byte >= 0xf5) return false
    const next = bytes[i + 1]
    if (next === undefined) return true
    const [least, most] = SECOND_BYTES[byte] ?? [0x00, 0xff]
    return next >= least && next <= most
  })
}

/** What may follow a first byte where that is not any of 80 to BF. */
const SECOND_BYTES: Readonly<Record<number, readonly [least: number, most: number]>> = {
  0xe0: [0xa0, 0xbf],
  0xed: [0x80, 0x9f],
  0xf0: [0x90, 0xbf],
  0xf4: [0x80, 0x8f],
}
