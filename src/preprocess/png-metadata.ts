/**
 * Exif and XMP of a PNG: chunks of their own, and text whose keyword names them.
 *
 * As Pillow has it, of several of a kind the last one counts, and `eXIf` more than text. Source: PNG (W3C 2025), 11.3.
 */
import type { ByteReader } from './byte-reader.ts'
import { MOST_METADATA, MOST_PARTS, MOST_UNPACKED } from './header-limits.ts'
import { inflate } from './inflate.ts'
import type { Metadata } from './read-orientation.ts'

const PROFILE = 'Raw profile type exif'
const XMP = 'XML:com.adobe.xmp'

export function pngMetadata(reader: ByteReader): Metadata {
  let exif: Uint8Array | undefined
  const texts = new Map<string, Text>()
  for (let at = 8, parts = 0; reader.has(at, 8) && parts < MOST_PARTS; parts++) {
    const length = reader.u32(at, false)
    const data = reader.bytes.subarray(at + 8, at + 8 + length)
    if (reader.is(at + 4, 'eXIf')) exif = data
    const type = TEXT_TYPES.find((one) => reader.is(at + 4, one))
    const keyword = type && [PROFILE, XMP].find((one) => reader.is(at + 8, `${one}\0`))
    if (type && keyword) texts.set(keyword, { type, rest: data.subarray(keyword.length + 1) })
    at += length + 12
  }
  return { exif: exif ?? fromHex(textOf(texts.get(PROFILE))), xmp: textOf(texts.get(XMP)) }
}

const TEXT_TYPES = ['tEXt', 'zTXt', 'iTXt'] as const

type Text = {
  readonly type: (typeof TEXT_TYPES)[number]
  /** What is behind the keyword. */
  readonly rest: Uint8Array
}

/** Its beginning, if it is long; nothing where it does not unpack. */
function textOf(text: Text | undefined): Uint8Array | undefined {
  if (text === undefined) return
  const { type, rest } = text
  if (type === 'tEXt') return rest.subarray(0, MOST_METADATA)
  // How it is compressed: always by zlib.
  if (type === 'zTXt') return unpack(rest.subarray(1))
  // Whether and how it is compressed, its language, the keyword in it.
  const language = rest.indexOf(0, 2)
  const start = language < 0 ? 0 : rest.indexOf(0, language + 1) + 1
  if (start === 0) return
  const own = rest.subarray(start)
  return rest[0] === 0 ? own.subarray(0, MOST_METADATA) : unpack(own)
}

/** Behind the two bytes of zlib's header. */
function unpack(packed: Uint8Array): Uint8Array | undefined {
  return inflate(packed.subarray(2), MOST_UNPACKED)
}

/** As ImageMagick writes profiles: an empty line, the name, the length, then lines of digits. */
function fromHex(text: Uint8Array | undefined): Uint8Array | undefined {
  if (text === undefined) return
  let start = 0
  for (let line = 0; line < 3; line++) {
    const end = text.indexOf(NEW_LINE, start)
    start = end < 0 ? text.length : end + 1
  }
  const bytes = new Uint8Array(Math.floor((text.length - start) / 2))
  let count = 0
  for (let i = start; i < text.length; i++) {
    const digit = hexDigit(text[i] as number)
    if (digit === undefined) continue
    const at = count++ >> 1
    bytes[at] = ((bytes[at] ?? 0) << 4) | digit
  }
  return bytes.subarray(0, count >> 1)
}

const NEW_LINE = 10

function hexDigit(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code & ~0x20
  if (letter >= 0x41 && letter <= 0x46) return letter - 0x41 + 10
}
