/**
 * Exif and XMP of a PNG: chunks of their own, and text whose keyword names them.
 *
 * As Pillow has it, of several of a kind the last one counts, and `eXIf` more than text. Source: PNG (W3C 2025), 11.3.
 */
import type { ByteReader } from './byte-reader.ts'
import { inflate } from './inflate.ts'
import type { Metadata } from './read-orientation.ts'

const PROFILE = 'Raw profile type exif'
const XMP = 'XML:com.adobe.xmp'

export function pngMetadata(reader: ByteReader): Metadata {
  let exif: Uint8Array | undefined
  const texts = new Map<string, Text>()
  for (let at = 8; reader.has(at, 8);) {
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

/** Nothing where it does not unpack. */
function textOf(text: Text | undefined): Uint8Array | undefined {
  if (text === undefined) return
  const { type, rest } = text
  if (type === 'tEXt') return rest
  // How it is compressed: always by zlib.
  if (type === 'zTXt') return unpack(rest.subarray(1))
  // Whether and how it is compressed, its language, the keyword in it.
  const language = rest.indexOf(0, 2)
  const start = language < 0 ? 0 : rest.indexOf(0, language + 1) + 1
  if (start === 0) return
  return rest[0] === 0 ? rest.subarray(start) : unpack(rest.subarray(start))
}

/** What Pillow unpacks of a text. */
const MOST_TEXT = 2 ** 20

/** Behind the two bytes of zlib's header. */
function unpack(packed: Uint8Array): Uint8Array | undefined {
  return packed.length > MOST_TEXT ? undefined : inflate(packed.subarray(2), MOST_TEXT)
}

/** As ImageMagick writes profiles: an empty line, the name, the length, then lines of digits. */
function fromHex(text: Uint8Array | undefined): Uint8Array | undefined {
  if (text === undefined) return
  const lines = new TextDecoder('latin1').decode(text).split('\n').slice(3)
  const digits = lines.join('').replaceAll(/\s/g, '')
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
