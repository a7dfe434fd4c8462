/** The size of an AVIF picture: the largest `ispe` among the properties of its items (ISO/IEC 23008-12). */
import { unreadable, type ByteReader } from './byte-reader.ts'

type Box = { readonly type: string; readonly from: number; readonly to: number }

/** Throws InputError for other pictures in the same container (HEIC), which cannot be decoded here. */
export function probeAvif(reader: ByteReader): { width: number; height: number } {
  const [file] = boxes(reader, 0, reader.length)
  const brands = file === undefined ? [] : readBrands(reader, file)
  if (!brands.some((brand) => brand === 'avif' || brand === 'avis')) {
    const [brand = 'nothing'] = brands
    const todo = /^(?:hei|hev|mif|msf)/.test(brand)
      ? 'convert it to JPEG'
      : 'a film is sent as a clip'
    throw unreadable(`its container holds ${brand}, which is not AVIF (${todo})`)
  }
  const properties = descend(reader, ['meta', 'iprp', 'ipco'])
  let width = 0
  let height = 0
  for (const box of properties) {
    if (box.type !== 'ispe' || box.to - box.from < 12) continue
    const [w, h] = [reader.u32(box.from + 4, false), reader.u32(box.from + 8, false)]
    if (w * h > width * height) [width, height] = [w, h]
  }
  return { width, height }
}

function readBrands(reader: ByteReader, { from, to }: Box): string[] {
  const brands: string[] = []
  for (let at = from; at + 4 <= to && brands.length < 64; at += 4) {
    if (at !== from + 4) brands.push(characters(reader, at))
  }
  return brands
}

/** The boxes inside the first box of each type on the way. */
function descend(reader: ByteReader, path: readonly string[]): Box[] {
  let inside = boxes(reader, 0, reader.length)
  for (const type of path) {
    const found = inside.find((box) => box.type === type)
    if (found === undefined) throw unreadable(`its AVIF has no ${type}`)
    // `meta` alone has a version before its contents.
    inside = boxes(reader, found.from + (type === 'meta' ? 4 : 0), found.to)
  }
  return inside
}

function boxes(reader: ByteReader, from: number, to: number): Box[] {
  const found: Box[] = []
  for (let at = from; at + 8 <= to;) {
    const short = reader.u32(at, false)
    const isLong = short === 1
    const size = isLong ? reader.u64(at + 8, false) : short === 0 ? to - at : short
    const header = isLong ? 16 : 8
    if (size < header || at + size > to) return found
    found.push({ type: characters(reader, at + 4), from: at + header, to: at + size })
    at += size
  }
  return found
}

function characters(reader: ByteReader, at: number): string {
  return String.fromCharCode(...reader.bytes.subarray(at, at + 4))
}
