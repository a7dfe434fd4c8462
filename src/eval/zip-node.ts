/** The files of a ZIP archive, checked: what spreadsheets are packed in. */
import { crc32, inflateRawSync } from 'node:zlib'
import { InputError } from '../core/errors.ts'

const END_OF_DIRECTORY = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50
const LOCAL_HEADER = 0x04034b50
/** All entries together. Official tables are a few megabytes; a bomb is not unpacked. */
const MOST_BYTES = 512 * 1024 * 1024

/**
 * Path to text of every `.xml` and `.rels` file in the archive. `name` is for errors.
 * Throws InputError where the archive is cut off, damaged, encrypted, or packed in another way than stored or deflated.
 * Source: PKWARE APPNOTE 6.3.10, §4.3.
 */
export function unzipTexts(bytes: Buffer, name: string): Map<string, string> {
  const texts = new Map<string, string>()
  let left = MOST_BYTES
  for (const entry of directory(bytes, name)) {
    if (!/\.(?:xml|rels)$/.test(entry.path)) continue
    left -= entry.size
    if (left < 0) throw broken(name, `at most ${MOST_BYTES} bytes unpacked`)
    texts.set(entry.path, new TextDecoder().decode(unpack(bytes, entry, name)))
  }
  return texts
}

type Entry = {
  readonly path: string
  readonly flags: number
  readonly method: number
  readonly crc: number
  readonly packed: number
  readonly size: number
  readonly offset: number
}

function* directory(bytes: Buffer, name: string): Generator<Entry> {
  // The record is 22 bytes and a comment of at most 65535.
  let end = bytes.length - 22
  const first = Math.max(0, end - 0xffff)
  while (end >= first && bytes.readUInt32LE(end) !== END_OF_DIRECTORY) end--
  if (end < first) throw broken(name, 'a whole ZIP archive; its directory is missing')
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) {
      throw broken(name, 'a whole ZIP directory')
    }
    const nameLength = bytes.readUInt16LE(at + 28)
    yield {
      path: bytes.toString('utf8', at + 46, at + 46 + nameLength),
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      packed: bytes.readUInt32LE(at + 20),
      size: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
}

function unpack(bytes: Buffer, entry: Entry, name: string): Buffer {
  const { path, flags, method, crc, packed, size, offset } = entry
  if (flags & 1) throw broken(name, `${path} unencrypted`)
  if (offset + 30 > bytes.length || bytes.readUInt32LE(offset) !== LOCAL_HEADER) {
    throw broken(name, `${path} where its directory says`)
  }
  const start = offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28)
  if (start + packed > bytes.length) throw broken(name, `all of ${path}`)
  const data = inflate(bytes.subarray(start, start + packed), { method, size, name, path })
  if (data.length !== size || crc32(data) !== crc) throw broken(name, `${path} undamaged`)
  return data
}

function inflate(
  data: Buffer,
  { method, size, name, path }: Pick<Entry, 'method' | 'size' | 'path'> & { readonly name: string },
): Buffer {
  if (method === 0) return data
  if (method !== 8) throw broken(name, `${path} stored or deflated, not packed by method ${method}`)
  try {
    return inflateRawSync(data, { maxOutputLength: Math.max(1, size) })
  } catch (cause) {
    throw broken(name, `${path} undamaged`, cause)
  }
}

function broken(name: string, expected: string, cause?: unknown): InputError {
  return new InputError(
    'INPUT_SPREADSHEET_BROKEN',
    `eval: ${name} should hold ${expected}; copy or save it again.`,
    { cause },
  )
}
