/** JSON as the files of a checkpoint hold it. */
import { jsonText } from '../../core/json-numbers.ts'
import type { AddedToken } from '../../text/tokenizer-added.ts'
import type { JsonObject } from '../json-reader.ts'

export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(jsonText(value))
}

/** A token as an entry of added_tokens_decoder; with its id, of tokenizer.json. */
export function addedTokenEntry(token: AddedToken): JsonObject {
  const { content, lstrip, rstrip, normalized, special } = token
  return { content, single_word: token.singleWord, lstrip, rstrip, normalized, special }
}
