/**
 * Which part of a text each token stands for, and with it which tokens a chat template marks as the model's own.
 *
 * A tokenizer's ids are laid along the bytes of the text again. What it adds of its own stands for nothing: BOS, and the
 * space that LLaMA's puts before a word.
 */
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { InputError } from '../core/errors.ts'
import { maskFromSpans, type RenderedChat } from './chat-template.ts'
import type { Tokenizer } from './tokenizer.ts'

export type OffsetTokenizer = Pick<Tokenizer, 'encode' | 'tokenBytes'>

/**
 * The ids of a rendered chat, and whether each is to be learnt.
 *
 * Equal to transformers' `apply_chat_template` with `return_assistant_tokens_mask`. Throws InputError where the
 * tokenizer changes the text (a normaliser that composes characters), so that no token can be found in it.
 */
export function maskGenerated(
  tokenizer: OffsetTokenizer,
  rendered: RenderedChat,
): { inputIds: number[]; isLearnt: boolean[] } {
  checkTokenizer('maskGenerated', tokenizer)
  checkFields(
    'maskGenerated: rendered',
    rendered,
    ['text', 'generationSpans'],
    'renderChatWithSpans gives it',
  )
  const { text, generationSpans } = rendered
  const inputIds = tokenizer.encode(text)
  const offsets = tokenOffsets(tokenizer, text, inputIds)
  return { inputIds, isLearnt: maskFromSpans(offsets, generationSpans) }
}

/** The code points [from, to) of `text` for each id; a character's bytes in several tokens belong to each of them. */
export function tokenOffsets(
  tokenizer: OffsetTokenizer,
  text: string,
  ids: readonly number[],
): (readonly [number, number])[] {
  checkTokenizer('tokenOffsets', tokenizer)
  checkArgument('tokenOffsets: text', text, 'a string')
  checkArgument('tokenOffsets: ids', ids, 'a list')
  const bytes = new TextEncoder().encode(text)
  const points = pointStarts(bytes)
  let at = 0
  return ids.map((id) => {
    const token = withoutAddedSpace(tokenizer.tokenBytes(id), bytes, at)
    if (!startsWith(bytes, token, at)) throw lost(text, points[at] ?? 0)
    const from = points[at] ?? 0
    at += token.length
    return [from, token.length === 0 ? from : (points[at - 1] ?? 0) + 1] as const
  })
}

function checkTokenizer(where: string, tokenizer: OffsetTokenizer): void {
  checkFields(
    `${where}: tokenizer`,
    tokenizer,
    ['encode', 'tokenBytes'],
    'load one with loadTokenizer',
  )
}

/** For each byte the number of the code point it belongs to, and one entry for the end. */
function pointStarts(bytes: Uint8Array): Int32Array {
  const points = new Int32Array(bytes.length + 1)
  let point = -1
  bytes.forEach((byte, i) => {
    if ((byte & 0xc0) !== 0x80) point++
    points[i] = point
  })
  points[bytes.length] = point + 1
  return points
}

const SPACE = 0x20

function withoutAddedSpace(token: Uint8Array, bytes: Uint8Array, at: number): Uint8Array {
  return token[0] === SPACE && !startsWith(bytes, token, at) ? token.subarray(1) : token
}

function startsWith(bytes: Uint8Array, token: Uint8Array, at: number): boolean {
  return token.every((byte, i) => bytes[at + i] === byte)
}

function lost(text: string, point: number): InputError {
  const near = [...text].slice(point, point + 12).join('')
  return new InputError(
    'INPUT_TOKEN_OFFSETS',
    `tokens: expected tokens that spell the text, they leave it before '${near}'; write the text in the form the tokenizer normalises to (NFC).`,
  )
}
