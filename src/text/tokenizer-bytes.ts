/**
 * The printable stand-in of each byte in a byte-level vocabulary, and the way back.
 *
 * Printable Latin-1 characters stand for themselves; the other 68 bytes take U+0100 and on, in order.
 * Source: openai/gpt-2, src/encoder.py, bytes_to_unicode (2019).
 */

/** `BYTE_CHARS[byte]` is the character that stands for `byte`. */
export const BYTE_CHARS: readonly string[] = byteChars()

const BYTE_OF_CODE = byteOfCode()
const encoder = new TextEncoder()

/** The UTF-8 bytes of `text`, each written as its stand-in: `' é'` becomes `'ĠÃ©'`. */
export function toByteChars(text: string): string {
  let isPlain = true
  for (let i = 0; i < text.length && isPlain; i++) {
    const code = text.charCodeAt(i)
    isPlain = code > 32 && code < 127
  }
  if (isPlain) return text
  let result = ''
  for (const byte of encoder.encode(text)) result += BYTE_CHARS[byte] as string
  return result
}

/** The bytes that `token` stands for; a token with a character outside the table stands for its own UTF-8. */
export function fromByteChars(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CODE[token.charCodeAt(i)] ?? -1
    if (byte < 0) return encoder.encode(token)
    bytes[i] = byte
  }
  return bytes
}

function byteChars(): string[] {
  const chars: string[] = []
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    chars.push(String.fromCharCode(isPrintable ? byte : next++))
  }
  return chars
}

function byteOfCode(): Int16Array {
  const table = new Int16Array(512).fill(-1)
  BYTE_CHARS.forEach((char, byte) => (table[char.charCodeAt(0)] = byte))
  return table
}
